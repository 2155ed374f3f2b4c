"""What expires from the history, and what never does."""

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest

from kronkeep_common.clock import SystemClock
from kronkeep_common.models import Alert, BackupExecution, BackupResult, CronJobExecution
from kronkeep_common.states import AlertStatus, BackupStatus, ExecutionStatus, Trigger
from kronkeep_daemon.history import History, Page
from kronkeep_daemon.history.expiry import ExpiryPlan, ExpiryRules, plan, remove
from kronkeep_daemon.history.kept_logs import CappedLog
from kronkeep_daemon.history.rows import Row
from kronkeep_daemon.testing import FakeClock

NOW = datetime(2026, 6, 1, tzinfo=UTC)
GONE = NOW


def run(number: int, status: ExecutionStatus = ExecutionStatus.SUCCEEDED) -> CronJobExecution:
    return CronJobExecution(
        id=f"r{number}", cluster="c", namespace="n", cronjob="a", cronjob_id="id-a", status=status,
        trigger=Trigger.MANUAL, created_at=NOW - timedelta(days=number),
    )  # fmt: skip


def backup(
    number: int, status: BackupStatus = BackupStatus.SUCCEEDED, removed: datetime | None = None
) -> BackupExecution:
    result = msgspec.convert({"snapshot_id": f"s{number}"}, BackupResult) if removed != NOW else None
    return BackupExecution(
        id=f"b{number}", cluster="c", namespace="n", cronjob="a", cronjob_id="id-a", policy_id="p",
        cronjob_execution_id=f"r{number}", storage_id="s", status=status, result=result,
        created_at=NOW - timedelta(days=number),
    )  # fmt: skip


async def history_of(folder: Path, runs: list[CronJobExecution], backups: list[BackupExecution]) -> History:
    history = await History.open(folder, clock=SystemClock())
    for one in runs:
        history.executions.put(one)
    for made in backups:
        history.backups.put(made)
    await history.commit()
    return history


@pytest.mark.parametrize(
    ("rules", "gone"),
    [
        (ExpiryRules(), []),
        (ExpiryRules(runs=3), ["r4", "r5"]),
        (ExpiryRules(days=4), ["r5"]),
        (ExpiryRules(runs=4, days=2), ["r3", "r4", "r5"]),
    ],
)
async def test_runs_expire_by_number_and_by_age(tmp_path: Path, rules: ExpiryRules, gone: list[str]) -> None:
    history = await history_of(tmp_path, [run(number) for number in range(1, 6)], [])
    expiry_plan = await plan(history, rules, NOW)
    assert sorted(expiry_plan.executions) == gone
    assert len(list(history.executions.all())) == 5
    await history.close()


async def test_only_what_may_expire_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    history = await history_of(tmp_path, [run(number) for number in range(1, 500)], [])
    reads: list[int] = []
    newest = history.executions.newest
    oldest_heads = history.executions.oldest_heads

    def count_reads(**conditions: Any) -> Page[CronJobExecution]:
        page = newest(**conditions)
        reads.append(len(page.items))
        return page

    def count_heads(limit: int, *, before: datetime) -> Iterator[list[Row]]:
        for page in oldest_heads(limit, before=before):
            reads.append(len(page))
            yield page

    monkeypatch.setattr(history.executions, "newest", count_reads)
    monkeypatch.setattr(history.executions, "oldest_heads", count_heads)
    expiry_plan = await plan(history, ExpiryRules(runs=490, days=495), NOW)
    assert sorted(expiry_plan.executions) == [f"r{number}" for number in range(491, 500)]
    assert sum(reads) == 4 + 9 + 2  # by age, by number, and the first of each
    await history.close()


async def test_a_plan_has_so_many_records_and_the_next_has_the_others(tmp_path: Path) -> None:
    history = await history_of(tmp_path, [run(number) for number in range(1, 400)], [])
    sizes: list[int] = []
    is_whole = False
    while not is_whole:
        expiry_plan = await plan(history, ExpiryRules(days=100, runs=200), NOW, most=120)
        await remove(history, expiry_plan)
        sizes.append(len(expiry_plan.executions))
        is_whole = expiry_plan.is_whole
    assert sizes == [120, 120, 59]
    assert sorted(record.id for record in history.executions.all()) == sorted(
        f"r{number}" for number in range(1, 101)
    )
    await history.close()


async def test_a_backup_whose_snapshot_is_missing_stays_until_somebody_acknowledges_that(
    tmp_path: Path,
) -> None:
    """Its record holds the prune that would delete what may still come back, and the alert."""
    newest = backup(1)
    missing = msgspec.structs.replace(backup(40), snapshot_missing_at=NOW)
    known = msgspec.structs.replace(backup(50), snapshot_missing_at=NOW, snapshot_missing_acknowledged_at=NOW)
    history = await history_of(tmp_path, [], [newest, missing, known])
    assert (await plan(history, ExpiryRules(days=30), NOW)).backups == ("b50",)
    await history.close()


async def test_what_is_needed_never_expires(tmp_path: Path) -> None:
    runs = [run(5), run(6), run(7), run(8, ExecutionStatus.RUNNING), run(9)]
    backups = [
        backup(5, BackupStatus.FAILED, GONE),
        backup(6, removed=GONE),  # the newest good one of its policy
        backup(7, BackupStatus.PARTIAL),  # its snapshot exists
        backup(9, removed=GONE),
    ]
    history = await history_of(tmp_path, runs, backups)
    expiry_plan = await plan(history, ExpiryRules(days=1), NOW)
    assert expiry_plan == ExpiryPlan(executions=("r5", "r9"), backups=("b5", "b9"))
    await history.close()


async def test_alerts_go_by_the_age_of_their_end(tmp_path: Path) -> None:
    history = await history_of(tmp_path, [], [])
    for days in (0, 1, 3):
        history.alerts.put(
            Alert(
                id=f"a{days}", code="RunFailed", severity="warning", kind="cronjob", object="n/a",
                object_id="id-a", since=NOW, created_at=NOW - timedelta(days=9), message="", next_step="",
                status=AlertStatus.RESOLVED if days else AlertStatus.OPEN,
                resolved_at=NOW - timedelta(days=days) if days else None,
            )
        )  # fmt: skip
    going = await plan(history, ExpiryRules(days=2), NOW)
    assert going == ExpiryPlan(alerts=("a3",))
    await remove(history, going)
    assert [alert.id for alert in history.alerts.all()] == ["a0", "a1"]
    await history.close()


async def test_logs_go_with_their_run_and_the_disk_falls(tmp_path: Path) -> None:
    history = await history_of(tmp_path, [run(number) for number in range(1, 400)], [])
    capped = CappedLog()
    capped.add(b"hello")
    for number in (1, 300):
        await history.logs.save(run(number), "main", "pod", capped)
    await history.compact()
    before = (tmp_path / "history.db").stat().st_size
    await remove(history, await plan(history, ExpiryRules(runs=10), NOW))
    assert await history.logs.read(run(300), "main") is None
    assert await history.logs.read(run(1), "main") == b"hello"
    await history.close()
    assert (tmp_path / "history.db").stat().st_size < before / 1.45  # most of the rest are the latest changes
    again = await History.open(tmp_path, clock=SystemClock())
    assert len(list(again.executions.all())) == 10
    await again.close()


@pytest.mark.parametrize("rules", [ExpiryRules(days=20), ExpiryRules(days=20, runs=5), ExpiryRules(runs=5)])
async def test_plans_of_few_records_remove_the_same_as_one(tmp_path: Path, rules: ExpiryRules) -> None:
    """CronJobs with backups are judged one by one, all others together in the order of time."""
    left: list[list[str]] = []
    for most in (7, 10_000):
        folder = tmp_path / str(most)
        folder.mkdir()
        history = await history_of(folder, [], [])
        for cronjob in range(4):
            for day in range(30):
                history.executions.put(
                    msgspec.structs.replace(
                        run(day, ExecutionStatus.RUNNING if day == 25 else ExecutionStatus.FAILED),
                        id=f"{cronjob}/{day}",
                        cronjob_id=f"id-{cronjob}",
                    )
                )
        for day, removed in ((28, None), (29, GONE)):  # of one the snapshot is there
            history.backups.put(
                msgspec.structs.replace(
                    backup(day, BackupStatus.PARTIAL, removed),
                    cronjob_execution_id=f"2/{day}",
                    cronjob_id="id-2",
                )
            )
        await history.commit()
        is_whole = False
        while not is_whole:
            expiry_plan = await plan(history, rules, NOW, most=most)
            assert len(set(expiry_plan.executions)) == len(expiry_plan.executions) <= most
            await remove(history, expiry_plan)
            is_whole = expiry_plan.is_whole
        left.append(sorted(record.id for record in history.executions.all()))
        assert [record.id for record in history.backups.all()] == ["b28"]
        await history.close()
    assert left[0] == left[1]
    days = range(5) if rules.runs else range(21)
    expected = {f"{cronjob}/{day}" for cronjob in range(4) for day in (*days, 25)} | {"2/28"}
    assert set(left[0]) == expected


async def test_runs_without_logs_cost_few_calls_of_threads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    history = await history_of(tmp_path, [run(number) for number in range(1, 1000)], [])
    calls: list[object] = []
    to_thread = asyncio.to_thread

    async def count_calls(function: Any, /, *arguments: Any, **others: Any) -> Any:
        calls.append(function)
        return await to_thread(function, *arguments, **others)

    monkeypatch.setattr(asyncio, "to_thread", count_calls)
    await remove(history, await plan(history, ExpiryRules(runs=10), NOW))
    assert len(history.executions) == 10
    assert len(calls) <= 10
    await history.close()


async def test_an_eighth_of_the_database_stays_free_for_later_records(tmp_path: Path) -> None:
    history = await history_of(tmp_path, [run(number) for number in range(2_000)], [])
    await history.compact()
    full = history.size_bytes()
    await remove(history, await plan(history, ExpiryRules(runs=1_900), NOW))
    assert history.size_bytes() >= full  # what 100 runs have left is less than that
    await remove(history, await plan(history, ExpiryRules(runs=10), NOW))
    assert history.size_bytes() < full / 1.5  # most of the rest are the latest changes
    await history.close()


async def test_the_audit_trail_goes_by_age(tmp_path: Path) -> None:
    clock = FakeClock(NOW)
    history = await History.open(tmp_path / "h", clock=clock)
    for number in range(250):
        history.append_audit({"outcome": str(number)})
        await clock.advance(3600)
    await history.commit()
    now = NOW + timedelta(hours=250)
    assert not await plan(history, ExpiryRules(), now)
    going = await plan(history, ExpiryRules(audit_days=10), now)
    assert len(going.audit) == 10
    await remove(history, going)
    left = [line["outcome"] for line in history.table("audit").all()]
    assert left == [str(number) for number in range(10, 250)]
    await history.close()
