"""The form for a CronJob with its backup policy: made new, from another one or a template, or changed.

Everything typed is kept: over an error, a lost daemon, and leaving the form until what it is of is saved.
"""

import asyncio
from datetime import datetime
from typing import Any

import msgspec
from textual import on
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.timer import Timer
from textual.widget import Widget

from kronkeep_common.errors import (
    DaemonUnreachable,
    InvalidRequest,
    KronkeepError,
    NotAllowedNow,
    ScheduleConflict,
)
from kronkeep_common.models import BackupStorage, CronJobCreate, ScheduleCheckRequest, ScheduleVerdict
from kronkeep_common.text import clean_lines
from kronkeep_tui.actions import ANY, FORM, Action
from kronkeep_tui.form import preview, templates
from kronkeep_tui.form.draft import Read, draft_of, new_draft, read
from kronkeep_tui.form.rows import hint, offered, row_of_fault, rows, storage_error
from kronkeep_tui.prompt import Prompt
from kronkeep_tui.store import Store
from kronkeep_tui.views.base import View
from kronkeep_tui.widgets.cells import Text
from kronkeep_tui.widgets.form_sheet import FormSheet
from kronkeep_tui.widgets.sheet import Bar, Pane

PAUSE = 0.12  # seconds without a key before the daemon is asked how schedules fit
KEPT_DRAFTS = 20


class FormView(View):
    """`of` is empty for a new CronJob, `edit NAMESPACE/NAME`, or `copy NAMESPACE/NAME`."""

    SCOPES = (FORM, ANY)
    SCOPED_CSS = False  # the screen's classes are outside of the view
    DEFAULT_CSS = """
    FormView { layout: vertical; }
    FormView > Vertical { height: 1fr; width: 1fr; }
    FormView > Pane { height: 9; }
    FormView.-yaml > Pane { height: 60%; }
    .-tall FormView > Pane { height: 16; }
    .-wide FormView { layout: horizontal; }
    .-wide FormView > Pane { height: 1fr; width: 50%; margin: 0 0 0 2; }
    """

    def __init__(self, of: str = "") -> None:
        super().__init__(of)
        self.draft: dict[str, str] = {}
        self._read = Read(None, {})
        self._refused: dict[str, tuple[str, str]] = {}  # key → the text the daemon refused, its sentence
        self._asked: ScheduleCheckRequest | None = None
        self._verdict: ScheduleVerdict | None = None
        self._alone = False
        self._timer: Timer | None = None
        self._touched: set[str] = set()
        self._tried = False
        self._unread = False

    @property
    def target_name(self) -> tuple[str, str] | None:
        """Namespace and name of the CronJob that is being changed; None for a new one."""
        verb, _, name = self.of.partition(" ")
        namespace, _, short = name.partition("/")
        return (namespace, short) if verb == "edit" else None

    def crumb(self, store: Store) -> str:
        """Where one is."""
        return f"edit {'/'.join(self.target_name)}" if self.target_name else "new CronJob"

    def compose(self) -> ComposeResult:
        """The fields with a line of help, and what they mean."""
        with Vertical():
            yield FormSheet()
            yield Bar(id="hint")
        yield Pane()

    @property
    def sheet(self) -> FormSheet:
        """The fields."""
        return self.query_one(FormSheet)

    def target(self) -> Widget | None:
        """The fields get the keys."""
        return self.sheet

    def on_mount(self) -> None:
        """Begins with what was typed before, else with what is usual."""
        kept = self.kronkeep.drafts.get(self.of)
        active = [storage.id for storage in self._storages if storage.status == "active"]
        self.draft = dict(kept) if kept else new_draft(active[0] if len(active) == 1 else "")
        self._changed(at="name" if self.target_name is None else "schedule")
        if kept:
            self.frame.tell("This is what you typed before; f5 begins anew.", "quiet")

    async def load(self) -> None:
        """Reads the CronJob that this is of, unless something was typed already."""
        verb, _, name = self.of.partition(" ")
        if verb in ("edit", "copy") and self.of not in self.kronkeep.drafts:
            self._unread = True  # until then the fields are not those of the CronJob
            spec = await self.kronkeep.client.cronjob_spec(*name.split("/", 1))
            self.draft = draft_of(spec) | ({} if verb == "edit" else {"name": ""})
            self._unread = False
            self._changed(at="name" if verb == "copy" else "schedule")

    # what is shown

    @property
    def _storages(self) -> list[BackupStorage]:
        return sorted(self.kronkeep.reader.store.storages.newest(), key=lambda storage: storage.id)

    @property
    def _claims(self) -> list[str]:
        return sorted({claim for cronjob in self.kronkeep.reader.store.cronjobs for claim in cronjob.claims})

    def _changed(self, *, at: str | None = None) -> None:
        """Reads the draft anew, and shows what it makes."""
        self._read = read(self.draft)
        locked = frozenset(("namespace", "name")) if self.target_name else frozenset[str]()
        self.sheet.show(rows(self.draft, self._faults(), locked), at=at)
        self._hint()
        self._ask()
        self._preview()

    def _faults(self) -> dict[str, str]:
        """What is said at the fields, the daemon's refusals too; of an empty one once it was touched."""
        said = {key: words for key, (text, words) in self._refused.items() if self.draft.get(key, "") == text}
        errors = self._errors()
        told = {key for key in errors if self._tried or key in self._touched or self.draft.get(key)}
        return said | {key: error.message for key, error in errors.items() if key in told}

    def _errors(self) -> dict[str, KronkeepError]:
        """What is wrong as far as is known here."""
        storage, namespace = self.draft.get("policy.storage_id", "").strip(), self.draft.get("namespace", "")
        error = storage_error(storage, namespace.strip(), self._storages)
        known = error is not None and self.kronkeep.reader.read_once
        return self._read.errors | ({"policy.storage_id": error} if error is not None and known else {})

    def _hint(self) -> None:
        row = self.sheet.row
        role = "bad" if row.fault else "quiet"
        for bar in self.query(Bar):
            bar.say((" " + hint(row, self._storages, self._claims), role))

    def _preview(self) -> None:
        for pane in self.query(Pane):  # none while the terminal is being left
            pane.show(
                self._yaml() if self.has_class("-yaml") else self._meaning(max(30, pane.size.width - 2))
            )

    def _meaning(self, width: int) -> list[Text]:
        now = self.kronkeep.clock.now()
        local = now.astimezone().tzinfo
        assert local is not None
        found = preview.lines(self.draft, self._verdict, now, local, width, alone=self._alone)
        return [((" ", ""), *line) for line in found]

    def _yaml(self) -> list[Text]:
        if self._read.spec is None:
            return [((f" {error.message}", "bad"),) for error in self._errors().values()]
        import yaml

        body = {"kind": "CronJob", **msgspec.to_builtins(self._read.spec)}
        text = yaml.safe_dump(body, sort_keys=False, allow_unicode=True)
        return [((" " + line, ""),) for line in clean_lines(text)]

    def show(self, store: Store, now: datetime) -> None:
        """Shows the same draft; storages may have come, and fire times pass."""
        if self.draft and self.query(FormSheet):
            self._preview()
            self._hint()

    def on_resize(self) -> None:
        """Shows the preview for another width."""
        if self.ready:
            self.call_after_refresh(self._preview)

    @on(FormSheet.Changed)
    def _typed(self, message: FormSheet.Changed) -> None:
        self.draft[message.key] = message.text
        self._touched.add(message.key)
        self._keep()
        self._changed()

    @on(FormSheet.Moved)
    def _moved(self) -> None:
        self._hint()

    @on(FormSheet.Wanted)
    def _complete(self, message: FormSheet.Wanted) -> None:
        found = offered(message.key, self.draft.get(message.key, ""), self._storages, self._claims)
        if found:
            self._fill({message.key: found[0]}, at=message.key)

    def _keep(self) -> None:
        if self._unread:
            return
        drafts = self.kronkeep.drafts
        drafts.pop(self.of, None)
        drafts[self.of] = self.draft
        while len(drafts) > KEPT_DRAFTS:
            del drafts[next(iter(drafts))]

    def _fill(self, texts: dict[str, str], *, at: str) -> None:
        self.draft |= texts
        self._keep()
        self._changed(at=at)

    # how the schedules fit

    def _ask(self) -> None:
        request = preview.request(self.draft, self.target_name)
        if request == self._asked:
            return
        self._asked, self._verdict = request, None
        if self._timer is not None:
            self._timer.stop()
        if request is not None:
            check = f"check {self.of}"
            self._timer = self.set_timer(PAUSE, lambda: self.kronkeep.attempt(self._checked(request), check))

    async def _checked(self, request: ScheduleCheckRequest) -> None:
        """Asks the daemon, which knows runs and other policies; without it, reckons here."""
        try:
            verdict, alone = await self.kronkeep.client.check_schedules(request), False
        except KronkeepError:
            verdict, alone = await asyncio.to_thread(preview.reckon, request, self.kronkeep.clock.now()), True
        if request == self._asked and self.is_mounted:
            self._verdict, self._alone = verdict, alone
            self._preview()

    def refusal(self, action: Action) -> str:
        """A strategy needs a conflict; saving needs fields that can be read."""
        strategy = {"shift": "shift", "after_run": "after-run", "accept": "accept"}.get(action.name)
        settles = strategy is None or self._offer(strategy) is not None
        return "" if settles else "There is no conflict to settle."

    def _offer(self, strategy: str) -> Any:
        found = self._verdict.resolutions if self._verdict else ()
        return next((offer for offer in found if offer.strategy == strategy), None)

    def do_shift(self) -> None:
        """Moves the backup's schedule to the earliest minute that fits."""
        offer = self._offer("shift")
        if not offer.possible:
            raise InvalidRequest(offer.message, next_step="f7 runs the backup after each run.")
        self._fill({"policy.schedule": offer.schedule}, at="policy.schedule")
        self.frame.tell(offer.message, "ok")

    def do_after_run(self) -> None:
        """Drops the backup's schedule: it follows each run."""
        message = self._offer("after-run").message
        self._fill({"policy.schedule": "", "policy.time_zone": ""}, at="policy.schedule")
        self.frame.tell(message, "ok")

    def do_accept(self) -> None:
        """Keeps both schedules; the conflict stays on record."""
        message = self._offer("accept").message
        self._fill({"policy.on_conflict": "accept"}, at="policy.on_conflict")
        self.frame.tell(message, "warn")

    # other beginnings

    def do_fill(self) -> None:
        """Asks for a CronJob or a template to begin with; the name that was typed stays."""
        jobs = sorted(f"{c.namespace}/{c.name}" for c in self.kronkeep.reader.store.cronjobs)
        known = [*templates.names(), *jobs]
        words = f"From ({', '.join(templates.names())}, or NAMESPACE/NAME): "
        self.frame.ask(
            Prompt(words, self._fill_from, complete=lambda text: [n for n in known if n.startswith(text)])
        )

    def _fill_from(self, name: str) -> None:
        if name:
            self.kronkeep.attempt(self._filled_from(name), "fill")

    async def _filled_from(self, name: str) -> None:
        found = templates.texts(name)
        if found is None:
            if "/" not in name:
                raise InvalidRequest(f"There is no template {name!r}.", next_step="tab completes.")
            found = draft_of(await self.kronkeep.client.cronjob_spec(*name.split("/", 1)))
        kept = {key: self.draft.get(key, "") for key in ("name", "namespace")}
        storage = {} if found.get("policy.storage_id") else {"policy.storage_id": self._storage_of(found)}
        self.draft = new_draft() | found | kept | storage
        self._fill({}, at="name" if not kept["name"] else "image")
        self.frame.tell(f"Filled from {name}.", "ok")

    def _storage_of(self, found: dict[str, str]) -> str:
        """The storage that was chosen here, unless what fills the form says that there is none."""
        return "" if found.get("policy.storage_id") == "" else self.draft.get("policy.storage_id", "")

    def do_anew(self) -> None:
        """Forgets what was typed."""
        self.kronkeep.drafts.pop(self.of, None)
        self._refused.clear()
        self.draft = new_draft(self.draft.get("policy.storage_id", ""))
        self._changed(at="name")
        self.kronkeep.attempt(self.load(), f"load form {self.of}")

    def do_yaml_preview(self) -> None:
        """Shows the manifest that would be sent, or the fields again."""
        self.toggle_class("-yaml")
        self.call_after_refresh(self._preview)

    def do_section(self) -> None:
        """Goes to the next section."""
        self.sheet.section()

    def do_page_down(self) -> None:
        """Scrolls what the fields mean."""
        self.query_one(Pane).page(1)

    def do_page_up(self) -> None:
        """Scrolls what the fields mean back."""
        self.query_one(Pane).page(-1)

    # sending

    def _spec(self) -> CronJobCreate:
        if self._unread:
            words = "The CronJob was not read, so nothing is sent."
            raise NotAllowedNow(words, next_step="f5 reads it again.")
        errors = self._errors()
        if self._read.spec is not None and not errors:
            return self._read.spec
        self._tried = True
        first = next(row.key for row in rows(self.draft, self._faults()) if row.key in errors)
        self._changed(at=first)
        raise errors[first]

    def _refuse_conflict(self, spec: CronJobCreate) -> None:
        conflict = self._verdict is not None and self._verdict.verdict == "conflict"
        if conflict and spec.policy is not None and spec.policy.on_conflict == "reject":
            assert self._verdict is not None
            finding = next(one for one in self._verdict.findings if one.severity == "conflict")
            raise ScheduleConflict(
                f"{finding.code}: f6 moves the backup, f7 follows the run, f8 accepts it.",
                next_step="Nothing was sent.",
            )

    def do_submit(self) -> None:
        """Creates or changes the CronJob; on any error the form stays as it is."""
        self.kronkeep.attempt(self._send(dry_run=False), "save")

    def do_dry_run(self) -> None:
        """Asks daemon and cluster whether they would take it."""
        self.kronkeep.attempt(self._send(dry_run=True), "save")

    async def _send(self, *, dry_run: bool) -> None:
        spec = self._spec()
        if not dry_run:
            self._refuse_conflict(spec)
        client = self.kronkeep.client
        call = client.replace_cronjob if self.target_name else client.create_cronjob
        try:
            made = await call(spec, dry_run=dry_run)
        except DaemonUnreachable as error:
            words = "No daemon answers; what you typed is kept."
            raise DaemonUnreachable(words, next_step="ctrl+s sends it again.") from error
        except KronkeepError as error:
            self._point_at(error)
            raise
        settled = f" {made.resolution}" if made.resolution and spec.policy and spec.policy.schedule else ""
        if dry_run:
            self.frame.tell(f"The cluster would take it.{settled}", "ok")
            return
        self.kronkeep.drafts.pop(self.of, None)
        self.kronkeep.reader.resync()
        if self.frame.view is self:
            self.frame.leave_view()
        self.frame.tell(f"{made.namespace}/{made.name} runs {made.schedule_text}.{settled}", "ok")

    def _point_at(self, error: KronkeepError) -> None:
        """Shows an error at the field that it names, until its text changes."""
        key = row_of_fault(str(error.details.get("field", "")))
        if key is not None and self.is_mounted:
            self._refused[key] = (self.draft.get(key, ""), error.message)
            self._changed(at=key)

    def do_back(self) -> None:
        """Leaves; what was typed is kept until it is saved."""
        if self.has_class("-yaml"):
            self.do_yaml_preview()
            return
        kept = self.of in self.kronkeep.drafts
        self.frame.leave_view()
        if kept:
            self.frame.tell("What you typed is kept until kronkeep is left: open the form again.", "quiet")
