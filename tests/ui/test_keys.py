"""Every key that the key bar and help show, in every view and state: it says or changes something."""

from collections.abc import Iterator, Sequence
from typing import Any

import msgspec
import pytest
from tests.ui.canned import NOW, CannedClient, cronjob, run
from tests.ui.driving import app_of, screen, until
from tests.ui.idleness import settle
from tests.ui.scenes import Scene, alert, backup, busy, storage
from textual import events
from textual.pilot import Pilot

from kronkeep_common.models import BackupPolicy
from kronkeep_common.states import BackupStatus, ExecutionStatus, StorageStatus
from kronkeep_tui import user_commands
from kronkeep_tui.actions import Action, Scope
from kronkeep_tui.app import KronkeepApp
from kronkeep_tui.frame import Frame
from kronkeep_tui.navigation import Place
from kronkeep_tui.views.registry import KINDS, view_class
from kronkeep_tui.views.view import View

TABS = ("overview", "jobs", "runs", "policies", "restore", "storages", "alerts", "night")
# Keys that move: at the end of what they move they may do nothing.
MOVES = (
    "up",
    "down",
    "page_up",
    "page_down",
    "first",
    "end",
    "left",
    "right",
    "previous_match",
    "next_match",
)
BASES = tuple(f"kronkeep_tui.views.{name}" for name in ("table_view", "page_view", "form_base", "view"))
WITH_STATES = ("jobs", "runs", "restore", "storages", "alerts")  # whose rows' states decide what keys do
SHARED = (Scope.ANY, Scope.TABLE, Scope.PAGE, Scope.LOG, Scope.FORM)


def every_state() -> Scene:
    """A record in each state of each kind."""
    policy = BackupPolicy(id="p", storage_id="vault-active")
    runs = [
        msgspec.structs.replace(run("job", status), id=f"run-{status}", cronjob_id="id-job")
        for status in ExecutionStatus
    ]
    whole = backup(runs[2], BackupStatus.SUCCEEDED).result
    backups = [
        msgspec.structs.replace(
            backup(runs[2], status),
            id=f"b-{status}",
            result=whole if status in ("succeeded", "partial") else None,
        )
        for status in BackupStatus
    ]
    by_hand = msgspec.structs.replace(backups[3], id="b-by-hand", cronjob_execution_id="", pinned=True)
    backups.append(msgspec.structs.replace(by_hand, snapshot_missing_at=NOW))
    jobs = [
        cronjob("job", *ExecutionStatus, policy=policy, last_execution_id=runs[2].id),
        cronjob("bare"),
        cronjob("bad", policy_fault="It cannot be read."),
        cronjob("off", suspended=True, policy=msgspec.structs.replace(policy, enabled=False)),
        cronjob("late", late_since=NOW, policy=policy, backup_overdue=True),
        cronjob("pvc/data", policy=policy, kind="PersistentVolumeClaim"),
    ]
    storages = [storage(f"vault-{status}", 1, 2, status=status) for status in StorageStatus]
    return Scene(
        cronjobs=jobs,
        runs=runs,
        backups=backups,
        storages=[*storages, msgspec.structs.replace(storages[0], id="vault-new", kind="of-a-newer-daemon")],
        alerts=[
            alert("RunFailed", "job", "default", 4, record_id=runs[3].id),
            alert("RunLate", "late", "default", 4, status="acknowledged"),
            alert("StorageNearlyFull", "gone", "", 9, kind="storage"),
        ],
    )


def way_to(kind: str, scene: Scene) -> tuple[Place, ...]:
    """Return the way to a kind of view, about the scene's records or about what is gone."""
    if kind in TABS:
        return (Place(kind),)
    job = scene.cronjobs[0].id if scene.cronjobs else "gone"
    one = scene.runs[2].id if scene.runs else "gone"
    other = scene.runs[3].id if scene.runs else "lost"
    of_backup = "b-succeeded" if scene.backups else "gone"
    arguments = {
        "run": one,
        "removals": "vault-active",
        "orphans": "vault-active",
        "retention": job,
        "files": f"{of_backup} /",
        "preview": f"{of_backup} /notes",
        "restore_form": f'{of_backup} ["/"]',
        "storage_change": "vault-active",
        "restore_page": "r1",
        "restore_log": "r1",
        "history": job,
        "compare": f"{one} {other}",
        "diff": f"{of_backup} b-partial",
        "log_search": "disk",
        "events": one,
        "yaml": f"execution {one}",
        "shell": "[]",
        "help": "jobs",
        "palette": "jobs",
    }
    return (Place("jobs"), Place(kind, arguments.get(kind, "")))


class Presses:
    """Presses keys in a view and notes those that neither say nor change anything."""

    def __init__(self, pilot: Pilot[Any], client: CannedClient) -> None:
        self.pilot = pilot
        self.client = client
        self.silent: list[str] = []

    @property
    def app(self) -> KronkeepApp:
        app = self.pilot.app
        assert isinstance(app, KronkeepApp)
        return app

    @property
    def frame(self) -> Frame:
        return self.app.frame

    async def show(self, way: Sequence[Place]) -> View:
        self.frame.message_line.cancel()
        self.frame.go(tuple(way))
        await until(self.pilot, lambda: self.frame.view.ready)
        await settle(self.app)
        self.frame.message_line.cancel()
        return self.frame.view

    async def press(self, key: str, action: Action) -> None:
        """Press a key; it is silent where the screen is as before and nothing was asked."""
        self.frame.tell("")
        before = self._seen()
        place = self.frame.place
        self.frame._key_input.press(events.Key(key, key if len(key) == 1 else None))
        await settle(self.app)
        assert self.app._exception is None, (self.frame.place, key)
        said = self.frame.message_line._message[0]
        if "does nothing" in said or "a fault of kronkeep" in said:
            self.silent.append(f"{place.kind} {key} {action.name}: {said}")
        elif self._seen() == before and action.name not in MOVES:
            self.silent.append(f"{place.kind} {key} {action.name}")
        self.frame.message_line.cancel()

    def _seen(self) -> tuple[object, ...]:
        return (
            self.frame.place,
            screen(self.pilot),
            len(self.client.asked),
            self.frame.message_line.is_asking,
        )


def keys_of(view: View, frame: Frame, *, is_shared: bool) -> Iterator[tuple[str, Action]]:
    """Yield the keys of a view's own actions, or those that many views share."""
    for action, keys in frame.keymap.bindings_in(view.SCOPES):
        own = set(action.scopes) & set(view.SCOPES) - set(SHARED)
        if bool(own) != is_shared and not action.tab and action.name not in ("leave", "back", "edit"):
            yield from ((key, action) for key in keys)


@pytest.mark.parametrize("has_records", [True, False], ids=["records", "none"])
async def test_every_key_that_is_shown_says_or_changes_something(
    has_records: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    def run_nothing(*_: object) -> int:
        return 0

    monkeypatch.setattr(user_commands, "run_program", run_nothing)
    scene = every_state() if has_records else Scene([], [], [], [])
    client = CannedClient(*scene)
    app = app_of(client)
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: app.reader.has_read)
        presses = Presses(pilot, client)
        seen: set[type[View]] = set()
        for kind in KINDS:
            way = way_to(kind, scene)
            view = await presses.show(way)
            base = next(cls for cls in view_class(kind).__mro__ if cls.__module__ in BASES)
            keys = [*keys_of(view, app.frame, is_shared=False)]
            if base not in seen:
                seen.add(base)
                keys += keys_of(view, app.frame, is_shared=True)
            rows = len(getattr(view, "_records", ())) or 1
            for row in range(min(rows, 9)):
                for key, action in keys:
                    if row and not (action.needs_row and kind in WITH_STATES):
                        continue
                    if app.frame.place != way[-1]:
                        view = await presses.show(way)
                    if rows > 1:
                        view.table.go(row)  # type: ignore[attr-defined]
                    await presses.press(key, action)
        assert not sorted(set(presses.silent)), "\n".join(sorted(set(presses.silent)))


async def test_keys_that_follow_the_palette_at_once_are_its_search() -> None:
    app = app_of(CannedClient(*busy()), start="runs")
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: app.reader.has_read)
        for key in ("ctrl+p", *"susp"):
            app.post_message(events.Key(key, key if len(key) == 1 else None))
        await until(pilot, lambda: "> susp_" in screen(pilot))
        await until(pilot, lambda: "suspend/resume" in screen(pilot))
        for key in ("escape", "ctrl+p", "escape", "ctrl+p", "0", "escape", "5"):
            app.post_message(events.Key(key, key if len(key) == 1 else None))
        await until(pilot, lambda: "Restore  " in screen(pilot).splitlines()[2])
        assert not app.frame.message_line.is_asking


@pytest.mark.parametrize("kind", ["help", "palette"])
async def test_what_was_left_before_it_was_drawn_does_no_harm(kind: str) -> None:
    app = app_of(CannedClient(*busy()), start="runs")
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: app.reader.has_read)
        app.frame.enter(kind, "runs")
        left = app.frame.view
        await until(pilot, lambda: left.ready)
        app.frame.navigation.go((Place("runs"),))
        left.on_resize()
        await pilot.press("escape")
        await until(pilot, lambda: "Runs  row 1/" in screen(pilot))


@pytest.mark.parametrize("kind", ["form", "coverage", "holds", "retention"])
async def test_an_answer_for_a_view_that_was_left_says_nothing(kind: str) -> None:
    app = app_of(CannedClient(*busy()), start="jobs")
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: app.reader.has_read)
        name = f"{app.reader.store.cronjobs[0].namespace}/{app.reader.store.cronjobs[0].name}"
        app.frame.enter(kind, f"edit {name}" if kind == "form" else name)
        left = app.frame.view
        await until(pilot, lambda: left.ready)
        app.frame.leave()
        await until(pilot, lambda: not left.is_attached and not left.query("*"))
        app.frame.start_work(left.load(), "load", left)
        await settle(app)
        assert "fault of kronkeep" not in screen(pilot)
