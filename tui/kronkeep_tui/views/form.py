"""The form for a CronJob with its backup policy: a new one, a copy, or a change.

What was typed is kept when saving fails, when the daemon is away, when somebody else changes the CronJob, and
when the form is left before it is saved.
"""

from datetime import datetime
from operator import attrgetter

from textual import on
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.timer import Timer
from textual.widget import Widget

from kronkeep_common.errors import InvalidRequest, KronkeepError, NotAllowedNow
from kronkeep_common.models import BackupStorage, CronJobCreate, ScheduleCheckRequest
from kronkeep_tui import actions
from kronkeep_tui.actions import Action, Scope, handles
from kronkeep_tui.context import Context
from kronkeep_tui.form import concurrent_changes, schedule_fit, templates
from kronkeep_tui.form.draft import draft_of
from kronkeep_tui.form.form_rows import completions, hint_for
from kronkeep_tui.form.form_state import FormState
from kronkeep_tui.form.schedule_fit import ScheduleFit
from kronkeep_tui.form.submit import submit_form
from kronkeep_tui.navigation import Place
from kronkeep_tui.prompt import LinePrompt
from kronkeep_tui.store import Store
from kronkeep_tui.views.view import View
from kronkeep_tui.widgets.form_widget import FormWidget
from kronkeep_tui.widgets.line_widget import TextLine
from kronkeep_tui.widgets.meaning_panel import MeaningPanel

PAUSE = 0.12  # seconds without a key before the daemon is asked how schedules fit
KEPT_DRAFTS = 20


class FormView(View):
    """The form; argument: empty for a new CronJob, `edit NAMESPACE/NAME` or `copy NAMESPACE/NAME`."""

    SCOPES = (Scope.FORM, Scope.ANY)
    SCOPED_CSS = False  # the screen's classes are outside of the view
    DEFAULT_CSS = """
    FormView { layout: vertical; }
    FormView > Vertical { height: 1fr; width: 1fr; }
    FormView > MeaningPanel { height: 9; }
    FormView.-yaml > MeaningPanel { height: 60%; }
    .-tall FormView > MeaningPanel { height: 16; }
    .-wide FormView { layout: horizontal; }
    .-wide FormView > MeaningPanel { height: 1fr; width: 50%; margin: 0 0 0 2; }
    """

    def __init__(self, context: Context, place: Place) -> None:
        super().__init__(context, place)
        self.filling = FormState(place.argument)
        self._fit = ScheduleFit()
        self._timer: Timer | None = None

    @property
    def draft(self) -> dict[str, str]:
        """The texts of the fields by their keys."""
        return self.filling.draft

    def crumb(self, store: Store) -> str:
        target = self.filling.target
        return f"edit {'/'.join(target)}" if target else "new CronJob"

    def compose(self) -> ComposeResult:
        with Vertical():
            yield FormWidget()
            yield TextLine(id="hint")
        yield MeaningPanel()

    @property
    def sheet(self) -> FormWidget:
        """The widget with the fields."""
        return self.query_one(FormWidget)

    def focus_target(self) -> Widget | None:
        return self.sheet

    def on_mount(self) -> None:
        """Show the kept draft of an earlier visit, or the defaults."""
        kept = self.context.drafts.get(self.argument)
        active = [storage.id for storage in self._storages if storage.status == "active"]
        self.filling = kept or FormState(self.argument, active[0] if len(active) == 1 else "")
        self._changed(at="schedule" if self.filling.target else "name")
        if kept:
            self.context.tell("This is what you typed before; f5 begins anew.", "quiet")

    async def load(self) -> None:
        """Read the CronJob of the argument, unless something was typed already."""
        filling = self.filling
        if filling.source is not None and filling.is_unread:
            filling.load(await filling.client_for(self.context.client).cronjobs.tagged_spec(*filling.source))
            self._changed(at="schedule" if filling.target else "name")

    # what is shown

    @property
    def _storages(self) -> list[BackupStorage]:
        return sorted(self.store.storages.newest(), key=attrgetter("id"))

    @property
    def _known_storages(self) -> list[BackupStorage] | None:
        return self._storages if self.context.reader.has_read else None

    @property
    def _claims(self) -> list[str]:
        return sorted({claim for cronjob in self.store.cronjobs for claim in cronjob.claims})

    def _changed(self, *, at: str | None = None) -> None:
        """Parse the fields and show them with their preview."""
        self.filling.parse()
        self.sheet.show(self.filling.rows(self._known_storages), at=at)
        self._hint()
        self._ask()
        self._preview()

    def _hint(self) -> None:
        row = self.sheet.row
        met = self.filling.change_at(row.key)
        words = (
            concurrent_changes.change_hint(met, self.draft)
            if met
            else hint_for(row, self._storages, self._claims)
        )
        role = "warn" if met else "bad" if row.fault else "quiet"
        for bar in self.query(TextLine):
            bar.say((f" {words}", role))

    def _preview(self) -> None:
        for pane in self.query(MeaningPanel):  # none while the terminal is being left
            pane.show_draft(self.filling, self._fit, self.context.clock, self._known_storages)

    def show(self, store: Store, now: datetime) -> None:
        """Show the preview again: storages may have come, and fire times have passed."""
        if self.draft and self.query(FormWidget):
            self._preview()
            self._hint()

    def on_resize(self) -> None:
        if self.ready:
            self.call_after_refresh(self._preview)

    @on(FormWidget.TextChanged)
    def _typed(self, message: FormWidget.TextChanged) -> None:
        self.filling.type_text(message.key, message.text)
        self._keep()
        self._changed()

    @on(FormWidget.FieldChanged)
    def _moved(self) -> None:
        self._hint()

    @on(FormWidget.SuggestionRequested)
    def _complete(self, message: FormWidget.SuggestionRequested) -> None:
        found = completions(message.key, self.draft.get(message.key, ""), self._storages, self._claims)
        if found:
            self._fill({message.key: found[0]}, at=message.key)

    def _keep(self) -> None:
        if self.filling.is_unread:
            return
        drafts = self.context.drafts
        drafts.pop(self.argument, None)
        drafts[self.argument] = self.filling
        while len(drafts) > KEPT_DRAFTS:
            del drafts[next(iter(drafts))]

    def _fill(self, texts: dict[str, str], *, at: str) -> None:
        self.filling.draft |= texts
        self._keep()
        self._changed(at=at)

    # how the schedules fit

    def _ask(self) -> None:
        request = schedule_fit.check_request(self.draft, self.filling.target)
        if not self._fit.set_request(request):
            return
        if self._timer is not None:
            self._timer.stop()
        if request is not None:
            check = f"check {self.argument}"
            self._timer = self.set_timer(
                PAUSE, lambda: self.context.start_work(self._checked(request), check)
            )

    async def _checked(self, request: ScheduleCheckRequest) -> None:
        await self._fit.ask(request, self.filling.client_for(self.context.client), self.context.clock)
        if self.is_mounted:
            self._preview()

    def refusal(self, action: Action) -> str:
        strategy = {"shift": "shift", "after_run": "after-run", "accept": "accept"}.get(action.name)
        if strategy is not None and self._fit.offer_of(strategy) is None:
            return "There is no conflict to settle."
        if action == actions.SWAP and self.filling.change_at(self.sheet.row.key) is None:
            return "Nobody else has changed this field since the form was opened."
        return ""

    def _settle(self, strategy: str) -> None:
        found = self._fit.fix_conflict(strategy)
        self._fill(found.texts, at=found.at)
        self.context.tell(found.message, found.role)

    @handles(actions.SHIFT)
    def shift_backup(self) -> None:
        """Move the backup's schedule to the earliest minute that fits."""
        self._settle("shift")

    @handles(actions.AFTER_RUN)
    def back_up_after_run(self) -> None:
        """Remove the backup's schedule, so that a backup follows each run."""
        self._settle("after-run")

    @handles(actions.ACCEPT)
    def accept_conflict(self) -> None:
        """Keep both schedules; the conflict is recorded."""
        self._settle("accept")

    @handles(actions.SWAP)
    def swap_versions(self) -> None:
        """Take the text that somebody else saved in this field, or bring back one's own."""
        key = self.sheet.row.key
        if (met := self.filling.change_at(key)) is not None:
            self.filling.swap_change(met.path)
            self._fill({}, at=key)

    # other beginnings

    @handles(actions.FILL)
    def ask_source(self) -> None:
        """Ask for a CronJob or a template to copy; a name that was typed stays."""
        jobs = sorted(f"{c.namespace}/{c.name}" for c in self.store.cronjobs)
        known = [*templates.template_names(), *jobs]

        def complete(text: str) -> list[str]:
            return [name for name in known if name.startswith(text)]

        question = "From (up and down choose, tab completes): "
        self.context.ask(LinePrompt(question, self._fill_from, complete=complete, history=known[::-1]))

    def _fill_from(self, name: str) -> None:
        if name:
            self.context.start_work(self._filled_from(name), "fill")

    async def _filled_from(self, name: str) -> None:
        found = templates.template_texts(name)
        if found is None:
            if "/" not in name:
                raise InvalidRequest(f"There is no template {name!r}.", next_step="tab completes.")
            found = draft_of(await self.context.client.cronjobs.spec(*name.split("/", 1)))
        self.filling.fill_from(found)
        self._fill({}, at="image" if self.draft["name"] else "name")
        self.context.tell(f"Filled from {name}.", "ok")

    @handles(actions.ANEW)
    def discard_draft(self) -> None:
        """Discard what was typed."""
        self.context.drafts.pop(self.argument, None)
        self.filling = FormState(self.argument, self.draft.get("policy.storage_id", ""))
        self._changed(at="name")
        self.context.start_work(self.load(), f"load form {self.argument}")

    @handles(actions.YAML_PREVIEW)
    def toggle_yaml(self) -> None:
        """Show the manifest that would be sent, or the meaning of the fields again."""
        self.toggle_class("-yaml")
        self.query_one(MeaningPanel).as_yaml = self.has_class("-yaml")
        self.call_after_refresh(self._preview)

    @handles(actions.SECTION)
    def go_to_next_section(self) -> None:
        """Move to the next section."""
        self.sheet.go_to_next_section()

    @handles(actions.PAGE_DOWN)
    def page_down(self) -> None:
        """Scroll the preview down."""
        self.query_one(MeaningPanel).page(1)

    @handles(actions.PAGE_UP)
    def page_up(self) -> None:
        """Scroll the preview up."""
        self.query_one(MeaningPanel).page(-1)

    # sending

    def _spec(self) -> CronJobCreate:
        if self.filling.is_unread:
            words = "The CronJob was not read, so nothing is sent."
            raise NotAllowedNow(words, next_step="f5 reads it again.")
        wrong = self.filling.first_error(self._known_storages)
        if wrong is not None:
            self._changed(at=wrong[0])
            raise wrong[1]
        assert self.filling.spec is not None
        return self.filling.spec

    @handles(actions.SUBMIT)
    def submit(self) -> None:
        """Create or change the CronJob; after an error the form stays as it is."""
        self.context.start_work(self._send(dry_run=False), "save")

    @handles(actions.DRY_RUN)
    def dry_run(self) -> None:
        """Ask daemon and cluster whether they would accept the form."""
        self.context.start_work(self._send(dry_run=True), "save")

    async def _send(self, *, dry_run: bool) -> None:
        spec = self._spec()
        if not dry_run:
            self._fit.require_no_conflict(spec)
        try:
            made = await submit_form(
                self.filling.client_for(self.context.client), self.filling, spec, dry_run=dry_run
            )
        except KronkeepError as error:
            self._refused(error)
            raise
        settled = f" {made.resolution}" if made.resolution and spec.policy and spec.policy.schedule else ""
        if dry_run:
            self.context.tell(f"The cluster would take it.{settled}", "ok")
            return
        self.context.drafts.pop(self.argument, None)
        if self.is_in_front:
            self.context.leave()
        self.context.tell(f"{made.namespace}/{made.name} runs {made.schedule_text}.{settled}", "ok")

    def _refused(self, error: KronkeepError) -> None:
        """Move to the field that an error is about, or to the first that somebody else changed."""
        at = self.filling.add_refusal(error) or self.filling.first_changed_row
        self._keep()
        if at is not None and self.is_mounted:
            self._changed(at=at)

    @handles(actions.BACK)
    def go_back(self) -> None:
        """Leave the YAML preview, else the form; what was typed is kept."""
        if self.has_class("-yaml"):
            self.toggle_yaml()
            return
        kept = self.argument in self.context.drafts
        self.context.leave()
        if kept:
            self.context.tell("What you typed is kept until kronkeep is left: open the form again.", "quiet")
