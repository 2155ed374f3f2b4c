"""The Night view by keys and mouse: selection, zoom, scroll, orders, batches, plain words, live changes."""

import re
import time
from datetime import timedelta
from typing import Any

import msgspec
from tests.ui.canned import NOW, CannedClient, cronjob, run
from tests.ui.driving import app_of, running_app, screen, shown_view, type_line, until
from tests.ui.idleness import settle
from tests.ui.night_scene import night, thousand
from tests.ui.scenes import run_at
from textual.pilot import Pilot

from kronkeep_common.api import ChangeEvent
from kronkeep_common.errors import NotFound
from kronkeep_common.states import ExecutionStatus
from kronkeep_tui.store import apply_events
from kronkeep_tui.views.night import NightView

WIDE = (200, 50)


def view_of(pilot: Pilot[Any]) -> NightView:
    return shown_view(pilot, NightView)


async def wait_for_night(pilot: Pilot[Any]) -> None:
    await until(pilot, lambda: "runs at once" in screen(pilot) and "reading" not in screen(pilot))
    await settle(running_app(pilot))


def line_with(pilot: Pilot[Any], text: str) -> str:
    return next(line for line in screen(pilot).splitlines() if text in line)


async def press(pilot: Pilot[Any], *keys: str) -> None:
    await pilot.press(*keys)
    await settle(running_app(pilot))


async def test_the_night_opens_with_8_and_a_bar_leads_to_its_run() -> None:
    async with app_of(CannedClient(*night())).run_test(size=WIDE) as pilot:
        await until(pilot, lambda: "pg-main-nightly" in screen(pilot))
        await press(pilot, "8")
        await wait_for_night(pilot)
        text = screen(pilot)
        assert "Mon 23 Nov 15:55 to Tue 24 Nov 07:00" in text
        crm = line_with(pilot, " pg-crm ")
        assert re.search(r"█+.?───▄{9}", crm), "the run, its archive's wait, the archive"
        assert "○" in line_with(pilot, "etcd-snap"), "a slot was missed"
        assert re.search(r"█x│", line_with(pilot, "pg-main-nightly"))
        assert "░░░░░░░" in line_with(pilot, "pg-web-eu"), "planned, as long as it usually takes"
        await type_line(pilot, "/name:crm")
        await press(pilot, "left")
        await until(pilot, lambda: "after 15m00s in the queue" in screen(pilot) or "archive" in screen(pilot))
        assert "crm/pg-crm  23:00" in screen(pilot)
        await press(pilot, "enter")
        await until(pilot, lambda: "pg-crm" in screen(pilot) and "end of log" in screen(pilot))


async def test_help_explains_the_signs() -> None:
    async with app_of(CannedClient(*night()), start="night").run_test(size=(80, 24)) as pilot:
        await wait_for_night(pilot)
        await press(pilot, "question_mark")
        await until(pilot, lambda: "Keys in night" in screen(pilot))
        await press(pilot, "end")
        words = " ".join(screen(pilot).split())
        assert "○ (or o) a slot without a run" in words
        assert "x failed, c cancelled" in words


async def test_the_selection_goes_from_bar_to_bar_and_the_window_with_it() -> None:
    async with app_of(CannedClient(*night()), start="night").run_test(size=WIDE) as pilot:
        await wait_for_night(pilot)
        await type_line(pilot, "/name:dwh-full")
        await press(pilot, "left", "left")
        assert "There is no run before this one" in screen(pilot)
        await press(pilot, "right")
        assert "There is no run after this one" in screen(pilot)
        await press(pilot, "escape")
        await type_line(pilot, "/name:registry")
        begun = view_of(pilot).board.window
        await press(pilot, "right")
        assert "registry-gc  20:00, usually 1h" in screen(pilot), "tomorrow's, beyond the window"
        moved = view_of(pilot).board.window
        assert begun is not None
        assert moved is not None
        assert moved.begin > begun.begin
        await press(pilot, "n")
        assert view_of(pilot).board.window == begun


async def test_zoom_and_scroll_and_back_to_now() -> None:
    async with app_of(CannedClient(*night()), start="night").run_test(size=(120, 30)) as pilot:
        await wait_for_night(pilot)
        first = view_of(pilot).board.window
        assert first is not None
        await press(pilot, "+")
        nearer = view_of(pilot).board.window
        assert nearer is not None
        assert nearer.step < first.step
        await press(pilot, "_", "_")
        wider = view_of(pilot).board.window
        assert wider is not None
        assert wider.step > first.step
        await press(pilot, "[", "[", "[")
        assert "│" not in line_with(pilot, ">"), "now is out of sight"
        await press(pilot, "]")
        await press(pilot, "escape")
        assert view_of(pilot).board.is_following
        await press(pilot, *["_"] * 12)
        longest = view_of(pilot).board.window
        assert longest is not None
        assert longest.step * longest.columns <= 8 * 86400
        await wait_for_night(pilot)


async def test_orders_and_faults() -> None:
    async with app_of(CannedClient(*night()), start="night").run_test(size=WIDE) as pilot:
        await wait_for_night(pilot)

        def first_names(count: int) -> list[str]:
            return [entry.row.cronjob for entry in view_of(pilot)._records[:count]]

        assert first_names(2) == ["etcd-snap", "sitemap"]
        await press(pilot, "S", "l")
        assert first_names(2) == ["sitemap", "pg-dwh-full"]
        await press(pilot, "S", "o")
        assert "sort: overlap" in screen(pilot)
        overlaps = [entry.overlap for entry in view_of(pilot)._records]
        assert overlaps == sorted(overlaps, reverse=True)
        assert max(overlaps) == 5
        await press(pilot, "S", "n")
        assert first_names(2) == ["invoices-pdf", "pg-ledger"]
        await press(pilot, "z")
        assert sorted(first_names(9)) == ["etcd-snap", "pg-main-nightly"]


async def test_cronjobs_of_one_schedule_are_one_row_where_rows_run_out() -> None:
    jobs = [cronjob(f"shard-{n}", schedule="0 3 * * *") for n in range(60)]
    runs = [run(f"shard-{n}", ExecutionStatus.SUCCEEDED) for n in range(60)]
    runs = [run_at(one, one.id, "default", NOW - timedelta(hours=2), 900) for one in runs]
    client = CannedClient([*jobs, cronjob("alone", schedule="0 9 * * *")], runs, backups=[])
    async with app_of(client, start="night").run_test(size=(100, 30)) as pilot:
        await wait_for_night(pilot)
        assert "default: 60 × 0 3 * * *" in screen(pilot)
        assert "row 1/2, 61 CronJobs" in screen(pilot)
        await type_line(pilot, "/name:shard")
        await until(pilot, lambda: "row 1/1, 60 of 61 CronJobs" in screen(pilot))
        await press(pilot, "escape")
        await press(pilot, "enter")
        assert "shard-0" in screen(pilot)
        await press(pilot, "escape")
        assert "60 × 0 3" in screen(pilot)
        await press(pilot, "b")
        assert "60 ×" not in screen(pilot)


async def test_plain_mode_says_it_in_words() -> None:
    app = app_of(CannedClient(*night()), start="night", plain=True)
    async with app.run_test(size=WIDE) as pilot:
        await wait_for_night(pilot)
        text = screen(pilot)
        assert "from Mon 15:55 to Tue 07:00, now 03:14" in text
        assert "FAIL 03:00 for 8m20s" in line_with(pilot, "pg-main-nightly")
        assert not re.search("[█▄░▒○│─▌]", text)


async def test_a_frame_of_a_thousand_rows_takes_at_most_17_milliseconds() -> None:
    client = CannedClient(*thousand())
    async with app_of(client, start="night").run_test(size=WIDE) as pilot:
        await wait_for_night(pilot)
        await press(pilot, "b")
        assert len(view_of(pilot).chart.rows) == 1000
        reader = running_app(pilot).reader
        spent = []
        for number, one in enumerate(client.runs_given[:12]):
            failed = msgspec.structs.replace(one, status=ExecutionStatus.FAILED, reason=f"x{number}")
            event = ChangeEvent(
                seq=number + 2, table="executions", id=one.id, op="put", record=msgspec.to_builtins(failed)
            )
            store = apply_events(reader.store, [event], NOW)
            reader._store = store
            begun = time.process_time()
            view_of(pilot).show(store, running_app(pilot).clock.now())
            spent.append(time.process_time() - begun)
        assert min(spent) <= 0.017, spent


async def test_a_mouse_selects_and_opens() -> None:
    async with app_of(CannedClient(*night()), start="night").run_test(size=WIDE) as pilot:
        await wait_for_night(pilot)
        lines = screen(pilot).splitlines()
        row = next(n for n, line in enumerate(lines) if " pg-crm " in line)
        column = lines[row].index("███") + 4
        await pilot.click(offset=(column, row))
        await until(pilot, lambda: "crm/pg-crm  23:00" in screen(pilot))
        await pilot.click(offset=(column, row))
        await until(pilot, lambda: "end of log" in screen(pilot))


async def test_a_change_is_shown_at_once_and_a_lost_daemon_leaves_what_was_read() -> None:
    scene = night()
    client = CannedClient(*scene)
    async with app_of(client, start="night").run_test(size=WIDE) as pilot:
        await wait_for_night(pilot)
        running = next(each for each in scene.runs if each.status == ExecutionStatus.RUNNING)
        failed = msgspec.structs.replace(running, status=ExecutionStatus.FAILED, ended_at=NOW)
        event = ChangeEvent(
            seq=2, table="executions", id=failed.id, op="put", record=msgspec.to_builtins(failed)
        )
        running_app(pilot).reader._pending.append(event)
        await until(pilot, lambda: "█x" in line_with(pilot, "pg-dwh-incr"))
        client.away = "The connection broke."
        client.lost.set()
        await until(pilot, lambda: "NO DAEMON" in screen(pilot))
        assert "x" in line_with(pilot, "pg-dwh-incr")


async def test_the_overview_has_the_night_where_there_is_space() -> None:
    async with app_of(CannedClient(*night()), start="overview").run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: "NEEDS ATTENTION" in screen(pilot))
        await settle(running_app(pilot))
        assert "runs at once" not in screen(pilot)
        for words in ("RUNNING", "STORAGES", "NEXT", "LAST 24 HOURS", "SUCCESS"):
            assert words in screen(pilot), "at 80x24 nothing is lost"
        await pilot.resize_terminal(130, 40)
        # The longest have rows of their own.
        await until(pilot, lambda: "× more" in screen(pilot) and "pg-dwh-full" in screen(pilot))
        await pilot.resize_terminal(200, 50)
        await until(pilot, lambda: "pg-web-us" in screen(pilot))
        lines = screen(pilot).splitlines()
        beside = next(line for line in lines if "NEEDS ATTENTION" in line)
        assert "03:14" in beside, "the night stands beside what needs attention"
        assert any("RUNNING" in line and "STORAGES" in line for line in lines)
        await press(pilot, "tab")
        await press(pilot, "end", "enter")
        await until(pilot, lambda: "web/pg-web-us" in screen(pilot) or "› pg-web-us" in screen(pilot))


async def test_a_daemon_that_refuses_the_timeline_is_not_asked_again_and_again() -> None:
    client = RefusingClient(*night())
    async with app_of(client, start="night").run_test(size=(120, 30)) as pilot:
        await until(pilot, lambda: "no such route" in screen(pilot))
        await until(pilot, lambda: "pg-main-nightly" in screen(pilot))  # what the store has is shown
        await settle(running_app(pilot))
        refused = client.refused
        for _ in range(5):
            view_of(pilot).update()
            await settle(running_app(pilot))
        assert client.refused == refused
        await press(pilot, "[")
        await until(pilot, lambda: client.refused > refused)


class RefusingClient(CannedClient):
    """A daemon without the route of the timeline."""

    refused = 0

    async def timeline(self, from_at: Any, to_at: Any, namespace: str | None = None) -> Any:
        self.refused += 1
        raise NotFound("There is no such route, no such route.")


async def test_the_load_of_each_storage_has_a_line_where_lines_are_free_and_by_a_key() -> None:
    async with app_of(CannedClient(*night()), start="night").run_test(size=WIDE) as pilot:
        await wait_for_night(pilot)
        whole = line_with(pilot, " archives ")
        nfs, s3 = line_with(pilot, "  nfs-1 "), line_with(pilot, "  s3-eu ")
        assert re.search("nfs-1 [1-9] .*█", nfs)
        assert whole not in (nfs, s3)
        await press(pilot, "s")
        assert "  nfs-1 " not in screen(pilot)
        await pilot.resize_terminal(100, 24)
        await wait_for_night(pilot)
        assert view_of(pilot).chart.head_rows == 3
        await press(pilot, "s")
        assert "  nfs-1 " in screen(pilot)
        await press(pilot, *["["] * 6, "s", "s")
        assert "No archive is in the time that is shown." in screen(pilot)
    async with app_of(CannedClient(*night()), start="night").run_test(size=(100, 24)) as pilot:
        await wait_for_night(pilot)
        assert "  nfs-1 " not in screen(pilot), "no line is free"


async def test_where_no_details_are_shown_the_selected_bar_is_said() -> None:
    async with app_of(CannedClient(*night()), start="night").run_test(size=(60, 15)) as pilot:
        await wait_for_night(pilot)
        said = set()
        for _ in range(3):  # several of them in one cell
            await press(pilot, "right")
            said.add(screen(pilot).splitlines()[-2].strip())
        assert len(said) == 3, said
        assert all("/" in words or "There is no run after" in words for words in said), said
