"""What the history grows to, and how much memory is left."""

from pathlib import Path

import pytest

from kronkeep_daemon.doctor.history_checks import (
    HistoryForecast,
    HistoryPace,
    check_growth,
    check_memory,
    forecast_history,
    read_memory_limit,
    read_used_memory,
)
from kronkeep_daemon.settings import HistorySettings

PACE = HistoryPace(runs=10_000, bytes=13_000_000, runs_per_day=1440, cronjobs=1, free=2**30)


@pytest.mark.parametrize(
    ("limits", "forecast"),
    [
        (HistorySettings(), HistoryForecast(runs=10_000, bytes=13_000_000)),
        (HistorySettings(keep_runs_per_cronjob=0), HistoryForecast(runs=576_000, bytes=748_800_000)),
        (HistorySettings(keep_days=10), HistoryForecast(runs=10_000, bytes=13_000_000)),
        (HistorySettings(keep_days=10, keep_runs_per_cronjob=20_000), HistoryForecast(14_400, 18_720_000)),
        (HistorySettings(keep_days=0, keep_runs_per_cronjob=20_000), HistoryForecast(20_000, 26_000_000)),
        (HistorySettings(keep_days=0, keep_runs_per_cronjob=0), HistoryForecast(None, None)),
    ],
)
def test_the_smaller_limit_decides(limits: HistorySettings, forecast: HistoryForecast) -> None:
    assert forecast_history(PACE, limits) == forecast


def test_a_disk_that_will_not_hold_it_is_a_warning() -> None:
    limits = HistorySettings(keep_runs_per_cronjob=0)
    assert check_growth(PACE, limits).status == "ok"
    short = check_growth(PACE._replace(free=700_000_000), limits)
    assert (short.status, "at most 576,000" in short.message) == ("warn", True)
    assert "has 667.6 MiB left" in (short.next_step or "")


def test_growth_without_end_is_a_warning() -> None:
    check = check_growth(PACE, HistorySettings(keep_days=0, keep_runs_per_cronjob=0))
    assert (check.status, "no limit" in check.message) == ("warn", True)


def test_a_new_history_has_no_forecast() -> None:
    check = check_growth(PACE._replace(runs=3), HistorySettings())
    assert (check.status, "too few" in check.message) == ("ok", True)


def test_memory_near_its_limit_is_a_warning() -> None:
    assert check_memory(100 * 2**20, 512 * 2**20).status == "ok"
    assert check_memory(100 * 2**20, None).status == "ok"
    assert check_memory(450 * 2**20, 512 * 2**20).status == "warn"
    assert read_used_memory() > 10**7


@pytest.mark.parametrize(
    ("own", "files", "limit"),
    [
        ("0::/a/b\n", {"a/b/memory.max": "max\n", "a/memory.max": "1000\n"}, 1000),
        ("0::/a/b\n", {"a/b/memory.max": "900\n", "a/memory.max": "1000\n"}, 900),
        ("0::/\n", {"memory.max": "5\n"}, 5),
        ("0::/gone\n", {}, None),
        ("5:cpu:/x\n4:memory:/x\n", {"memory/x/memory.limit_in_bytes": "77\n"}, 77),
        ("4:memory:/x\n", {"memory/x/memory.limit_in_bytes": f"{2**63 - 4096}\n"}, None),
    ],
)
def test_the_lowest_limit_of_the_groups(
    tmp_path: Path, own: str, files: dict[str, str], limit: int | None
) -> None:
    (tmp_path / "own").write_text(own)
    for name, text in files.items():
        (tmp_path / "groups" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "groups" / name).write_text(text)
    assert read_memory_limit(tmp_path / "groups", tmp_path / "own") == limit
