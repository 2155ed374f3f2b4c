"""Times: in the zone that was chosen, as ages or as clock times, and true while the daemon is away."""

from datetime import timedelta
from pathlib import Path

import msgspec
import pytest
from tests.ui.canned import NOW, CannedClient, FixedClock, cronjob
from tests.ui.driving import app_of, screen, until, wait_for_jobs
from tests.ui.scenes import busy

from kronkeep_common.errors import InvalidTimeZone
from kronkeep_tui.pages.moments import clock_text
from kronkeep_tui.settings import read_settings

BERLIN = "Europe/Berlin"


@pytest.mark.parametrize(
    ("start", "age", "clock"),
    [
        ("overview", "in 19m", "04:33"),
        ("jobs", " 14m ", "04:00"),
        ("runs", " 14m ", "04:00"),
        ("restore", "  1m ", "04:13"),
        ("alerts", "  4m ", "04:10"),
    ],
)
async def test_z_shows_clock_times_in_the_zone_of_the_settings(start: str, age: str, clock: str) -> None:
    scene = busy(failing=True)
    async with app_of(CannedClient(*scene), start=start, zone=BERLIN).run_test(size=(100, 30)) as pilot:
        await until(pilot, lambda: age in screen(pilot))
        assert "04:14 CET (03:14Z)" in screen(pilot).splitlines()[0]
        await pilot.press("Z")
        await until(pilot, lambda: clock in screen(pilot))
        assert age not in screen(pilot)
        await pilot.press("Z")
        await until(pilot, lambda: age in screen(pilot))


async def test_times_in_sentences_are_of_the_zone_too() -> None:
    async with app_of(CannedClient(), zone=BERLIN).run_test(size=(120, 30)) as pilot:
        await wait_for_jobs(pilot)
        await until(pilot, lambda: "next in 46m, Tue 05:00 CET" not in screen(pilot))
        await pilot.press("l")
        await until(pilot, lambda: "24 Nov 04:00:20 CET, 14m ago" in screen(pilot))
        assert "slot 24 Nov 04:00 CET" in screen(pilot)
        await until(pilot, lambda: "04:11:57 part 311/402" in screen(pilot))


async def test_what_should_have_come_is_due_and_data_are_as_old_as_the_loss() -> None:
    clock = FixedClock()
    soon = msgspec.structs.replace(cronjob("soon"), next_at=NOW + timedelta(seconds=30))
    client = CannedClient([soon], [])
    app = app_of(client, clock=clock)
    async with app.run_test(size=(120, 30)) as pilot:
        await until(pilot, lambda: " 30s " in screen(pilot))
        clock.moment = NOW + timedelta(seconds=38)
        client.away = "It is gone."
        client.lost.set()
        await until(pilot, lambda: "NO DAEMON, data 0s old" in screen(pilot))
        await until(pilot, lambda: " due " in screen(pilot) and "next due" in screen(pilot))
        clock.moment += timedelta(seconds=9)
        await until(pilot, lambda: "data 9s old" in screen(pilot))


async def test_a_clock_that_is_wrong_is_said_where_ages_would_mislead() -> None:
    clock = FixedClock()
    clock.moment = NOW + timedelta(hours=2)
    async with app_of(CannedClient(*busy()), clock=clock).run_test(size=(100, 30)) as pilot:
        await until(pilot, lambda: "clock 2h00m ahead" in screen(pilot))
        assert "The clock of this machine is 2h00m ahead of the daemon's." in screen(pilot)
        clock.moment = NOW - timedelta(hours=3)
        await pilot.press("ctrl+r")
        await until(pilot, lambda: "clock 3h00m behind" in screen(pilot))
        clock.moment = NOW + timedelta(seconds=30)
        await pilot.press("ctrl+r")
        await until(pilot, lambda: "  live " in screen(pilot) and "The clock of" not in screen(pilot))


@pytest.mark.parametrize(
    ("ahead", "words"),
    [
        (timedelta(0), "03:14"),
        (timedelta(hours=22), "Wed 01:14"),
        (timedelta(days=-5), "Thu 03:14"),
        (timedelta(days=-30), "25 Oct"),
        (timedelta(days=-400), "Oct 2025"),
    ],
)
def test_a_clock_time_says_no_more_than_is_needed(ahead: timedelta, words: str) -> None:
    assert clock_text(NOW + ahead, NOW) == words
    assert len(words) <= 9


def test_a_zone_that_does_not_exist_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "terminal.toml"
    path.write_text('zone = "europe/berln"')
    with pytest.raises(InvalidTimeZone, match="europe/berln"):
        read_settings(path)


def test_the_environment_chooses_the_zone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KRONKEEP_ZONE", "utc")
    assert read_settings(tmp_path / "none").zone == "utc"
