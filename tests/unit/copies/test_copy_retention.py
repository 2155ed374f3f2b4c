"""Retention of copies: what fails stays due, and copies of policies without a CronJob have theirs."""

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import msgspec
import pytest
from tests.records import make_backup

from kronkeep_common.errors import StorageFailed
from kronkeep_common.models import BackupPolicy, PolicyCopy, Retention, RetentionPlan
from kronkeep_common.models.retention import SnapshotVerdict
from kronkeep_common.states import BackupStatus, CopyStatus
from kronkeep_daemon.backups import policy_annotations
from kronkeep_daemon.backups.policy_annotations import PolicyCarrier
from kronkeep_daemon.backups.waiting_retention import RETRY_SECONDS
from kronkeep_daemon.copies.copy_records import new_copy
from kronkeep_daemon.copies.copy_retention import CopyRetention
from kronkeep_daemon.events import Bus, CopyChanged
from kronkeep_daemon.kube.objects import CronJobMeta, CronJobObject
from kronkeep_daemon.settings import ArchiveSettings, Settings
from kronkeep_daemon.supervisor import Supervisor
from kronkeep_daemon.testing import FakeClock, settle

POLICY = BackupPolicy(id="p", storage_id="first", copies=(PolicyCopy(storage_id="second"),))


class Leads:
    """This daemon acts everywhere."""

    def leads(self, _cluster: str) -> bool:
        return True


class CronJobs:
    """One CronJob with the policy, on a cluster on which this daemon acts."""

    def __init__(self) -> None:
        meta = CronJobMeta(
            name="j", namespace="n", uid="u", annotations=policy_annotations.annotations_of(POLICY)
        )
        self.cronjob = msgspec.structs.replace(CronJobObject(), metadata=meta, cluster="c")
        self.leads = Leads()
        self.clusters = self

    def find_subject(self, _ref: Any) -> CronJobObject:
        return self.cronjob

    async def carriers_led_here(self) -> AsyncIterator[CronJobObject]:
        return
        yield

    def clock_fault(self, _cluster: str) -> None:
        return None


class Orphans:
    """One policy without a CronJob."""

    async def carriers(self) -> list[PolicyCarrier]:
        return [PolicyCarrier(cluster="c", namespace="n", cronjob="gone", policy=POLICY)]


class TriedRetention(CopyRetention):
    """Retention of copies that finds one snapshot too many and fails as often as it is told."""

    faults = 0
    tried: tuple[str, ...] = ()

    def preview(
        self, carrier: PolicyCarrier, storage_id: str, *, just_made: str | None = None
    ) -> RetentionPlan:
        verdict = SnapshotVerdict(
            backup_id="b0",
            snapshot_id="0" * 64,
            created_at=self._clock.now(),
            status=BackupStatus.SUCCEEDED,
            why="no rule keeps it",
        )
        return RetentionPlan(
            policy_id=f"{carrier.cronjob}/{storage_id}/{just_made}",
            computed_at=self._clock.now(),
            retention=Retention(),
            remove=(verdict,),
            token="t",
        )

    async def carry_out(self, carrier: PolicyCarrier, plan: RetentionPlan, storage_id: str) -> None:
        self.tried = (*self.tried, plan.policy_id)
        if self.faults:
            self.faults -= 1
            raise StorageFailed("It is locked.")


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


def make_retention(clock: FakeClock, bus: Bus, *, for_orphans: bool = False) -> TriedRetention:
    cronjobs: Any = CronJobs()
    nothing: Any = None

    def settings() -> Settings:
        return Settings(archive=ArchiveSettings(apply_orphans_retention=for_orphans))

    return TriedRetention(
        cronjobs=cronjobs,
        policies=nothing,
        records=nothing,
        backups=nothing,
        reconciliation=nothing,
        storages=nothing,
        orphans=Orphans(),  # type: ignore[arg-type]
        index=nothing,
        maintenance=nothing,
        queues=nothing,
        bus=bus,
        clock=clock,
        settings=settings,
        supervisor=Supervisor(clock),
    )


async def test_what_fails_after_a_copy_is_tried_again_until_it_is_done(clock: FakeClock) -> None:
    bus = Bus()
    retention = make_retention(clock, bus)
    retention.faults = 2
    copy = new_copy(make_backup(id="b1", cluster="c"), "second", "after-backup", clock.now())
    running = msgspec.structs.replace(copy, status=CopyStatus.RUNNING)
    bus.publish(CopyChanged(running, msgspec.structs.replace(copy, status=CopyStatus.SUCCEEDED)))
    await settle()
    assert retention.tried == ("j/second/b1",)
    await retention.apply_waiting()
    assert len(retention.tried) == 1  # not before its pause is over
    for tries in (2, 3):
        await clock.advance(2 * RETRY_SECONDS)
        await retention.apply_waiting()
        assert retention.tried == ("j/second/b1",) * tries
    await clock.advance(7200)
    await retention.apply_waiting()
    assert len(retention.tried) == 3  # it is done


@pytest.mark.parametrize("is_on", [False, True])
async def test_copies_of_a_policy_without_a_cronjob_have_their_retention_where_the_settings_say_so(
    clock: FakeClock, is_on: bool
) -> None:
    retention = make_retention(clock, Bus(), for_orphans=is_on)
    await retention.run_pass(clock.now() + timedelta(seconds=1))
    assert retention.tried == (("gone/second/None",) if is_on else ())
