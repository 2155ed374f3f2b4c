"""Backups that have not ended while their cluster, or its claims, are not listed yet, as after a start."""

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests.records import make_backup, make_run
from tests.unit.cronjobs.replay import fake_cluster

from kronkeep_common.errors import CronJobNotFound, Unavailable
from kronkeep_common.models import BackupExecution, BackupPolicy
from kronkeep_common.states import BackupStatus, ExecutionStatus
from kronkeep_daemon.backups.archive_inputs import ArchiveInputsResolver
from kronkeep_daemon.backups.archiver import Archiver
from kronkeep_daemon.backups.backup_records import BackupRecords
from kronkeep_daemon.backups.planner import BackupPlanner
from kronkeep_daemon.backups.policy_lookup import PolicyLookup
from kronkeep_daemon.cronjobs import CronJobService
from kronkeep_daemon.cronjobs.run_recorder import RunRecorder
from kronkeep_daemon.events import Bus
from kronkeep_daemon.history import History
from kronkeep_daemon.kube.clusters import Clusters
from kronkeep_daemon.kube.objects import CronJobRef
from kronkeep_daemon.kube.watch import WatchState
from kronkeep_daemon.settings import Settings
from kronkeep_daemon.supervisor import Supervisor
from kronkeep_daemon.testing import FakeClock

NOTHING: Any = None
LISTED = "listed"
SLOW = "slow"
POLICY = BackupPolicy(id="p", storage_id="s")


class Leads:
    """This daemon acts on both clusters."""

    def leads(self, _cluster: str) -> bool:
        return True

    def led_clusters(self) -> frozenset[str]:
        return frozenset({LISTED, SLOW})


class Watch:
    """The watch of the claims."""

    def __init__(self, clock: FakeClock) -> None:
        self.state = WatchState(name="claims", status="starting", since=clock.now())


class Scene:
    """Two clusters, of which one was listed except for its claims, and a planner with a real archiver."""

    def __init__(self, history: History, clock: FakeClock) -> None:
        self.history = history
        bus = Bus()
        both = [fake_cluster(LISTED), fake_cluster(SLOW)]
        self.recorders = {}
        self.claims = Watch(clock)
        for cluster in both:
            cluster.fault = None
            recorder = RunRecorder(cluster=cluster, history=history, bus=bus, clock=clock)
            recorder.watches._claim_watches = [self.claims]  # type: ignore[list-item]  # noqa: SLF001
            self.recorders[cluster.id] = recorder
        self.recorders[LISTED].synced.set()
        clusters = Clusters(both)
        self.cronjobs = CronJobService(
            clusters=clusters,
            recorders=self.recorders,
            leads=Leads(),  # type: ignore[arg-type]
            history=history,
            bus=bus,
            clock=clock,
            settings=Settings,
        )
        self.records = BackupRecords(history, bus, clusters)
        self.supervisor = Supervisor(clock)
        archiver = Archiver(
            inputs=ArchiveInputsResolver(cronjobs=self.cronjobs, storages=NOTHING, history=history),
            attempts=NOTHING,
            records=self.records,
            hooks=NOTHING,
            volume_copies=NOTHING,
            repository_jobs=NOTHING,
            lock_removal=NOTHING,
            reconciliation=NOTHING,
            clock=clock,
        )
        self.archiver = archiver
        self.planner = BackupPlanner(
            cronjobs=self.cronjobs,
            policies=PolicyLookup(self.cronjobs),
            records=self.records,
            first_comparisons=NOTHING,
            archiver=archiver,
            history=history,
            bus=bus,
            clock=clock,
            settings=Settings,
            supervisor=self.supervisor,
        )

    async def record(self, status: BackupStatus, **fields: Any) -> BackupExecution:
        backup = make_backup(
            id=f"b-{status}",
            status=status,
            cronjob_execution_id="r",
            deadline_at=self.history_time() + timedelta(days=1),
            policy=POLICY,
            **fields,
        )
        await self.records.put(None, backup)
        return self.records.get(backup.id)

    def history_time(self) -> Any:
        return make_backup().created_at

    async def pass_once(self) -> None:
        await self.planner._plan()  # noqa: SLF001
        for name in self.supervisor.names():
            await self.supervisor._tasks[name]  # noqa: SLF001


@pytest.fixture
async def scene(tmp_path: Path) -> AsyncIterator[Scene]:
    clock = FakeClock(make_backup().created_at)
    history = await History.open(tmp_path, clock=clock)
    history.executions.put(make_run(id="r", cluster=SLOW, status=ExecutionStatus.RUNNING))
    yield Scene(history, clock)
    await history.close()


@pytest.mark.parametrize("status", [BackupStatus.WAITING, BackupStatus.QUEUED, BackupStatus.RUNNING])
async def test_a_backup_on_a_cluster_that_is_not_listed_yet_is_left_as_it_is(
    scene: Scene, status: BackupStatus
) -> None:
    backup = await scene.record(status, cluster=SLOW)
    await scene.pass_once()
    assert scene.records.get(backup.id) == backup
    await scene.archiver.run(backup.id)
    assert scene.records.get(backup.id) == backup


@pytest.mark.parametrize("status", [BackupStatus.QUEUED, BackupStatus.RUNNING])
async def test_a_backup_of_a_claim_is_left_as_it_is_until_the_claims_are_listed(
    scene: Scene, status: BackupStatus
) -> None:
    backup = await scene.record(status, cluster=LISTED, cronjob="pvc/data")
    ref = CronJobRef(LISTED, "n", "pvc/data")
    with pytest.raises(Unavailable):
        scene.cronjobs.find_subject(ref)
    await scene.pass_once()
    assert scene.records.get(backup.id) == backup
    scene.claims.state = msgspec.structs.replace(scene.claims.state, status="live")
    with pytest.raises(CronJobNotFound):
        scene.cronjobs.find_subject(ref)
    await scene.pass_once()
    assert scene.records.get(backup.id).status is BackupStatus.FAILED


async def test_a_backup_of_a_cronjob_that_a_listed_cluster_lacks_ends(scene: Scene) -> None:
    backup = await scene.record(BackupStatus.QUEUED, cluster=LISTED)
    await scene.pass_once()
    assert scene.records.get(backup.id).reason == "CronJobNotFound"
