"""The state of a form: its draft, what it began with, what is wrong with it. It knows no screen."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from kronkeep_common.errors import KronkeepError
from kronkeep_common.models import BackupStorage, CronJobCreate, OtherVolume
from kronkeep_common.subject_names import claim_of
from kronkeep_tui.form import claim_policy, concurrent_changes
from kronkeep_tui.form.concurrent_changes import ConcurrentChange
from kronkeep_tui.form.draft import ParsedDraft, draft_of, new_draft, parse_draft
from kronkeep_tui.form.form_rows import FormRow, field_of, row_of_error_field, rows_of_draft, storage_error

if TYPE_CHECKING:
    from kronkeep_common.client import Client
    from kronkeep_common.client.cronjobs import TaggedSpec


class FormState:
    """A form being filled in; `of` is empty for a new CronJob, or `edit|copy NAMESPACE/NAME@CLUSTER`."""

    def __init__(self, of: str, storage: str = "") -> None:
        self.of = of
        self.draft = new_draft(storage)
        self.is_unread = of != ""  # until `load` the fields are not those of the CronJob
        self.tag: str | None = None
        self.changes: dict[str, ConcurrentChange] = {}
        self._base: dict[str, str] = {}
        self._other_volumes: tuple[OtherVolume, ...] = ()
        self._touched: set[str] = set()
        self._tried = False
        self._refused: dict[
            str, tuple[str, str]
        ] = {}  # by key: the text that the daemon refused, and its message
        self._parsed = ParsedDraft(None, {})
        self.parse()

    @property
    def source(self) -> tuple[str, str] | None:
        """The namespace and name of the CronJob that the form begins with; None for a new one."""
        namespace, _, name = self.of.partition("@")[0].partition(" ")[2].partition("/")
        return (namespace, name) if self.of else None

    @property
    def cluster(self) -> str:
        """The id of the cluster that has the CronJob; empty for a new one."""
        return self.of.partition("@")[2]

    def client_for(self, client: "Client") -> "Client":
        """Return the client for the CronJob's cluster; for a new CronJob that is the daemon's first."""
        return client.for_cluster(self.cluster) if self.cluster else client

    @property
    def target(self) -> tuple[str, str] | None:
        """The namespace and name of the CronJob that is being changed; None for a new one or a copy."""
        return self.source if self.of.startswith("edit ") else None

    @property
    def claim(self) -> str | None:
        """The claim whose policy is being changed; None for a CronJob."""
        return claim_of(self.target[1]) if self.target else None

    async def read(self, client: "Client") -> "TaggedSpec":
        """Read what the form begins with; raise KronkeepError."""
        assert self.source is not None
        if self.claim is not None:
            return await claim_policy.read_claim_policy(client, *self.source)
        return await client.cronjobs.spec_with_tag(*self.source)

    @property
    def spec(self) -> CronJobCreate | None:
        """The CronJob that the fields describe; None while something is wrong."""
        return self._parsed.spec

    @property
    def warnings(self) -> list[str]:
        """What the policy leaves out, and what else its author can hardly mean."""
        return self._parsed.warnings

    def parse(self) -> None:
        """Parse the draft after a change."""
        self._parsed = parse_draft(self.draft, self._other_volumes)

    def load(self, read: "TaggedSpec") -> None:
        """Fill the fields from the CronJob that is changed or copied."""
        self.draft = draft_of(read.spec) | ({} if self.target else {"name": ""})
        self._base = dict(self.draft)
        self._other_volumes = read.spec.other_volumes
        self.tag = read.tag
        self.is_unread = False
        self.parse()

    def fill_from(self, texts: Mapping[str, str]) -> None:
        """Fill the fields from another draft; the name stays, and the storage where that draft has none."""
        names = {key: self.draft.get(key, "") for key in ("name", "namespace")}
        storage = texts.get("policy.storage_id", self.draft.get("policy.storage_id", ""))
        self.draft = new_draft() | dict(texts) | names | {"policy.storage_id": storage}
        self.parse()

    def type_text(self, key: str, text: str) -> None:
        """Put in a text that the user typed."""
        self.draft[key] = text
        self._touched.add(key)
        self._refused.pop(key, None)
        self.parse()

    def rows(self, storages: Sequence[BackupStorage] | None) -> list[FormRow]:
        """Return the rows of the form with the messages at each; `storages` is None until they were read."""
        locked = frozenset(("namespace", "name")) if self.target else frozenset[str]()
        if self.claim is None:
            return rows_of_draft(self.draft, self._faults(storages), locked)
        locked = claim_policy.LOCKED
        return rows_of_draft(self.draft, self._faults(storages), locked, claim_policy.HIDDEN)

    def errors(self, storages: Sequence[BackupStorage] | None) -> dict[str, KronkeepError]:
        """Return what is wrong, as far as it can be known here; `storages` is None until they were read."""
        name = self.draft.get("policy.storage_id", "").strip()
        namespace = self.draft.get("namespace", "")
        error = storage_error(name, namespace.strip(), storages) if storages is not None else None
        errors = self._parsed.errors | ({"policy.storage_id": error} if error is not None else {})
        return errors | (claim_policy.find_errors(self.spec, name) if self.claim is not None else {})

    def _faults(self, storages: Sequence[BackupStorage] | None) -> dict[str, str]:
        """Return the messages at the fields: errors, the daemon's refusals, and other people's changes.

        An empty field has a message once it was changed or the form was sent.
        """
        messages = {
            key: message for key, (text, message) in self._refused.items() if self.draft.get(key, "") == text
        }
        for change in self.open_changes():
            theirs = concurrent_changes.describe_texts(change.theirs)
            messages[_row_key(change)] = f"somebody else wrote {theirs}"
        for key, error in self.errors(storages).items():
            if self._tried or key in self._touched or self.draft.get(key):
                messages[key] = error.message
        return messages

    def add_refusal(self, error: KronkeepError, sent: Mapping[str, str]) -> str | None:
        """Show a refusal at the field that it names until its text changes; return the row's key.

        sent: the texts that were refused. A field that has another text by now is not marked, and no key is
        returned.
        """
        key = row_of_error_field(str(error.details.get("field", "")))
        text = sent.get(key, "") if key is not None else ""
        if key is None or self.draft.get(key, "") != text:
            return None
        self._refused[key] = (text, error.message)
        return key

    def forget_refusals(self) -> None:
        """Remove every refusal, as the daemon accepts what the fields say now."""
        self._refused.clear()

    def first_error(self, storages: Sequence[BackupStorage] | None) -> tuple[str, KronkeepError] | None:
        """Return the first row with an error, if any; from now on empty fields have their messages, too."""
        errors = self.errors(storages)
        self._tried = True
        return next(((row.key, errors[row.key]) for row in self.rows(storages) if row.key in errors), None)

    # changes that somebody else made

    def take_in_changes(self, now: "TaggedSpec") -> list[ConcurrentChange]:
        """Merge what somebody else changed into the form; fields that were changed here, too, stay."""
        theirs = draft_of(now.spec)
        changes = concurrent_changes.find_changes(self._base, self.draft, theirs)
        self.draft = concurrent_changes.merge_changes(self.draft, changes)
        self._base = theirs
        self._other_volumes = now.spec.other_volumes
        self.tag = now.tag
        self.changes |= {change.path: change for change in changes}
        self.parse()
        return changes

    def is_changed_elsewhere(self, now: "TaggedSpec") -> bool:
        """Return whether something that was read now differs from what the form began with."""
        return draft_of(now.spec) != self._base

    def describe_changes(self) -> str:
        """Return which fields were changed since the form was opened, from what to what; empty for none."""
        changes = concurrent_changes.find_changes(self._base, self._base, self.draft)
        return concurrent_changes.describe_changes(changes)

    def open_changes(self) -> list[ConcurrentChange]:
        """Return the changes to fields that were changed here, too, and whose other text was not taken."""
        return [
            change
            for change in self.changes.values()
            if change.collides and concurrent_changes.texts_of(self.draft, change.path) != change.theirs
        ]

    @property
    def first_changed_row(self) -> str | None:
        """The key of the first row that somebody else changed, those changed here, too, before others."""
        first = next(iter([*self.open_changes(), *self.changes.values()]), None)
        return _row_key(first) if first else None

    def change_at(self, key: str) -> ConcurrentChange | None:
        """Return what somebody else changed in a row's field."""
        return self.changes.get(field_of(key).path) if key else None

    def swap_change(self, path: str) -> None:
        """Put their text into a field, or bring back the one before."""
        change = self.changes[path]
        here = concurrent_changes.texts_of(self.draft, path)
        if here != change.theirs:
            self.changes[path] = change._replace(mine=here)
        before = change.before if change.mine == change.theirs else change.mine
        self.draft = concurrent_changes.replace_texts(
            self.draft, path, before if here == change.theirs else change.theirs
        )
        self.parse()


def _row_key(change: ConcurrentChange) -> str:
    """Return the key of the row at which a change is shown."""
    return f"{change.path}.0" if field_of(change.path).many else change.path
