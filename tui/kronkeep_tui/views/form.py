"""The form for a CronJob with its backup policy; what the schedules mean is shown as one types."""

import shlex
from datetime import UTC, datetime, timedelta

from textual.app import ComposeResult
from textual.containers import VerticalScroll
from textual.widget import Widget
from textual.widgets import Input, Label

from kronkeep_common import compatibility
from kronkeep_common.errors import InvalidRequest, KronkeepError
from kronkeep_common.models import BackupPolicySpec, CronJobCreate, EnvVar, Retention, VolumeMount
from kronkeep_common.schedule import Schedule
from kronkeep_tui.actions import ANY, FORM
from kronkeep_tui.store import Store
from kronkeep_tui.views.base import View
from kronkeep_tui.widgets.sheet import Bar

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


class FormView(View):
    """Nothing typed is lost on an error: the form stays until the CronJob is there."""

    SCOPES = (FORM, ANY)
    DEFAULT_CSS = """
    FormView { layout: vertical; padding: 0 1; }
    FormView > .fields { height: 1fr; }
    FormView Input { height: 1; border: none; width: 60; }
    FormView Label { text-style: dim; }
    """

    def crumb(self, store: Store) -> str:
        """Where one is."""
        return "new CronJob"

    def compose(self) -> ComposeResult:
        """The fields and what the schedules mean."""
        inputs: list[Widget] = []
        for name, words, value in FIELDS:
            field = Input(value=value, id=name, compact=True)
            field.cursor_blink = False
            inputs += [Label(words, markup=False), field]
        yield VerticalScroll(*inputs, classes="fields", can_focus=False)
        for number in range(3):
            yield Bar(id=f"preview-{number}")

    def target(self) -> Widget | None:
        """Begins at the name."""
        return self.query_one("#name", Input)

    def on_mount(self) -> None:
        """Says what there is to choose."""
        storages = ", ".join(self.kronkeep.reader.store.storages.order) or "none yet"
        self.frame.tell(f"Storages: {storages}. tab goes on, ctrl+s creates.", "quiet")
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
            self.query_one(f"#preview-{number}", Bar).say((text, "accent"))

    def do_submit(self) -> None:
        """Sends the CronJob; an error is shown and the form stays."""
        self.kronkeep.attempt(self._create(self.spec()), "create")

    async def _create(self, spec: CronJobCreate) -> None:
        created = await self.kronkeep.client.create_cronjob(spec)
        self.kronkeep.reader.resync()
        if self.frame.view is self:
            self.frame.leave_view()
        self.frame.tell(f"{created.namespace}/{created.name} runs {created.schedule_text}.", "ok")

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
    verdict = compatibility.check(compatibility.Question(runs, now, EXPECTED, timedelta(days=40)), archives)
    words = "; ".join(finding.message for finding in verdict.findings[:2])
    return first, f"backup {archives.describe()}: {_next(archives, now)}", f"{verdict.verdict}. {words}"


def _next(schedule: Schedule, now: datetime) -> str:
    found: list[str] = []
    at: datetime | None = now
    while len(found) < NEXT and at is not None and (at := schedule.next(at)) is not None:
        found.append(f"{at.astimezone(schedule.zone_info):%d %b %H:%M}")
    return ", ".join(found) or "never"
