"""The form for a CronJob with its backup policy; what the schedules mean is shown as one types."""

import shlex
from datetime import UTC, datetime, timedelta

from textual.containers import VerticalScroll
from textual.widget import Widget
from textual.widgets import Input, Label

from kronkeep_common import compatibility
from kronkeep_common.errors import InvalidRequest, KronkeepError
from kronkeep_common.models import BackupPolicySpec, CronJobCreate, EnvVar, Retention, VolumeMount
from kronkeep_common.schedule import Schedule
from kronkeep_tui import actions
from kronkeep_tui.screens.base import BaseScreen
from kronkeep_tui.widgets.lines import Line

FIELDS = (
    ("namespace", "Namespace", "default"),
    ("name", "Name", ""),
    ("image", "Image", ""),
    ("command", "Command", ""),
    ("env", "Environment (K=V K=V)", ""),
    ("mounts", "Claims (claim:/path ...)", ""),
    ("schedule", "Schedule", "0 2 * * *"),
    ("zone", "Time zone", ""),
    ("storage", "Backup storage (empty: none)", ""),
    ("backup_schedule", "Backup schedule (empty: after the run)", ""),
    ("days", "Keep for days", "30"),
    ("type", "incremental or full", "incremental"),
    ("compression", "off, auto or max", "auto"),
)
NEXT = 5
EXPECTED = timedelta(minutes=10)


class FormScreen(BaseScreen):
    """Nothing typed is lost on an error: the form stays until the CronJob is there."""

    WHERE = actions.FORM
    BINDINGS = actions.bindings(actions.FORM)
    CSS = BaseScreen.CSS + "\nInput { height: 1; border: none; width: 60; } Label { text-style: dim; }"

    def crumbs(self) -> str:
        """Where we are."""
        return "Jobs > new CronJob"

    def body(self) -> list[Widget]:
        """The fields and what the schedules mean."""
        inputs: list[Widget] = []
        for name, words, value in FIELDS:
            field = Input(value=value, id=name, compact=True)
            field.cursor_blink = False
            inputs += [Label(words, markup=False), field]
        fields = VerticalScroll(*inputs, classes="body")
        return [fields, *(Line(id=f"preview-{i}") for i in range(3))]

    def on_mount(self) -> None:
        """Begins at the name."""
        super().on_mount()
        storages = ", ".join(self.kronkeep.store.storages) or "none yet"
        self.tell(f"Storages: {storages}. Tab goes on, ctrl+s creates.")
        self.query_one("#name", Input).focus()
        self._preview()

    def value(self, name: str) -> str:
        """What a field holds."""
        return self.query_one(f"#{name}", Input).value.strip()

    def on_input_changed(self, event: Input.Changed) -> None:
        """Says anew what the schedules mean."""
        if event.input.id in ("schedule", "zone", "backup_schedule", "storage"):
            self._preview()

    def _preview(self) -> None:
        lines = preview(self.value("schedule"), self.value("zone"), self.value("backup_schedule"))
        for number, text in enumerate(lines):
            self.query_one(f"#preview-{number}", Line).say(text)

    def action_submit(self) -> None:
        """Sends the CronJob; an error is shown and the form stays."""
        if self.kronkeep.read_only:
            self.tell("Read-only: nothing is created.")
            return
        try:
            spec = self.spec()
        except KronkeepError as error:
            self.tell(f"{error.message} {error.next_step} [{error.code}]")
            return
        self.run_worker(
            self._create(spec), name="create", group="create", exclusive=True, exit_on_error=False
        )

    async def _create(self, spec: CronJobCreate) -> None:
        try:
            created = await self.kronkeep.client.create_cronjob(spec)
        except KronkeepError as error:
            self.tell(f"{error.message} {error.next_step} [{error.code}]")
            return
        self.kronkeep.resync()
        self.app.pop_screen()
        self.kronkeep.tell(f"{created.namespace}/{created.name} runs {created.schedule_text}.")

    def spec(self) -> CronJobCreate:
        """What the fields say; raises InvalidRequest naming the field."""
        return CronJobCreate(
            namespace=self.value("namespace") or "default",
            name=_filled(self.value("name"), "name"),
            image=_filled(self.value("image"), "image"),
            command=tuple(_words(self.value("command"))),
            env=tuple(EnvVar(name=k, value=v) for k, v in _pairs(self.value("env"), "=")),
            volumes=tuple(VolumeMount(claim=c, mount_path=p) for c, p in _pairs(self.value("mounts"), ":")),
            schedule=self.value("schedule"),
            time_zone=self.value("zone") or None,
            policy=self._policy(),
        )

    def _policy(self) -> BackupPolicySpec | None:
        storage = self.value("storage")
        if not storage:
            return None
        days, kind, compression = self.value("days"), self.value("type"), self.value("compression")
        if not days.isdigit():
            raise InvalidRequest("Keep for days must be a number.", field="days")
        if kind not in ("full", "incremental") or compression not in ("off", "auto", "max"):
            raise InvalidRequest("Type is incremental or full; compression is off, auto or max.")
        return BackupPolicySpec(
            storage_id=storage,
            schedule=self.value("backup_schedule") or None,
            retention=Retention(days=int(days)),
            backup_type="full" if kind == "full" else "incremental",
            compression="off" if compression == "off" else "max" if compression == "max" else "auto",
        )


def _filled(text: str, name: str) -> str:
    if not text:
        raise InvalidRequest(f"The field {name} is empty.", field=name)
    return text


def _words(text: str) -> list[str]:
    try:
        return shlex.split(text)
    except ValueError as fault:
        raise InvalidRequest(f"The command cannot be read: {fault}.", field="command") from fault


def _pairs(text: str, sign: str) -> list[tuple[str, str]]:
    pairs = []
    for word in _words(text):
        key, found, value = word.partition(sign)
        if not found:
            raise InvalidRequest(f"{word!r} is not like KEY{sign}VALUE.")
        pairs.append((key, value))
    return pairs


def preview(schedule: str, zone: str, backup: str) -> tuple[str, str, str]:
    """Three lines: the schedule in words with its next fire times, the backup's, the verdict."""
    now = datetime.now(UTC)
    try:
        runs = Schedule.parse(schedule, zone or None)
    except KronkeepError as error:
        return error.message, "", ""
    first = f"{runs.describe()}: {_next(runs, now)}"
    if not backup:
        return first, "The backup follows each run.", ""
    try:
        archives = Schedule.parse(backup, zone or None)
    except KronkeepError as error:
        return first, error.message, ""
    verdict = compatibility.check(runs, archives, EXPECTED, now, timedelta(days=40))
    words = "; ".join(finding.message for finding in verdict.findings[:2])
    return first, f"backup {archives.describe()}: {_next(archives, now)}", f"{verdict.verdict}. {words}"


def _next(schedule: Schedule, now: datetime) -> str:
    found: list[str] = []
    at: datetime | None = now
    while len(found) < NEXT and at is not None and (at := schedule.next(at)) is not None:
        found.append(f"{at.astimezone(schedule.zone_info):%d %b %H:%M}")
    return ", ".join(found) or "never"
