"""Figures by day and week: right after any change, undone batch or restart, and kept when runs expire."""

import random
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import closing
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from tests.records import make_backup, make_run

from kronkeep_common.clock import SystemClock
from kronkeep_common.errors import ReadOnlyHistory
from kronkeep_common.models import BackupResult, CronJobExecution
from kronkeep_common.models.figures import Figures
from kronkeep_common.states import BackupStatus, ExecutionStatus
from kronkeep_daemon.cronjobs.run_changes import RunChanges
from kronkeep_daemon.events import Bus
from kronkeep_daemon.history import History, expiry, time_repair
from kronkeep_daemon.history.database import Database, connect
from kronkeep_daemon.history.database_check import check_whole
from kronkeep_daemon.history.expiry import ExpiryPlan
from kronkeep_daemon.history.figure_reader import FigureQuestion, read_figures

FIRST = datetime(2026, 1, 1, tzinfo=UTC)  # a Thursday
LAST = date(2026, 3, 31)


async def open_history(folder: Path) -> History:
    return await History.open(folder, clock=SystemClock())


@pytest.fixture
async def history(tmp_path: Path) -> AsyncIterator[History]:
    history = await open_history(tmp_path)
    yield history
    await history.close()


async def ask(history: History, **changes: Any) -> list[Figures]:
    question = FigureQuestion(by="namespace", first=FIRST.date(), last=LAST, period="total")
    return await read_figures(history, question._replace(**changes))


def run(number: int, status: str, day: int = 0, namespace: str = "n", **fields: Any) -> CronJobExecution:
    return make_run(
        id=f"r{number}",
        status=ExecutionStatus(status),
        namespace=namespace,
        cronjob=f"j-{namespace}",
        cronjob_id=f"u-{namespace}",
        created_at=FIRST + timedelta(days=day, hours=number % 24),
        **fields,
    )


async def test_a_run_counts_once_it_has_ended_and_as_it_ended_last(history: History) -> None:
    for status in ("pending", "running", "unknown", "succeeded"):
        history.executions.put(run(1, status, duration_seconds=2.5))
    history.executions.put(run(2, "running"))
    await history.commit()
    history.executions.put(run(2, "unknown"))
    await history.commit()
    history.executions.put(run(2, "failed", duration_seconds=1))
    history.executions.put(run(3, "cancelled"))
    history.executions.put(run(4, "missed"))
    await history.commit()
    (all_,) = await ask(history)
    assert (all_.runs, all_.failed, all_.unknown, all_.missed, all_.seconds) == (2, 1, 0, 1, 3.5)
    assert all_.success == 33.33
    assert (await ask(history, by="cronjob"))[0].cronjob == "j-n"
    assert await ask(history, by="storage") == []


async def test_backups_count_by_storage_and_status(history: History) -> None:
    result = BackupResult(snapshot_id="s", bytes_read=100, bytes_added=10)
    history.backups.put(make_backup(id="1", result=result))
    history.backups.put(make_backup(id="2", status=BackupStatus.PARTIAL, result=result))
    history.backups.put(make_backup(id="3", status=BackupStatus.FAILED))
    history.backups.put(make_backup(id="4", status=BackupStatus.FAILED, reason="CronJobFailed"))
    await history.commit()
    (storage,) = await ask(history, by="storage")
    (namespace,) = await ask(history)
    assert storage.storage_id == "s"
    for figures in (storage, namespace):
        assert (figures.backups, figures.backups_failed, figures.backups_partial) == (4, 2, 1)
        assert figures.backups_not_begun == 1
        assert (figures.bytes_read, figures.bytes_added, figures.success) == (200, 20, None)


async def test_days_and_weeks_and_namespaces(history: History) -> None:
    for day in range(20):
        history.executions.put(run(day, "failed" if day == 3 else "succeeded", day))
        history.executions.put(run(100 + day, "succeeded", day, namespace="other"))
    await history.commit()
    days = await ask(history, period="day", namespace="n")
    assert [figures.from_at for figures in days] == [FIRST + timedelta(days=day) for day in range(19, -1, -1)]
    assert [figures.success for figures in days if figures.failed] == [0]
    weeks = await ask(history, period="week", namespace="n")
    assert [(f"{week.from_at:%a %d}", week.runs) for week in weeks] == [
        ("Mon 19", 2), ("Mon 12", 7), ("Mon 05", 7), ("Mon 29", 4),
    ]  # fmt: skip
    part = await ask(history, first=date(2026, 1, 4), last=date(2026, 1, 6))
    assert [(each.namespace, each.runs, each.failed) for each in part] == [("n", 3, 1), ("other", 3, 0)]
    assert [each.cronjob for each in await ask(history, by="cronjob", namespace="other")] == ["j-other"]
    assert (await ask(history, by="cronjob", cronjob_id="u-n"))[0].runs == 20


async def test_what_was_no_missed_run_after_all_counts_no_more(history: History) -> None:
    """Its Job came late, or a clock that was ahead has recorded it of a day that is to come."""
    history.executions.put(run(1, "missed"))
    history.executions.put(run(2, "missed", 60, job=None))
    history.executions.put(run(3, "missed"))
    await history.commit()
    changes = RunChanges(history, Bus())
    changes.remove("r1")
    changes.put(None, run(4, "succeeded"))
    await changes.commit()
    assert await time_repair.repair(history, FIRST + timedelta(days=30)) == 1
    (all_,) = await ask(history)
    assert (all_.runs, all_.missed, all_.success) == (1, 1, 50)


async def test_they_stay_when_runs_expire(history: History) -> None:
    for number in range(5):
        history.executions.put(run(number, "succeeded"))
    await history.commit()
    await expiry.remove(history, ExpiryPlan(executions=tuple(f"r{number}" for number in range(5))))
    assert len(history.executions) == 0
    assert (await ask(history))[0].runs == 5


async def test_a_batch_that_was_undone_counts_nothing(
    history: History, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = Database.write

    def refuse(self: Database, batch: Any) -> None:
        raise ReadOnlyHistory("full")

    history.executions.put(run(1, "succeeded"))
    await history.commit()
    monkeypatch.setattr(Database, "write", refuse)
    history.executions.put(run(2, "failed"))
    with pytest.raises(ReadOnlyHistory):
        await history.commit()
    monkeypatch.setattr(Database, "write", write)
    history.executions.put(run(3, "succeeded"))
    await history.commit()
    (all_,) = await ask(history)
    assert (all_.runs, all_.failed) == (2, 0)


async def test_random_changes_and_restarts_give_what_a_count_of_all_runs_gives(tmp_path: Path) -> None:
    """A model: the last state of each run, counted by hand."""
    chance = random.Random(7)
    states: dict[int, CronJobExecution] = {}
    history = await open_history(tmp_path)
    for step in range(1500):
        number = chance.randrange(300)
        status = chance.choice(["pending", "running", "succeeded", "failed", "missed", "unknown"])
        seconds = chance.choice([None, 0.5, 3])
        states[number] = run(number, status, number % 60, "ab"[number % 2], duration_seconds=seconds)
        history.executions.put(states[number])
        if chance.random() < 0.2:
            await history.commit()
        if step % 400 == 399:
            await history.close()
            history = await open_history(tmp_path)
    await history.commit()
    for namespace in "ab":
        (figures,) = await ask(history, namespace=namespace)
        runs = [each for each in states.values() if each.namespace == namespace]
        counts = Counter(str(each.status) for each in runs)
        assert figures.runs == counts["succeeded"] + counts["failed"] + counts["unknown"]
        others = (figures.failed, figures.missed, figures.unknown)
        assert others == (counts["failed"], counts["missed"], counts["unknown"])
        had_jobs = [each for each in runs if each.status in ("succeeded", "failed", "unknown")]
        seconds = sum(each.duration_seconds or 0 for each in had_jobs)
        assert figures.seconds == pytest.approx(seconds)
    await history.close()
    with closing(connect(tmp_path / "history.db")) as connection:
        assert check_whole(connection) == []


async def test_documents_of_somebody_else_are_no_fault(history: History) -> None:
    history.table("executions").put_document(None, {"id": "x", "status": 5, "created_at": "yesterday"})
    history.table("executions").put_document(None, {"created_at": "2026-01-01T00:00:00Z"})
    await history.commit()
    assert await ask(history) == []
