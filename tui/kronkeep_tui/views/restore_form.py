"""The form of a restore: its target, with the plan of what it would do in sight."""

from collections.abc import Sequence
from datetime import datetime

import msgspec

from kronkeep_common.errors import KronkeepError, NotAllowedNow
from kronkeep_common.models import BackupExecution, RestorePlan, RestoreRequest
from kronkeep_common.models.coverage import ClaimCoverage
from kronkeep_common.restore_names import new_claim_name
from kronkeep_common.snapshot_age import describe_snapshot_age
from kronkeep_common.text import clean, count_words, size
from kronkeep_tui import actions
from kronkeep_tui.actions import Scope, handles
from kronkeep_tui.context import Context
from kronkeep_tui.form import restore_fields
from kronkeep_tui.form.short_fields import Sections, Suggestion
from kronkeep_tui.navigation import Place
from kronkeep_tui.pages.restores import plan_lines
from kronkeep_tui.pages.status_words import cause
from kronkeep_tui.prompt import YesNoPrompt, name_prompt
from kronkeep_tui.shell_commands import lines_of_change, words_of_restore
from kronkeep_tui.store import Store
from kronkeep_tui.views.short_form import ShortForm
from kronkeep_tui.views.wait_text import waiting_lines
from kronkeep_tui.widgets.cells import Text

NO_PATHS = "[]"


class RestoreForm(ShortForm[RestoreRequest, RestorePlan]):
    """The argument is the backup's id, a space and the paths to restore as JSON, none for all."""

    SCOPES = (Scope.RESTORE_FORM, Scope.FORM, Scope.ANY)
    FIRST_FIELD = "claim"

    def __init__(self, context: Context, place: Place) -> None:
        super().__init__(context, place)
        self.backup_id, _, paths = place.argument.partition(" ")
        self._include = tuple(msgspec.json.decode(paths or NO_PATHS, type=list[str]))
        self._claims: Sequence[ClaimCoverage] = ()
        self._claim_texts: dict[str, str] = {}  # by kind of target

    def crumb(self, store: Store) -> str:
        if len(self._include) == 1:
            return clean(f"restore {self._include[0]}", 60)
        what = count_words(len(self._include), "path") if self._include else "all"
        backup = self._backup
        return f"restore {what}{f' of {backup.namespace}/{backup.cronjob}' if backup else ''}"

    async def load(self) -> None:
        """Read which claims exist; where that is refused, names are typed without help."""
        try:
            self._claims = (await self.context.client.coverage()).items
        except KronkeepError as error:
            self.context.tell(f"Claims are not offered: {error.message}", "quiet")
        self.refresh_fields()

    def first_texts(self) -> dict[str, str]:
        return restore_fields.texts_of_request(RestoreRequest())

    def accept_text(self, key: str, text: str) -> None:
        """Take a text; each kind of target keeps the claim that was typed for it, and begins without one."""
        if key == "kind":
            self._claim_texts[self.texts["kind"]] = self.texts["claim"]
            self.texts["claim"] = self._claim_texts.get(text, "")
        super().accept_text(key, text)

    def sections(self) -> Sections:
        return restore_fields.sections_of_target(self.texts)

    def request(self) -> RestoreRequest | None:
        request = restore_fields.parse_restore(self.texts, self._include).request
        if request is None or request.target.kind != "in-place":
            return request
        # The plan is that of the restore once the CronJob's name is typed.
        backup = self._backup
        return msgspec.structs.replace(request, confirm=backup.cronjob if backup else None)

    def faults(self) -> dict[str, str]:
        return restore_fields.parse_restore(self.texts, self._include).faults

    def key_of_error(self, error: KronkeepError) -> str | None:
        return restore_fields.key_of_error(error)

    @property
    def _backup(self) -> BackupExecution | None:
        return self.store.backups.get(self.backup_id)

    def suggestions(self, path: str) -> Sequence[Suggestion]:
        own = self._backup.namespace if self._backup else ""
        namespace = self.texts.get("namespace", "").strip() or own
        if path == "claim" and self.texts["kind"] == "claim":
            return [
                Suggestion(claim.name, f"({size(claim.size_bytes)})" if claim.size_bytes is not None else "")
                for claim in self._claims
                if claim.namespace == namespace
            ]
        if path == "claim" and self._backup is not None:
            return [Suggestion(new_claim_name(self._backup))]
        if path == "namespace":
            names = {claim.namespace for claim in self._claims} | {c.namespace for c in self.store.cronjobs}
            return [Suggestion(name) for name in sorted(names)]
        if path == "storage_class":
            classes = {claim.storage_class for claim in self._claims if claim.storage_class}
            return [Suggestion(name) for name in sorted(classes)]
        if path == "from_copy":
            copies = [copy for copy in self.store.copies.newest() if copy.backup_id == self.backup_id]
            return [Suggestion(copy.storage_id) for copy in copies if copy.snapshot_id]
        return ()

    def preview_lines(self, width: int) -> list[Text]:
        if self.plan_error is not None:
            return cause(self.plan_error.message, self.plan_error.next_step, width, "bad")
        if self.plan is None:
            if self.request() is None:
                return [(("The target is not whole yet.", "quiet"),)]
            return waiting_lines(self.context, width, "Looking at the snapshot and at the target ...")
        return plan_lines(self.plan, self._include, self.context.clock.now(), width)

    async def ask_plan(self, request: RestoreRequest) -> RestorePlan:
        return await self.context.client.backups.plan_restore(self.backup_id, request)

    @handles(actions.BEGIN)
    def ask_begin(self) -> None:
        """Begin the restore after a question; in place, once the CronJob's name is typed."""
        self.require_live()
        request = self.require_request()
        if self.plan_error is not None:
            raise self.plan_error
        plan = self.plan
        if plan is None:
            raise NotAllowedNow("The plan has not come yet.", next_step="Begin once it is in sight.")
        if plan.refusal:
            raise NotAllowedNow(plan.refusal, next_step="Change the target.")

        def start() -> None:
            self.context.start_work(self.send_and_keep(request), "restore")

        question = _question(plan, self.context.clock.now())
        self.context.ask(
            name_prompt(question, plan.confirm, start) if plan.confirm else YesNoPrompt(question, start)
        )

    async def send(self, request: RestoreRequest) -> None:
        restore = await self.context.client.backups.restore(self.backup_id, request)
        self.context.last_change = lines_of_change(
            words_of_restore(self.backup_id, request), f"/v1/backups/{self.backup_id}/restore", body=request
        )
        if self.is_in_front:
            self.context.replace("restore_page", restore.id)


def _question(plan: RestorePlan, now: datetime) -> str:
    """Return what is asked before a restore: how old the snapshot is, and what becomes of the target."""
    age = describe_snapshot_age(plan, now, now.tzinfo)
    lead = f"The snapshot is {age}. " if age else ""
    question = f"{lead}Restore {count_words(plan.files, 'file')}, {plan.overwritten} of them overwritten?"
    if plan.type_changes:
        return f"{question[:-1]}, {plan.type_changes} of another type and {plan.removed} more gone?"
    return question
