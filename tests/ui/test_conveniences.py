"""What saves keys: undo, saved filters, export, commands of the user's own."""

import csv
from pathlib import Path

import pytest
from tests.ui.canned import BACKUPS, CRONJOBS, CannedClient, FixedClock
from tests.ui.driving import app_of, running_app, screen, shown_view, until, wait_for_jobs
from tests.ui.scenes import busy

from kronkeep_tui import user_commands
from kronkeep_tui.undo import UNDO_SECONDS
from kronkeep_tui.user_commands import UserCommand
from kronkeep_tui.views.exportable_view import ExportableView


class MovingClock(FixedClock):
    """A clock whose monotonic time the test moves by `seconds`."""

    seconds = 0.0

    def monotonic(self) -> float:
        return self.seconds + super().monotonic()


async def test_a_suspension_is_undone_by_one_key_for_some_seconds() -> None:
    client = CannedClient()
    clock = MovingClock()
    async with app_of(client, clock=clock).run_test(size=(80, 24)) as pilot:
        await wait_for_jobs(pilot)
        await pilot.press("u")
        await until(pilot, lambda: "There is nothing to undo." in screen(pilot))
        await pilot.press("s", "y")
        await until(pilot, lambda: "u undoes it (10 s)" in screen(pilot))
        await pilot.press("down", "u")
        await until(pilot, lambda: "Undone: default/pg-main-nightly." in screen(pilot))
        assert [name for name, *_ in client.asked] == ["suspend", "resume"]
        await pilot.press("u")
        await until(pilot, lambda: "There is nothing to undo." in screen(pilot))
        await pilot.press("up", "s", "y")
        await until(pilot, lambda: "u undoes it (10 s)" in screen(pilot))
        clock.seconds = UNDO_SECONDS + 1
        await pilot.press("u")
        await until(pilot, lambda: "There is nothing to undo." in screen(pilot))
        assert len(client.asked) == 3
        await pilot.press("C")
        await until(pilot, lambda: "kronkeep suspend default/pg-main-nightly" in screen(pilot))


async def test_what_was_suspended_before_stays_so_when_many_are_undone() -> None:
    client = CannedClient(cronjobs=[CRONJOBS[0], CRONJOBS[-1]])
    async with app_of(client).run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: "pg-old" in screen(pilot))
        await pilot.press("home", "space", "end", "space", "s", "y")
        await until(pilot, lambda: "Suspended default/pg-main-nightly." in screen(pilot))
        await pilot.press("u")
        await until(pilot, lambda: "Undone: default/pg-main-nightly." in screen(pilot))
    assert [(verb, name) for verb, _, name, *_ in client.asked] == [
        ("suspend", "pg-main-nightly"),
        ("resume", "pg-main-nightly"),
    ]


async def test_a_pin_is_undone() -> None:
    client = CannedClient(backups=BACKUPS)

    async with app_of(client, start="restore").run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: "SNAPSHOT" in screen(pilot) and "pg-" in screen(pilot))
        await pilot.press("i")
        await until(pilot, lambda: "Pinned" in screen(pilot))
        await pilot.press("u")
        await until(pilot, lambda: [name for name, *_ in client.asked] == ["pin", "unpin"])


async def test_a_filter_is_saved_under_a_name_and_rows_are_saved_to_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    async with app_of(CannedClient()).run_test(size=(80, 24)) as pilot:
        await wait_for_jobs(pilot)
        await pilot.press("slash", *"ledger", "ctrl+s")
        await until(pilot, lambda: "Name of the filter: " in screen(pilot))
        await pilot.press(*"books", "enter")
        await until(pilot, lambda: "@books in the prompt" in screen(pilot))
        await pilot.press("escape", "slash", "at", "b", "tab", "enter")
        await until(pilot, lambda: "filter: ledger" in screen(pilot))
        await pilot.press("ctrl+e", "enter")
        await until(pilot, lambda: "Saved 1 row to" in screen(pilot))
    with (tmp_path / "jobs.csv").open(newline="") as file:
        titles, row = csv.reader(file)
    assert titles[0] == "ST"
    assert "pg-ledger" in row


@pytest.mark.parametrize("width", [80, 200])
@pytest.mark.parametrize("start", ["jobs", "runs", "policies", "restore", "storages"])
async def test_a_file_of_rows_has_a_title_for_each_cell(
    start: str, width: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    async with app_of(CannedClient(*busy()), start=start).run_test(size=(width, 24)) as pilot:
        await until(pilot, lambda: running_app(pilot).reader.has_read and running_app(pilot).frame.view.ready)
        await until(pilot, lambda: shown_view(pilot, ExportableView).records_to_save())
        await pilot.press("ctrl+e", "enter")
        await until(pilot, lambda: "Saved " in screen(pilot))
    with (tmp_path / f"{start}.csv").open(newline="") as file:
        titles, *rows = csv.reader(file)
    assert {len(row) for row in rows} == {len(titles)}
    assert start in ("storages",) or "NAMESPACE" in titles
    ages = {"AGE", "SINCE", "STARTED", "LAST", "LAST BACKUP"} & set(titles)
    for title in ages:
        cells = [row[titles.index(title)] for row in rows]
        assert all(len(cell) < 2 or "T" in cell or " " in cell for cell in cells), (title, cells)


async def test_a_command_of_the_user_s_own_runs_for_the_row_and_asks_where_it_changes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ran: list[list[str]] = []

    def note(_: object, argv: list[str]) -> int:
        ran.append(argv)
        return 0

    monkeypatch.setattr(user_commands, "run_program", note)
    looks = UserCommand(
        key="ctrl+y", views=("jobs",), run=("kubectl", "-n", "{namespace}", "get", "{name}"), changes=False
    )
    changes = UserCommand(key="ctrl+x", views=("jobs",), label="zap", run=("zap", "{name}"))
    app = app_of(CannedClient(), commands=(looks, changes))
    async with app.run_test(size=(80, 24)) as pilot:
        await wait_for_jobs(pilot)
        await pilot.press("ctrl+y")
        await until(pilot, lambda: ran == [["kubectl", "-n", "default", "get", "pg-main-nightly"]])
        await pilot.press("ctrl+x")
        await until(pilot, lambda: "Run zap pg-main-nightly? y/n" in screen(pilot))
        await pilot.press("n")
        assert len(ran) == 1
        await pilot.press("ctrl+x", "y")
        await until(pilot, lambda: ran[1:] == [["zap", "pg-main-nightly"]])
        await pilot.press("question_mark")
        await until(pilot, lambda: "zap" in screen(pilot))
        await pilot.press("escape", "ctrl+p", *"zap", "enter")
        await until(pilot, lambda: "Run zap pg-main-nightly? y/n" in screen(pilot))
