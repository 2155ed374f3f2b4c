"""Which backups the planner makes of a policy, over a history on disk."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest
from tests.records import make_backup, vault

from kronkeep_common.models import BackupExecution, BackupPolicy, BackupStorage, CronJobExecution
from kronkeep_common.states import ExecutionStatus, StorageStatus, Trigger
from kronkeep_daemon.backups.backup_records import BackupRecords, backup_id_for
from kronkeep_daemon.backups.first_comparisons import FirstComparisons
from kronkeep_daemon.backups.planner import BackupPlanner
from kronkeep_daemon.backups.policy_annotations import PolicyCarrier
from kronkeep_daemon.events import ActingChanged, Bus
from kronkeep_daemon.history import History
from kronkeep_daemon.kube.objects import CronJobMeta, CronJobObject
from kronkeep_daemon.kube.subjects import PolicyClaim, PolicySubject
from kronkeep_daemon.settings import Settings
from kronkeep_daemon.testing import FakeClock

CREATED_AT = datetime(2026, 1, 1, tzinfo=UTC)
POLICY = BackupPolicy(id="p", storage_id="s")
CRONJOB = CronJobObject(
    metadata=CronJobMeta(namespace="n", name="j", uid="u", creation_timestamp="2026-01-01T00:00:00Z"),
    cluster="c",
)


class Acting:
    """Who acts: this daemon, until it is said that another one does."""

    def __init__(self) -> None:
        self.is_ours = True

    def leads(self, _cluster_id: str) -> bool:
        return self.is_ours

    def stands_by(self, _cluster_id: str) -> bool:
        return not self.is_ours


class Planning:
    """A planner that has nothing but its history and clock."""

    def __init__(self, history: History, clock: FakeClock) -> None:
        self.history = history
        self.clock = clock
        self.acting = Acting()
        self.storages = {"s": vault(id="s")}
        self.bus = bus = Bus()
        self.comparisons = FirstComparisons(
            find_storage=self.storages.get, acting=self.acting, bus=bus, clock=clock
        )
        self.comparisons.mark_compared(self.storages["s"])
        self.planner = BackupPlanner(
            cronjobs=None,  # type: ignore[arg-type]
            policies=None,  # type: ignore[arg-type]
            records=BackupRecords(history, bus, None),  # type: ignore[arg-type]
            first_comparisons=self.comparisons,
            archiver=None,  # type: ignore[arg-type]
            history=history,
            bus=bus,
            clock=clock,
            settings=Settings,
            supervisor=None,  # type: ignore[arg-type]
        )

    def add_run(
        self,
        run_id: str,
        *,
        status: ExecutionStatus = ExecutionStatus.SUCCEEDED,
        ahead: timedelta = timedelta(0),
    ) -> None:
        """Record a run that has just ended, dated `ahead` of now."""
        now = self.clock.now() + ahead
        self.history.executions.put(
            CronJobExecution(
                id=run_id,
                cluster="c",
                namespace="n",
                cronjob="j",
                cronjob_id="u",
                status=status,
                trigger=Trigger.SCHEDULED,
                created_at=now,
                ended_at=now,
            )
        )

    def begin_to_act(self) -> None:
        """Act as after another daemon: no storage was compared yet."""
        for is_ours in (False, True):
            self.acting.is_ours = is_ours
            self.bus.publish(ActingChanged("c"))

    async def plan(
        self, policy: BackupPolicy = POLICY, subject: PolicySubject = CRONJOB
    ) -> list[BackupExecution]:
        """Plan the policy and return all backups, oldest first."""
        carrier = PolicyCarrier(cluster="c", namespace="n", cronjob=subject.name, policy=policy)
        await self.planner.plan_policy(subject, carrier, self.clock.now())
        return list(self.history.backups.all())


@pytest.fixture
async def planning(tmp_path: Path) -> AsyncIterator[Planning]:
    clock = FakeClock(CREATED_AT + timedelta(days=1))
    history = await History.open(tmp_path, clock=clock)
    yield Planning(history, clock)
    await history.close()


async def test_runs_before_the_policy_was_first_seen_are_not_archived(planning: Planning) -> None:
    planning.add_run("early")
    await planning.clock.advance(60)
    assert await planning.plan() == []
    await planning.clock.advance(60)
    planning.add_run("late")
    (backup,) = await planning.plan()
    assert (backup.cronjob_execution_id, backup.status) == ("late", "waiting")


async def test_a_run_has_one_backup_however_often_it_is_planned(planning: Planning) -> None:
    await planning.plan()
    planning.add_run("run")
    (first,) = await planning.plan()
    assert await planning.plan() == [first]


async def test_a_cronjob_of_which_nothing_changed_is_not_read_again(
    planning: Planning, monkeypatch: pytest.MonkeyPatch
) -> None:
    reads: list[str] = []
    candidate_runs = planning.planner.candidate_runs

    def count_reads(cronjob_id: str, now: datetime) -> list[CronJobExecution]:
        reads.append(cronjob_id)
        return candidate_runs(cronjob_id, now)

    monkeypatch.setattr(planning.planner, "candidate_runs", count_reads)
    for _ in range(3):
        await planning.plan()
    assert len(reads) == 1
    await planning.clock.advance(60)
    planning.add_run("run")
    (backup,) = await planning.plan()
    for _ in range(3):
        await planning.plan()
    assert len(reads) == 3
    planning.history.backups.remove(backup.id)
    assert await planning.plan() == [msgspec.structs.replace(backup, sequence=backup.sequence + 1)]
    other = msgspec.structs.replace(POLICY, id="q")
    await planning.clock.advance(60)
    await planning.plan(other)
    assert len(reads) == 5
    planning.add_run("ahead", ahead=timedelta(minutes=5))
    assert len(await planning.plan()) == 1
    await planning.clock.advance(600)
    assert len(await planning.plan()) == 2


async def test_a_read_does_not_record_that_the_policy_was_seen(planning: Planning) -> None:
    """So a daemon that only shows a policy, and acts later, archives no run of the time before."""
    assert planning.planner.first_seen(CRONJOB, POLICY) == planning.clock.now()
    await planning.clock.advance(60)
    planning.add_run("while another daemon acted")
    await planning.clock.advance(60)
    assert await planning.plan() == []


async def test_a_new_cronjobs_first_run_is_archived(planning: Planning) -> None:
    early = Planning(planning.history, FakeClock(CREATED_AT))
    early.add_run("first")
    await early.clock.advance(30)
    (backup,) = await early.plan()
    assert backup.cronjob_execution_id == "first"


async def test_runs_dated_in_the_future_hide_no_run_that_waits_for_its_backup(planning: Planning) -> None:
    await planning.plan()
    for number in range(115):
        planning.add_run(
            f"future{number}", status=ExecutionStatus.MISSED, ahead=timedelta(minutes=10 + number)
        )
    await planning.clock.advance(60)
    planning.add_run("real")
    (backup,) = await planning.plan()
    assert backup.cronjob_execution_id == "real"


async def test_many_missed_runs_hide_no_run_that_ended(planning: Planning) -> None:
    await planning.plan()
    await planning.clock.advance(60)
    planning.add_run("real")
    for number in range(50):
        await planning.clock.advance(60)
        planning.add_run(f"missed{number}", status=ExecutionStatus.MISSED)
    assert "real" in {backup.cronjob_execution_id for backup in await planning.plan()}


async def test_a_policy_first_seen_by_a_clock_that_was_ahead_is_seen_now(planning: Planning) -> None:
    planning.clock.jump(400 * 86400)
    await planning.plan()
    planning.clock.jump(-400 * 86400)
    await planning.plan()
    await planning.clock.advance(60)
    planning.add_run("real")
    (backup,) = await planning.plan()
    assert backup.cronjob_execution_id == "real"


async def test_a_scheduled_backup_dated_in_the_future_holds_up_no_other(planning: Planning) -> None:
    scheduled = msgspec.structs.replace(POLICY, schedule="0 * * * *")
    await planning.plan(scheduled)
    planning.add_run("real")
    planning.clock.jump(400 * 86400)
    await planning.clock.advance(3700)
    (wrong,) = await planning.plan(scheduled)
    planning.clock.jump(-400 * 86400)
    await planning.clock.advance(3700)
    backups = await planning.plan(scheduled)
    assert len(backups) == 2
    due_at = next(backup for backup in backups if backup.id != wrong.id).due_at
    assert due_at is not None
    assert due_at < planning.clock.now()


@pytest.mark.parametrize(
    "status", [None, ExecutionStatus.FAILED, ExecutionStatus.RUNNING, ExecutionStatus.MISSED]
)
async def test_the_first_backup_by_a_schedule_waits_for_no_run(
    planning: Planning, status: ExecutionStatus | None
) -> None:
    scheduled = msgspec.structs.replace(POLICY, schedule="*/10 * * * *")
    await planning.plan(scheduled)
    if status is not None:
        planning.add_run("no result", status=status)
    await planning.clock.advance(601)
    (first,) = await planning.plan(scheduled)
    assert (first.trigger, first.status, first.cronjob_execution_id) == ("scheduled", "queued", None)
    assert first.due_at == CREATED_AT + timedelta(days=1, minutes=10)
    planning.add_run("real")
    await planning.clock.advance(600)
    backups = await planning.plan(scheduled)
    assert [backup.cronjob_execution_id for backup in backups if backup != first] == ["real"]


async def test_a_claim_is_backed_up_by_its_own_schedule_without_a_run(planning: Planning) -> None:
    claim = PolicyClaim(
        cluster="c", namespace="n", claim="data", uid="v", resource_version="1", created_at=None, policy=""
    )
    policy = msgspec.structs.replace(POLICY, schedule="0 3 * * *")
    assert await planning.plan(policy, claim) == []
    await planning.clock.advance(3 * 3600)
    (first,) = await planning.plan(policy, claim)
    assert (first.cronjob, first.cronjob_id, first.cronjob_execution_id) == ("pvc/data", "v", None)
    assert (first.trigger, first.status) == ("scheduled", "queued")
    assert first.due_at == CREATED_AT + timedelta(days=1, hours=3)
    assert await planning.plan(policy, claim) == [first]
    await planning.clock.advance(3 * 86400 + 3600)  # after downtime the newest slot alone is caught up
    backups = await planning.plan(policy, claim)
    assert [backup.trigger for backup in backups if backup != first] == ["catch-up"]


async def test_a_run_of_before_waits_until_its_storage_was_compared_and_later_ones_do_not(
    planning: Planning,
) -> None:
    """Its backup may be in the repository, of another daemon or of records that are lost."""
    await planning.plan()
    planning.add_run("before")
    await planning.clock.advance(60)
    planning.begin_to_act()
    assert await planning.plan() == []
    await planning.clock.advance(1)
    planning.add_run("after")
    (backup,) = await planning.plan()
    assert backup.cronjob_execution_id == "after"
    planning.comparisons.mark_compared(planning.storages["s"])
    assert {each.cronjob_execution_id for each in await planning.plan()} == {"before", "after"}


async def test_a_backup_that_the_comparison_has_found_is_not_made_again(planning: Planning) -> None:
    await planning.plan()
    planning.add_run("before")
    await planning.clock.advance(60)
    planning.begin_to_act()
    assert await planning.plan() == []
    backup_id = backup_id_for(cluster="c", cronjob_id="u", policy_id="p", key="before")
    planning.history.backups.put(
        make_backup(id=backup_id, cluster="c", cronjob_id="u", policy_id="p", created_at=planning.clock.now())
    )
    planning.comparisons.mark_compared(planning.storages["s"])
    assert [each.id for each in await planning.plan()] == [backup_id]


async def test_a_slot_of_before_waits_too(planning: Planning) -> None:
    policy = msgspec.structs.replace(POLICY, schedule="0 2 * * *")
    await planning.plan(policy)
    await planning.clock.advance(86_400)
    planning.begin_to_act()
    assert await planning.plan(policy) == []
    planning.comparisons.mark_compared(planning.storages["s"])
    (backup,) = await planning.plan(policy)
    assert backup.trigger == "catch-up"


@pytest.mark.parametrize(
    ("storage", "waits"),
    [
        (None, True),
        (vault(id="s", status=StorageStatus.CREATING), True),
        (vault(id="s", status=StorageStatus.FAILED), False),
        (vault(id="s", status=StorageStatus.DELETING), False),
    ],
)
async def test_a_run_of_before_waits_for_a_storage_that_may_come_and_no_longer_than_half_an_hour(
    planning: Planning, storage: BackupStorage | None, *, waits: bool
) -> None:
    await planning.plan()
    planning.add_run("before")
    await planning.clock.advance(60)
    planning.begin_to_act()
    del planning.storages["s"]
    if storage is not None:
        planning.storages["s"] = storage
    assert (await planning.plan() == []) is waits
    await planning.clock.advance(1800)
    assert len(await planning.plan()) == 1


async def test_a_storage_that_cannot_be_compared_keeps_no_run_waiting(planning: Planning) -> None:
    await planning.plan()
    planning.add_run("before")
    await planning.clock.advance(60)
    planning.begin_to_act()
    planning.comparisons.mark_failed(planning.storages["s"])
    assert len(await planning.plan()) == 1
