"""The forms of storages: of a new one, and of what may change of one."""

from collections.abc import Sequence

from kronkeep_common.errors import KronkeepError, StorageNotFound
from kronkeep_common.models import BackupStorage, BackupStorageCreate
from kronkeep_common.models.coverage import ClaimCoverage
from kronkeep_common.models.storage import EVERY_NAMESPACE, SecretNames
from kronkeep_common.text import size
from kronkeep_tui.context import Context
from kronkeep_tui.form import storage_fields
from kronkeep_tui.form.short_fields import Sections, Suggestion
from kronkeep_tui.form.storage_fields import KINDS, StorageChanges
from kronkeep_tui.navigation import Place
from kronkeep_tui.pages import storage_form as page
from kronkeep_tui.pages.status_words import cause
from kronkeep_tui.password_words import password_words
from kronkeep_tui.shell_commands import lines_of_change, lines_of_manifest
from kronkeep_tui.store import Store
from kronkeep_tui.views.short_form import ShortForm
from kronkeep_tui.views.wait_text import waiting_lines
from kronkeep_tui.widgets.cells import Text, wrap

ASKING = "asking the daemon ..."


class StorageForm(ShortForm[BackupStorageCreate, BackupStorage]):
    """A new storage: its kind first, then the fields of that kind."""

    FIRST_FIELD = "kind"
    IS_NEW = True

    def __init__(self, context: Context, place: Place) -> None:
        super().__init__(context, place)
        self._secrets: Sequence[SecretNames] | None = None
        self._claims: Sequence[ClaimCoverage] | None = None

    def crumb(self, store: Store) -> str:
        return "new storage"

    async def load(self) -> None:
        """Read which Secrets and claims exist; where that is refused, names are typed without help."""
        try:
            self._secrets = (await self.context.client.storages.secrets()).items
            self._claims = (await self.context.client.coverage()).items
        except KronkeepError as error:
            self.context.tell(f"What exists is not offered: {error.message}", "quiet")
        self.refresh_fields()

    @property
    def kind(self) -> str:
        """The kind that is chosen."""
        return self.texts["kind"]

    def first_texts(self) -> dict[str, str]:
        texts = storage_fields.new_texts()
        is_free = self.store.storages.get(storage_fields.EXAMPLE) is None
        return texts if is_free else texts | {"id": ""}

    def sections(self) -> Sections:
        return storage_fields.sections_of_kind(self.kind, is_new=self.IS_NEW)

    def request(self) -> BackupStorageCreate | None:
        return storage_fields.parse_storage(self.texts, is_new=self.IS_NEW).request

    def faults(self) -> dict[str, str]:
        return storage_fields.parse_storage(self.texts, is_new=self.IS_NEW).faults

    def key_of_error(self, error: KronkeepError) -> str | None:
        return storage_fields.key_of_error(error, self.kind)

    def suggestions(self, path: str) -> Sequence[Suggestion]:
        kind, _, field = path.partition(".")
        if path in ("credentials", "maintenance_credentials"):
            fitting = page.fitting_secrets(KINDS[self.kind], self._secrets or ())
            return [Suggestion(secret.name) for secret in fitting]
        if path == "password":
            secrets = self._secrets or ()
            return [Suggestion(f"{secret.name}/{key}") for secret in secrets for key in secret.keys]
        if path == "namespaces":
            return [Suggestion(name) for name in (*self._namespaces(), EVERY_NAMESPACE)]
        if field == "claim":
            chosen = self.texts.get(f"{kind}.namespace", "")
            return [
                Suggestion(claim.name, _claim_words(claim))
                for claim in self._claims or ()
                if chosen in ("", claim.namespace)
            ]
        if field == "namespace":
            return [Suggestion(name) for name in self._namespaces()]
        if field == "storage_class":
            classes = {claim.storage_class for claim in self._claims or () if claim.storage_class}
            return [Suggestion(name) for name in sorted(classes)]
        return ()

    def _namespaces(self) -> list[str]:
        of_claims = {claim.namespace for claim in self._claims or ()}
        return sorted(of_claims | {cronjob.namespace for cronjob in self.store.cronjobs})

    def preview_lines(self, width: int) -> list[Text]:
        kind = KINDS[self.kind]
        request = self.request()
        waiting = waiting_lines(self.context, width, ASKING) if request is not None else []
        has_claim = any(field.name == "claim" for field in kind.fields)
        return [
            *page.kind_lines(kind, width),
            *page.plan_lines(self.plan, self.plan_error, waiting=waiting, width=width),
            *page.user_lines(self.texts.get("namespaces", "").split(), width),
            *self._password_lines(width),
            *page.secret_lines(kind, self.texts.get("credentials", ""), self._secrets, width),
            *(page.claim_lines(self._claims) if has_claim else []),
        ]

    def _password_lines(self, width: int) -> list[Text]:
        secret = self.texts.get("password", "").strip().partition("/")[0]
        return page.password_lines(self.texts.get("id", ""), secret, self.texts.get("layout", ""), width)

    async def ask_plan(self, request: BackupStorageCreate) -> BackupStorage:
        return await self.context.client.storages.create(request, dry_run=True)

    async def send(self, request: BackupStorageCreate) -> None:
        created = await self.context.client.storages.create(request)
        self.context.last_change = lines_of_manifest("BackupStorage", request, "/v1/storages")
        if self.is_in_front:
            self.context.show_row("storages", created.id)
        warnings = "".join(f" {warning}" for warning in created.namespace_warnings)
        if request.password is None or created.layout != "shared":
            self.context.tell(f"Creating {created.id}. {password_words(created.password_secrets)}{warnings}")
        else:
            self.context.tell(f"Creating {created.id}.{warnings}", "warn" if warnings else "ok")


class StorageChangeForm(StorageForm):
    """What may change of the storage whose name is the argument: its address, its Secrets, its limits."""

    FIRST_FIELD = "namespaces"
    LOCKED = frozenset(("kind", "id"))
    IS_NEW = False

    def crumb(self, store: Store) -> str:
        return f"change {self.argument}"

    def __init__(self, context: Context, place: Place) -> None:
        super().__init__(context, place)
        self._known: BackupStorage | None = None

    @property
    def storage(self) -> BackupStorage:
        """The storage as it is now, or as it was before it went; raise StorageNotFound if it never was."""
        self._known = self.store.storages.get(self.argument) or self._known
        if self._known is None:
            raise StorageNotFound(self._gone_words)
        return self._known

    @property
    def _gone_words(self) -> str:
        """A sentence that there is no such storage; empty while there is one."""
        is_there = self.store.storages.get(self.argument) is not None
        return "" if is_there else f"There is no storage {self.argument} any more."

    def first_texts(self) -> dict[str, str]:
        try:
            return storage_fields.texts_of(self.storage)
        except StorageNotFound:  # the form was opened again after the storage had been deleted
            return storage_fields.new_texts() | {"id": self.argument}

    def faults(self) -> dict[str, str]:
        gone = {"id": self._gone_words} if self._gone_words else {}
        return super().faults() | storage_fields.find_kept(self.first_texts(), self.texts) | gone

    def request(self) -> BackupStorageCreate | None:
        return None if self.faults() else super().request()

    def _changes(self, request: BackupStorageCreate) -> StorageChanges:
        return storage_fields.find_changes(self.storage, request)

    def preview_lines(self, width: int) -> list[Text]:
        if self._gone_words:
            return cause(self._gone_words, "esc leaves the form.", width, "bad")
        request = self.request()
        lines = page.kind_lines(KINDS[self.kind], width)
        if request is None:
            return lines
        differences = storage_fields.describe_differences(self.first_texts(), self.texts)
        words = f"would change: {differences}" if differences else "Nothing differs yet."
        lines += [((part, ""),) for part in wrap(words, width)]
        if self._changes(request).address is not None:
            lines += [((part, "warn"),) for part in wrap(_ADDRESS_WORDS, width)]
            waiting = waiting_lines(self.context, width, ASKING)
            lines += page.plan_lines(self.plan, self.plan_error, waiting=waiting, width=width)
        chosen = self.texts.get("credentials", "")
        return lines + page.secret_lines(KINDS[self.kind], chosen, self._secrets, width)

    async def ask_plan(self, request: BackupStorageCreate) -> BackupStorage:
        address = self._changes(request).address
        if address is None:
            return self.storage
        return await self.context.client.storages.check_address(self.argument, address)

    async def send(self, request: BackupStorageCreate) -> None:
        changes = self._changes(request)
        differences = storage_fields.describe_differences(self.first_texts(), self.texts)
        calls = self.context.client.storages
        if changes.limits is not None:
            await calls.change(self.argument, changes.limits)
            self.context.last_change = lines_of_change(
                (), f"/v1/storages/{self.argument}", method="PATCH", body=changes.limits
            )
        if changes.address is not None:
            self.context.tell("Looking for the repositories at the new address ...", "quiet")
            await calls.change_address(self.argument, changes.address)
            self.context.last_change = lines_of_change(
                (), f"/v1/storages/{self.argument}/address", body=changes.address
            )
        if self.is_in_front:
            self.context.leave()
        words = f"Changed {self.argument}: {differences}." if differences else "Nothing differs."
        self.context.tell(words, "ok" if differences else "quiet")


_ADDRESS_WORDS = (
    "The address changes only if each repository of the storage is found there, by its id. "
    "kronkeep copies no data."
)


def _claim_words(claim: ClaimCoverage) -> str:
    return f"({size(claim.size_bytes)})" if claim.size_bytes is not None else ""
