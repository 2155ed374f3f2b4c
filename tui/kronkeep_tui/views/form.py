"""The form for a CronJob with its backup policy: a new one, a copy, or a change.

What was typed is kept when saving fails, when the daemon is away, when somebody else changes the CronJob, and
when the form is left before it is saved.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import partial
from operator import attrgetter

from textual.timer import Timer

from kronkeep_common.errors import InvalidRequest, KronkeepError, NamespaceNotServed, NotAllowedNow
from kronkeep_common.models import (
    BackupStorage,
    BackupStorageChange,
    CronJob,
    CronJobCreate,
    Retention,
    ScheduleCheckRequest,
)
from kronkeep_tui import actions
from kronkeep_tui.actions import Action, Scope, handles
from kronkeep_tui.context import Context
from kronkeep_tui.form import concurrent_changes, schedule_fit, templates
from kronkeep_tui.form.draft import draft_of
from kronkeep_tui.form.form_rows import FormRow, completions, hint_for
from kronkeep_tui.form.form_state import FormState
from kronkeep_tui.form.retention_trial import RULES, RetentionTrial
from kronkeep_tui.form.schedule_fit import ScheduleFit
from kronkeep_tui.form.submit import lines_of_form, submit_form
from kronkeep_tui.navigation import Place
from kronkeep_tui.pages import retention as retention_page
from kronkeep_tui.pages.status_words import cause
from kronkeep_tui.prompt import LinePrompt, YesNoPrompt
from kronkeep_tui.store import Store
from kronkeep_tui.views.form_base import FormBase
from kronkeep_tui.views.wait_text import waiting_lines
from kronkeep_tui.widgets.cells import Text, wrap
from kronkeep_tui.widgets.line_widget import FormPanel
from kronkeep_tui.widgets.meaning_panel import MeaningPanel

CHECK_SECONDS = 0.12  # seconds without a key before the daemon is asked how schedules fit
TRIAL_SECONDS = 0.3  # the same before it is asked what rules of retention would do
MOST_DRAFTS = 20
STILL_CHECKING = "It is still checked how the schedules fit: press the key again once that is said."
_FIRST_FIELDS = {
    "": "name",
    "copy": "name",
    "edit": "schedule",
    "policy": "policy.storage_id",
    "rpo": "policy.rpo_seconds",
}


class FormView(FormBase):
    """The form; argument: empty for a new CronJob, `edit NAMESPACE/NAME` or `copy NAMESPACE/NAME`.

    With `policy NAMESPACE/NAME` it is the form of `edit`, and begins at the section of the backup; with `rpo`
    at the RPO.
    """

    SCOPES = (Scope.CRONJOB_FORM, Scope.FORM, Scope.ANY)

    def __init__(self, context: Context, place: Place) -> None:
        super().__init__(context, place)
        verb, _, name = place.argument.partition(" ")
        self._of = (
            f"edit {name}" if verb in ("policy", "rpo") else place.argument
        )  # also the key of its draft
        self.form_state = FormState(self._of)
        self._first_field = "policy.storage_id" if self.form_state.claim else _FIRST_FIELDS[verb]
        self._schedule_fit = ScheduleFit()
        self._check_timer: Timer | None = None
        self._trial = RetentionTrial()
        self._trial_timer: Timer | None = None
        self._was_on_rules = False
        self._changed_storages: dict[str, BackupStorage] = {}  # by this view; the store hears of it later

    @property
    def draft(self) -> dict[str, str]:
        """The texts of the fields by their keys."""
        return self.form_state.draft

    def crumb(self, store: Store) -> str:
        target = self.form_state.target
        return f"edit {'/'.join(target)}" if target else "new CronJob"

    def create_panel(self) -> FormPanel:
        return MeaningPanel()

    def on_mount(self) -> None:
        """Show the kept draft of an earlier visit, or the defaults."""
        kept = self.context.drafts.get(self._of)
        active = [storage.id for storage in self._storages if storage.status == "active"]
        self.form_state = kept or FormState(self._of, active[0] if len(active) == 1 else "")
        self.refresh_fields(at=self._first_field)
        if self.form_state.source is not None and self.form_state.is_unread:
            self.form_widget.hold_keys()
        if kept:
            self.context.tell("This is your earlier draft; f5 discards it.", "quiet")

    async def load(self) -> None:
        """Read the CronJob of the argument, unless something was typed already."""
        filling = self.form_state
        if filling.source is not None and filling.is_unread:
            client = filling.client_for(self.context.client)
            try:
                filling.load(await filling.read(client))
                self.refresh_fields(at=self._first_field)
            finally:
                if self.is_mounted:
                    self.form_widget.release_keys()

    # what is shown

    @property
    def _storages(self) -> list[BackupStorage]:
        storages = self.store.storages.newest()
        current = [self._changed_storages.get(storage.id, storage) for storage in storages]
        return sorted(current, key=attrgetter("id"))

    @property
    def _known_storages(self) -> list[BackupStorage] | None:
        return self._storages if self.context.reader.has_read else None

    @property
    def _claims(self) -> list[str]:
        """The claims of the namespace that is filled in: a pod mounts no others."""
        namespace = self.draft.get("namespace", "").strip()
        return sorted({c for each in self.store.cronjobs if each.namespace == namespace for c in each.claims})

    def form_rows(self) -> list[FormRow]:
        self.form_state.parse()
        return self.form_state.rows(self._known_storages)

    def refresh_fields(self, *, at: str | None = None) -> None:
        """Parse the fields and show them with their preview."""
        super().refresh_fields(at=at)
        self._check_schedules_soon()
        self._try_rules_soon()

    def show_hint(self) -> None:
        """Show the hint of the row under the cursor; on a rule of retention, what the rules would do."""
        was_on_rules = self._was_on_rules
        super().show_hint()
        self._was_on_rules = self._is_on_rules
        if self._was_on_rules != was_on_rules:
            self._try_rules_soon()
            self.show_preview()

    def hint(self, row: FormRow) -> tuple[str, str]:
        change = self.form_state.change_at(row.key)
        if change:
            return concurrent_changes.change_hint(change, self.draft), "warn"
        return hint_for(row, self._storages, self._claims), "bad" if row.fault else "quiet"

    def show_preview(self) -> None:
        for pane in self.query(MeaningPanel):  # none while the terminal is being left
            pane.show_draft(
                self.form_state,
                self._schedule_fit,
                self.context.clock,
                self._known_storages,
                trial=self._trial_lines if self._is_on_rules else None,
                faults=self.fault_lines,
            )
            self.fit_panel()

    def show(self, store: Store, now: datetime) -> None:
        """Show the preview again: storages may have come, and fire times have passed."""
        if self.draft and self.ready:
            self._try_rules_soon()
            self.show_preview()
            self.show_hint()

    def on_resize(self) -> None:
        if self.ready:
            self.call_after_refresh(self.show_hint)
            self.call_after_refresh(self.show_preview)

    def accept_text(self, key: str, text: str) -> None:
        self.form_state.type_text(key, text)
        self._keep_draft()
        self.refresh_fields()

    def suggested_texts(self, key: str) -> Sequence[str]:
        return completions(key, self.draft.get(key, ""), self._storages, self._claims)

    def _keep_draft(self) -> None:
        if self.form_state.is_unread:
            return
        drafts = self.context.drafts
        drafts.pop(self._of, None)
        drafts[self._of] = self.form_state
        while len(drafts) > MOST_DRAFTS:
            del drafts[next(iter(drafts))]

    def fill_fields(self, texts: dict[str, str], *, at: str) -> None:
        self.form_state.draft |= texts
        self._keep_draft()
        self.refresh_fields(at=at)

    # how the schedules fit

    def _check_schedules_soon(self) -> None:
        is_of_runs = self.form_state.claim is None
        request = schedule_fit.check_request(self.draft, self.form_state.target) if is_of_runs else None
        if not self._schedule_fit.set_request(request):
            return
        if self._check_timer is not None:
            self._check_timer.stop()
        if request is not None:
            self._check_timer = self.set_timer(CHECK_SECONDS, partial(self._start_check, request))

    def _start_check(self, request: ScheduleCheckRequest) -> None:
        self.context.start_work(self._check_schedules(request), f"check {self.argument}")

    async def _check_schedules(self, request: ScheduleCheckRequest) -> None:
        await self._schedule_fit.ask(
            request, self.form_state.client_for(self.context.client), self.context.clock
        )
        if self.is_mounted:
            self.show_preview()

    def outdated_messages(self) -> Sequence[str]:
        return () if self._schedule_fit.is_waited_for else (STILL_CHECKING,)

    # what the rules of retention would do

    @property
    def _is_on_rules(self) -> bool:
        """Whether the cursor is on a rule of retention."""
        is_shown = not self.form_state.is_unread and bool(self.query("#hint"))
        return is_shown and self.form_widget.row.key.startswith(RULES)

    def _try_rules_soon(self) -> None:
        """Ask what the rules would do once nothing was typed for TRIAL_SECONDS."""
        spec = self.form_state.spec
        if not self._is_on_rules or spec is None or spec.policy is None or not self.context.reader.live:
            return
        if self.form_state.target is None:
            return  # a new CronJob has no snapshots
        rules = spec.policy.retention
        if not self._trial.set_rules(rules):
            return
        if self._trial_timer is not None:
            self._trial_timer.stop()
        self._trial_timer = self.set_timer(TRIAL_SECONDS, partial(self._start_trial, rules))

    def _start_trial(self, rules: Retention) -> None:
        self.context.start_work(self._try_rules(rules), f"try rules {self.argument}")

    async def _try_rules(self, rules: Retention) -> None:
        assert self.form_state.target is not None
        client = self.form_state.client_for(self.context.client)
        await self._trial.ask(rules, client, *self.form_state.target)
        if self.is_mounted:
            self.show_preview()

    def _trial_lines(self, width: int) -> list[Text]:
        trial = self._trial
        spec = self.form_state.spec
        if spec is None or spec.policy is None:
            words = "What the rules would do is said once nothing in the form is wrong."
            return [((part, "quiet"),) for part in wrap(words, width)]
        if self.form_state.target is None:
            return retention_page.untried_lines(spec.policy.retention, width)
        if trial.error is not None:
            return cause(trial.error.message, trial.error.next_step, width, "bad")
        if trial.plan is None:
            return waiting_lines(self.context, width, "Trying the rules on the snapshots ...")
        return retention_page.trial_lines(trial.plan, self.context.clock.now(), width)

    def refusal(self, action: Action) -> str:
        strategy = {"shift": "shift", "after_run": "after-run", "accept": "accept"}.get(action.name)
        if strategy is not None and self._schedule_fit.offer_of(strategy) is None:
            return STILL_CHECKING if self._schedule_fit.is_waited_for else "There is no conflict to fix."
        if action == actions.SWAP and self.form_state.change_at(self.form_widget.row.key) is None:
            return "Nobody else has changed this field since the form was opened."
        return ""

    def _fix_conflict(self, strategy: str) -> None:
        fix = self._schedule_fit.fix_conflict(strategy)
        self.fill_fields(fix.texts, at=fix.at)
        self.context.tell(fix.message, fix.role)

    @handles(actions.SHIFT)
    def shift_backup(self) -> None:
        """Move the backup's schedule to the earliest minute that fits."""
        self._fix_conflict("shift")

    @handles(actions.AFTER_RUN)
    def back_up_after_run(self) -> None:
        """Remove the backup's schedule, so that a backup follows each run."""
        self._fix_conflict("after-run")

    @handles(actions.ACCEPT)
    def accept_conflict(self) -> None:
        """Keep both schedules; the conflict is recorded."""
        self._fix_conflict("accept")

    @handles(actions.SWAP)
    def swap_versions(self) -> None:
        """Take the text that somebody else saved in this field, or bring back one's own."""
        key = self.form_widget.row.key
        if (change := self.form_state.change_at(key)) is not None:
            self.form_state.swap_change(change.path)
            self.fill_fields({}, at=key)

    # other beginnings

    @handles(actions.FILL)
    def ask_source(self) -> None:
        """Ask for a CronJob or a template to copy; a name that was typed stays."""
        jobs = sorted(f"{c.namespace}/{c.name}" for c in self.store.cronjobs)
        sources = [*templates.template_names(), *jobs]

        def complete(text: str) -> list[str]:
            return [name for name in sources if name.startswith(text)]

        question = "From (up and down choose, tab completes): "
        self.context.ask(LinePrompt(question, self._start_copying, complete=complete, history=sources[::-1]))

    def _start_copying(self, name: str) -> None:
        if name:
            self.context.start_work(self._copy_source(name), "fill")

    async def _copy_source(self, name: str) -> None:
        texts = templates.template_texts(name)
        if texts is None:
            if "/" not in name:
                raise InvalidRequest(f"There is no template {name!r}.", next_step="tab completes.")
            texts = draft_of(await self.context.client.cronjobs.spec(*name.split("/", 1)))
        self.form_state.fill_from(texts)
        self.fill_fields({}, at="image" if self.draft["name"] else "name")
        self.context.tell(f"Filled from {name}.", "ok")

    @handles(actions.DISCARD)
    def discard_draft(self) -> None:
        """Discard what was typed."""
        self.context.drafts.pop(self._of, None)
        self.form_state = FormState(self._of, self.draft.get("policy.storage_id", ""))
        self.refresh_fields(at="name")
        self.context.start_work(self.load(), f"load form {self.argument}")

    @handles(actions.YAML_PREVIEW)
    def toggle_yaml(self) -> None:
        """Show the manifest that would be sent, or the meaning of the fields again."""
        self.toggle_class("-yaml")
        self.query_one(MeaningPanel).as_yaml = self.has_class("-yaml")
        self.call_after_refresh(self.show_preview)

    # sending

    def _valid_spec(self) -> CronJobCreate:
        if self.form_state.is_unread:
            words = "The CronJob was not read, so nothing is sent."
            raise NotAllowedNow(words, next_step="f5 reads it again.")
        error = self.form_state.first_error(self._known_storages)
        if error is not None:
            self.refresh_fields(at=error[0])
            raise error[1]
        assert self.form_state.spec is not None
        return self.form_state.spec

    @handles(actions.SUBMIT)
    def submit(self) -> None:
        """Create or change the CronJob; after an error the form stays as it is."""
        error = self.form_state.first_error(self._known_storages)
        if error is not None and isinstance(error[1], NamespaceNotServed):
            self._offer_to_serve(self.draft["policy.storage_id"].strip(), self.draft["namespace"].strip())
        else:
            self.context.start_work(self._send(dry_run=False), "save")

    def _offer_to_serve(self, storage_id: str, namespace: str) -> None:
        """Ask whether the storage shall serve the CronJob's namespace, and then send the form."""
        question = f"Let the storage {storage_id} serve {namespace}? Whoever makes pods there can open it."

        def confirm() -> None:
            self.context.start_work(self._serve_and_send(storage_id, namespace), "save")

        self.context.ask(YesNoPrompt(question, confirm))

    async def _serve_and_send(self, storage_id: str, namespace: str) -> None:
        change = BackupStorageChange(allow_namespaces=(namespace,))
        self._changed_storages[storage_id] = await self.context.client.storages.change(storage_id, change)
        await self._send(dry_run=False)

    @handles(actions.DRY_RUN)
    def dry_run(self) -> None:
        """Ask daemon and cluster whether they would accept the form."""
        self.context.start_work(self._send(dry_run=True), "save")

    async def _send(self, *, dry_run: bool) -> None:
        spec = self._valid_spec()
        if not dry_run:
            self._schedule_fit.require_no_conflict(spec)
        sent = dict(self.draft)
        try:
            saved = await submit_form(
                self.form_state.client_for(self.context.client), self.form_state, spec, dry_run=dry_run
            )
        except KronkeepError as error:
            self._show_refusal(error, sent)
            raise
        resolution = (
            f" {saved.resolution}" if saved.resolution and spec.policy and spec.policy.schedule else ""
        )
        warnings = "".join(f" {warning}" for warning in saved.claim_warnings)
        role = "warn" if warnings else "ok"
        if dry_run:
            self.form_state.forget_refusals()
            self.refresh_fields()
            self.context.tell(f"The cluster would accept it.{resolution}{warnings}", role)
            return
        self.context.last_change = lines_of_form(self.form_state, spec, self.store)
        self.context.drafts.pop(self._of, None)
        if self.is_in_front:
            self._leave_to(saved)
        self.context.forget_view(self.place)
        self.context.tell(f"{self._describe_end(saved)}{resolution}{warnings}", role)

    def _leave_to(self, saved: CronJob) -> None:
        """Leave the form; a new CronJob is shown among the others, with the cursor on it."""
        if self.form_state.target:
            self.context.leave()
        else:
            self.context.show_row("jobs", saved.id)

    def _describe_end(self, saved: CronJob) -> str:
        if self.form_state.claim is not None:
            changes = self.form_state.describe_changes() or "nothing"
            return f"{saved.namespace}/{saved.name} keeps its own policy. Changed: {changes}."
        runs = f"{saved.namespace}/{saved.name} runs {saved.schedule_text}."
        if self.form_state.target is None:
            return runs
        return f"{runs} Changed: {self.form_state.describe_changes() or 'nothing'}."

    def _show_refusal(self, error: KronkeepError, sent: Mapping[str, str]) -> None:
        """Move to the field that a refusal of texts is about, or to the first that somebody else changed."""
        at = self.form_state.add_refusal(error, sent) or self.form_state.first_changed_row
        self._keep_draft()
        if at is not None and self.is_mounted:
            self.refresh_fields(at=at)

    @handles(actions.BACK)
    def go_back(self) -> None:
        """Leave the YAML preview, else the form; what was typed is kept."""
        if self.has_class("-yaml"):
            self.toggle_yaml()
            return
        kept = self._of in self.context.drafts
        self.context.leave()
        if kept:
            self.context.tell("Your draft is kept until you quit: open the form again.", "quiet")
