"""A form while it is filled in: what was typed, what it began as, what is wrong with it; no screen."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from kronkeep_common.errors import KronkeepError
from kronkeep_common.models import BackupStorage, CronJobCreate
from kronkeep_tui.form import merge
from kronkeep_tui.form.draft import Read, draft_of, new_draft, read
from kronkeep_tui.form.form_rows import Row, field_of, row_of_fault, rows, storage_error
from kronkeep_tui.form.merge import Difference

if TYPE_CHECKING:
    from kronkeep_common.client import Client
    from kronkeep_common.client.cronjobs import TaggedSpec


class Filling:
    """`of` is empty for a new CronJob, or `edit` or `copy` and a NAMESPACE/NAME@CLUSTER."""

    def __init__(self, of: str, storage: str = "") -> None:
        self.of = of
        self.draft = new_draft(storage)
        self.unread = of != ""  # until then the fields are not those of the CronJob
        self.tag: str | None = None
        self.met: dict[str, Difference] = {}
        self._base: dict[str, str] = {}
        self._touched: set[str] = set()
        self._tried = False
        self._refused: dict[str, tuple[str, str]] = {}  # key → the text the daemon refused, its sentence
        self._read = Read(None, {})
        self.look()

    @property
    def source(self) -> tuple[str, str] | None:
        """Namespace and name of the CronJob that it begins with."""
        namespace, _, name = self.of.partition("@")[0].partition(" ")[2].partition("/")
        return (namespace, name) if self.of else None

    def client(self, client: "Client") -> "Client":
        """The client for what is about its CronJob: on its own cluster, a new one's is the daemon's first."""
        cluster = self.of.partition("@")[2]
        return client.for_cluster(cluster) if cluster else client

    @property
    def target(self) -> tuple[str, str] | None:
        """Namespace and name of the CronJob that is being changed; None for a new one."""
        return self.source if self.of.startswith("edit ") else None

    @property
    def spec(self) -> CronJobCreate | None:
        """The CronJob of the fields; None while something is wrong with them."""
        return self._read.spec

    def look(self) -> None:
        """Reads the fields anew."""
        self._read = read(self.draft)

    def begin(self, found: "TaggedSpec") -> None:
        """Fills the fields with the CronJob that this is of."""
        self.draft = draft_of(found.spec) | ({} if self.target else {"name": ""})
        self._base = dict(self.draft)
        self.tag = found.tag
        self.unread = False
        self.look()

    def fill_from(self, found: Mapping[str, str]) -> None:
        """Fills the fields with another CronJob's; the name stays, and the storage where that says none."""
        kept = {key: self.draft.get(key, "") for key in ("name", "namespace")}
        storage = found.get("policy.storage_id", self.draft.get("policy.storage_id", ""))
        self.draft = new_draft() | dict(found) | kept | {"policy.storage_id": storage}
        self.look()

    def typed(self, key: str, text: str) -> None:
        """A field's text was changed by a person."""
        self.draft[key] = text
        self._touched.add(key)
        self.look()

    def rows(self, storages: Sequence[BackupStorage] | None) -> list[Row]:
        """The rows of the form with what is said at each."""
        locked = frozenset(("namespace", "name")) if self.target else frozenset[str]()
        return rows(self.draft, self._faults(storages), locked)

    def errors(self, storages: Sequence[BackupStorage] | None) -> dict[str, KronkeepError]:
        """What is wrong as far as is known here; `storages` None is that they were not read yet."""
        name = self.draft.get("policy.storage_id", "").strip()
        namespace = self.draft.get("namespace", "")
        error = storage_error(name, namespace.strip(), storages) if storages is not None else None
        return self._read.errors | ({"policy.storage_id": error} if error is not None else {})

    def _faults(self, storages: Sequence[BackupStorage] | None) -> dict[str, str]:
        """What is said at the fields, the daemon's refusals too; of an empty one once it was touched."""
        said = {key: words for key, (text, words) in self._refused.items() if self.draft.get(key, "") == text}
        for one in self.open_differences():
            said[_key(one)] = f"somebody else wrote {merge.said(one.theirs)}"
        errors = self.errors(storages)
        told = {key for key in errors if self._tried or key in self._touched or self.draft.get(key)}
        return said | {key: error.message for key, error in errors.items() if key in told}

    def refuse(self, error: KronkeepError) -> str | None:
        """Keeps what the daemon refused at the field that it names until its text changes; gives its key."""
        key = row_of_fault(str(error.details.get("field", "")))
        if key is not None:
            self._refused[key] = (self.draft.get(key, ""), error.message)
        return key

    def wrong(self, storages: Sequence[BackupStorage] | None) -> tuple[str, KronkeepError] | None:
        """The first field that keeps it from being sent, and why; from now on what is empty is said too."""
        errors = self.errors(storages)
        self._tried = True
        return next(((row.key, errors[row.key]) for row in self.rows(storages) if row.key in errors), None)

    # somebody else's changes

    def meet(self, now: "TaggedSpec") -> list[Difference]:
        """Takes in what somebody else changed; what was typed here stays, and both can be had."""
        theirs = draft_of(now.spec)
        found = merge.differences(self._base, self.draft, theirs)
        self.draft = merge.merged(self.draft, found)
        self._base = theirs
        self.tag = now.tag
        self.met |= {one.path: one for one in found}
        self.look()
        return found

    def open_differences(self) -> list[Difference]:
        """Those where something else was typed here, and theirs was not taken."""
        return [
            one
            for one in self.met.values()
            if one.collides and merge.texts_of(self.draft, one.path) != one.theirs
        ]

    @property
    def first_met(self) -> str | None:
        """The row to look at after somebody else's change: one that both changed before all others."""
        first = next(iter([*self.open_differences(), *self.met.values()]), None)
        return _key(first) if first else None

    def met_at(self, key: str) -> Difference | None:
        """What somebody else changed in a row's field."""
        return self.met.get(field_of(key).path) if key else None

    def swap(self, path: str) -> None:
        """Puts in theirs, or what stood there before."""
        one = self.met[path]
        here = merge.texts_of(self.draft, path)
        if here != one.theirs:
            self.met[path] = one._replace(mine=here)
        before = one.was if one.mine == one.theirs else one.mine
        self.draft = merge.put(self.draft, path, before if here == one.theirs else one.theirs)
        self.look()


def _key(one: Difference) -> str:
    """The row at which a difference is said."""
    return f"{one.path}.0" if field_of(one.path).many else one.path
