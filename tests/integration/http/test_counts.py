"""One history is counted alike everywhere: lists, figures, timeline, morning report and evidence."""

import json
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from tests.command_line import run_kronkeep
from tests.daemon_process import Daemon
from tests.filled_daemon import start_on_filled_history
from tests.records import make_backup, make_run

from kronkeep_common.clock import SystemClock
from kronkeep_common.states import BackupStatus, ExecutionStatus
from kronkeep_daemon.history import History

COUNTS = {"succeeded": 3, "partial": 1, "failed": 4, "missed": 2, "unknown": 1, "cancelled": 1}
NOT_BEGUN = 3


@pytest.fixture(scope="module")
def daemon(open_folder: Path) -> Iterator[Daemon]:
    with start_on_filled_history(open_folder, fill) as process:
        yield process


async def fill(folder: Path) -> None:
    """Record backups of each status an hour ago; those of NOT_BEGUN failed with their runs."""
    history = await History.open(folder, clock=SystemClock())
    at = datetime.now(UTC) - timedelta(hours=1)
    for number, status in enumerate(Counter(COUNTS).elements()):
        times = {"created_at": at, "ended_at": at}
        failed = status == "failed" and number - COUNTS["succeeded"] - 1 < NOT_BEGUN
        run_status = ExecutionStatus.FAILED if failed else ExecutionStatus.SUCCEEDED
        history.executions.put(make_run(id=f"r{number}", status=run_status, started_at=at, **times))
        history.backups.put(
            make_backup(
                id=f"b{number}",
                cronjob_execution_id=f"r{number}",
                status=BackupStatus(status),
                started_at=None if failed else at,
                reason="CronJobFailed" if failed else None,
                **times,
            )
        )
    await history.close()


def ask(daemon: Daemon, *argv: str) -> Any:
    done = run_kronkeep(daemon, *argv)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_each_status_has_one_count(daemon: Daemon) -> None:
    listed = {status: len(ask(daemon, "get", "backups", "-o", "json", "--filter", f"status:{status}"))
              for status in COUNTS}  # fmt: skip
    assert listed == COUNTS
    events = ask(daemon, "timeline", "-o", "json", "--from", "2h")
    assert Counter(event["status"] for event in events if event["kind"] == "archive") == COUNTS
    (figures,) = ask(daemon, "stats", "-o", "json")
    report = ask(daemon, "report", "--morning", "--format", "json")["report"]
    (evidence,) = ask(daemon, "report", "--format", "json")["policies"]
    for status in ("partial", "failed", "missed", "unknown"):
        told = figures[f"backups_{status}"], report[f"backups_{status}"], evidence[status]
        assert told == (COUNTS[status],) * 3, status
    assert figures["backups"] == sum(COUNTS.values()) - COUNTS["cancelled"]
    assert report["backups_good"] == evidence["good"] == COUNTS["succeeded"]
    assert figures["backups_not_begun"] == report["backups_not_begun"] == NOT_BEGUN


def test_what_is_counted_and_for_which_time_is_said(daemon: Daemon) -> None:
    stats = run_kronkeep(daemon, "stats", "--days", "2")
    tomorrow = datetime.now(UTC).date() + timedelta(days=1)
    assert f"before {tomorrow}" in stats.stderr
    assert "NOT BEGUN" in stats.stdout
    timeline = run_kronkeep(daemon, "timeline", "--from", "2h")
    assert (
        "12 archives: 4 failed (3 of them not begun, as the run had failed), 3 succeeded" in timeline.stderr
    )
    morning = run_kronkeep(daemon, "report", "--morning").stdout
    assert "4 failed (3 not begun, as the run had failed), 2 missed, 1 unknown." in morning
