"""When retention is applied after a backup."""

import asyncio
from typing import Any

import msgspec
import pytest
from tests.records import make_backup
from tests.waiting import LONGEST_WAIT

from kronkeep_common.clock import SystemClock
from kronkeep_common.errors import CronJobNotFound, NotAllowedNow
from kronkeep_common.models import BackupExecution, BackupPolicy
from kronkeep_common.states import BackupStatus
from kronkeep_daemon.backups.policy_annotations import PolicyCarrier
from kronkeep_daemon.backups.retention_service import RetentionService
from kronkeep_daemon.events import BackupChanged, Bus
from kronkeep_daemon.kube.cluster_clock import ClusterClock
from kronkeep_daemon.kube.clusters import Clusters
from kronkeep_daemon.settings import Settings
from kronkeep_daemon.supervisor import Supervisor
from kronkeep_daemon.testing import FakeClock, settle

RUNNING = make_backup(
    status=BackupStatus.RUNNING,
)
SUCCEEDED = msgspec.structs.replace(RUNNING, status=BackupStatus.SUCCEEDED)


class CronJobs:
    """CronJobs that note which one was looked up, and have none."""

    def __init__(self) -> None:
        self.refs: list[str] = []
        self.clusters: Clusters

    def find_subject(self, ref: Any) -> Any:
        self.refs.append(str(ref))
        raise CronJobNotFound("There is none.")


@pytest.mark.parametrize(
    ("old", "new", "applied"),
    [
        (RUNNING, SUCCEEDED, ["n/j"]),
        (SUCCEEDED, msgspec.structs.replace(SUCCEEDED, pinned=True), []),
        (RUNNING, msgspec.structs.replace(RUNNING, status=BackupStatus.PARTIAL), []),
        (RUNNING, msgspec.structs.replace(RUNNING, status=BackupStatus.FAILED), []),
        (None, SUCCEEDED, []),
    ],
)
async def test_retention_follows_the_success_of_a_backup_once(
    old: BackupExecution | None, new: BackupExecution, applied: list[str]
) -> None:
    cronjobs = CronJobs()
    bus = Bus()
    supervisor = Supervisor(SystemClock())
    nothing: Any = None
    RetentionService(
        cronjobs=cronjobs,  # type: ignore[arg-type]
        policies=nothing,
        records=nothing,
        index=nothing,
        storages=nothing,
        upkeep=nothing,
        maintenance=nothing,
        reconciliation=nothing,
        orphans=nothing,
        queues=nothing,
        bus=bus,
        clock=SystemClock(),
        settings=Settings,
        supervisor=supervisor,
    )
    bus.publish(BackupChanged(old, new))
    await settle()
    assert cronjobs.refs == applied
    await asyncio.wait_for(supervisor.close(), LONGEST_WAIT)


class SlowCluster:
    """A cluster whose clock is 400 days behind the machine's."""

    id = "c"
    name = "prod"

    def __init__(self, machine: FakeClock) -> None:
        self.clock = ClusterClock(machine)
        self.clock.observe(machine.now(), 0.0, 0.0)
        machine.jump(400 * 86400 + 1)


async def test_nothing_is_forgotten_while_clocks_disagree() -> None:
    clock = FakeClock()
    cronjobs = CronJobs()
    cronjobs.clusters = Clusters([SlowCluster(clock)])  # type: ignore[list-item]
    nothing: Any = None
    service = RetentionService(
        cronjobs=cronjobs,  # type: ignore[arg-type]
        policies=nothing,
        records=nothing,
        index=nothing,
        storages=nothing,
        upkeep=nothing,
        maintenance=nothing,
        reconciliation=nothing,
        orphans=nothing,
        queues=nothing,
        bus=Bus(),
        clock=clock,
        settings=Settings,
        supervisor=nothing,
    )
    carrier = PolicyCarrier(
        cluster="c", namespace="n", cronjob="j", policy=BackupPolicy(id="p", storage_id="s")
    )
    for refused in (service.apply(carrier), service.approve(carrier, "token")):
        with pytest.raises(NotAllowedNow, match="400d00h ahead of the cluster's") as failure:
            await refused
        assert "time synchronisation" in failure.value.next_step
