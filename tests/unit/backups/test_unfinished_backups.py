"""What the planner does with backups that have not ended, and with those that have."""

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests.records import make_backup, make_run
from tests.unit.cronjobs.replay import fake_cluster

from kronkeep_common import object_keys
from kronkeep_common.errors import CronJobNotFound, Unavailable
from kronkeep_common.models import BackupExecution, BackupPolicy
from kronkeep_common.reasons import Reason
from kronkeep_common.states import BackupStatus, ExecutionStatus
from kronkeep_daemon.backups import policy_annotations
from kronkeep_daemon.backups.archive_inputs import ArchiveInputsResolver
from kronkeep_daemon.backups.archiver import Archiver
from kronkeep_daemon.backups.backup_records import BackupRecords
from kronkeep_daemon.backups.hook_runner import HookRunner
from kronkeep_daemon.backups.planner import BackupPlanner
from kronkeep_daemon.backups.policy_lookup import PolicyLookup
from kronkeep_daemon.backups.service import BackupService
from kronkeep_daemon.cronjobs import CronJobService
from kronkeep_daemon.cronjobs.run_recorder import RunRecorder
from kronkeep_daemon.events import Bus
from kronkeep_daemon.history import History
from kronkeep_daemon.kube.clusters import Clusters
from kronkeep_daemon.kube.objects import CronJobMeta, CronJobObject, CronJobRef
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


class Comparisons:
    """No storage was compared yet, so nothing new is planned."""

    def may_have_backup(self, *_: object) -> bool:
        return True


class Watch:
    """The watch of the claims."""

    def __init__(self) -> None:
        self.is_listed = False

    def awaits_first_list(self) -> bool:
        return not self.is_listed


class Scene:
    """Two clusters, of which one was listed except for its claims, and a planner with a real archiver."""

    def __init__(self, history: History, clock: FakeClock) -> None:
        self.history = history
        self.clock = clock
        bus = Bus()
        both = [fake_cluster(LISTED), fake_cluster(SLOW)]
        self.recorders = {}
        self.claims = Watch()
        for cluster in both:
            cluster.fault = None
            recorder = RunRecorder(cluster=cluster, history=history, bus=bus, clock=clock)
            recorder.watches._claim_watches = [self.claims]  # type: ignore[list-item]
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
            hooks=HookRunner(
                records=self.records,
                logs=NOTHING,
                repository_jobs=NOTHING,
                runners=NOTHING,
                queues=NOTHING,
                clock=clock,
                settings=Settings,
            ),
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
            first_comparisons=Comparisons(),  # type: ignore[arg-type]
            archiver=archiver,
            history=history,
            bus=bus,
            clock=clock,
            settings=Settings,
            supervisor=self.supervisor,
        )

        self.backups = BackupService(
            cronjobs=self.cronjobs, records=self.records, planner=self.planner, history=history, clock=clock
        )

    async def record(self, status: BackupStatus, **fields: Any) -> BackupExecution:
        backup = make_backup(
            id=f"b-{status}",
            status=status,
            cronjob_execution_id="r",
            deadline_at=self.clock.now() + timedelta(days=1),
            policy=POLICY,
            **fields,
        )
        await self.records.put(None, backup)
        return self.records.get(backup.id)

    async def pass_once(self) -> None:
        await self.planner._plan()
        for name in self.supervisor.names():
            await self.supervisor._tasks[name]


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
    scene.claims.is_listed = True
    with pytest.raises(CronJobNotFound):
        scene.cronjobs.find_subject(ref)
    await scene.pass_once()
    assert scene.records.get(backup.id).status is BackupStatus.FAILED


async def test_a_backup_of_a_cronjob_that_a_listed_cluster_lacks_ends(scene: Scene) -> None:
    backup = await scene.record(BackupStatus.QUEUED, cluster=LISTED)
    await scene.pass_once()
    assert scene.records.get(backup.id).reason == "CronJobNotFound"


def carry_policy(scene: Scene, policy: BackupPolicy) -> CronJobRef:
    """Let a CronJob of the listed cluster carry a policy."""
    meta = CronJobMeta(
        name="j", namespace="n", uid="u", annotations=policy_annotations.annotations_of(policy)
    )
    cronjob = CronJobObject(metadata=meta, cluster=LISTED)
    scene.recorders[LISTED].cache.update_cronjob("ADDED", cronjob)
    return cronjob.ref


def break_policy(scene: Scene) -> None:
    meta = CronJobMeta(name="j", namespace="n", uid="u", annotations={object_keys.POLICY: "{broken"})
    cronjob = CronJobObject(metadata=meta, cluster=LISTED)
    scene.recorders[LISTED].cache.update_cronjob("MODIFIED", cronjob)


async def test_a_backup_waits_while_its_policy_cannot_be_read_and_goes_on_when_it_is_mended(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A mistake in an annotation deletes nothing, and nothing but this backup would archive the run."""
    scene.history.executions.put(make_run(id="r", cluster=LISTED, ended_at=scene.clock.now()))
    backup = await scene.record(BackupStatus.WAITING, cluster=LISTED)
    carry_policy(scene, msgspec.structs.replace(POLICY, delay_seconds=3600))
    break_policy(scene)
    await scene.pass_once()
    waiting = scene.records.get(backup.id)
    assert (waiting.status, waiting.reason) == (BackupStatus.WAITING, "PolicyInvalid")
    assert "cannot be read" in (waiting.message or "")
    assert waiting.next_step == Reason.POLICY_INVALID.next_step
    carry_policy(scene, msgspec.structs.replace(POLICY, delay_seconds=3600))
    await scene.pass_once()
    mended = scene.records.get(backup.id)
    assert (mended.status, mended.reason, mended.message) == (BackupStatus.WAITING, None, None)
    scene.clock.jump(3601)
    monkeypatch.setattr(scene.planner, "start_archive", lambda _: None)
    await scene.planner._plan()
    assert scene.records.get(backup.id).status is BackupStatus.QUEUED


async def test_a_backup_whose_policy_is_not_mended_by_its_deadline_says_so(scene: Scene) -> None:
    scene.history.executions.put(make_run(id="r", cluster=LISTED, ended_at=scene.clock.now()))
    backup = await scene.record(BackupStatus.WAITING, cluster=LISTED)
    carry_policy(scene, POLICY)
    break_policy(scene)
    scene.clock.jump(86401)
    await scene.pass_once()
    ended = scene.records.get(backup.id)
    assert (ended.status, ended.reason) == (BackupStatus.MISSED, "PolicyInvalid")


async def test_a_backup_whose_policy_was_removed_is_cancelled(scene: Scene) -> None:
    backup = await scene.record(BackupStatus.WAITING, cluster=LISTED)
    scene.recorders[LISTED].cache.update_cronjob(
        "ADDED", CronJobObject(metadata=CronJobMeta(name="j", namespace="n", uid="u"), cluster=LISTED)
    )
    await scene.pass_once()
    ended = scene.records.get(backup.id)
    assert (ended.status, ended.reason) == (BackupStatus.CANCELLED, "PolicyGone")


async def test_a_backup_that_is_cancelled_while_a_pass_looks_at_others_stays_so(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    carry_policy(scene, POLICY)
    scene.history.executions.put(make_run(id="r", cluster=LISTED, ended_at=scene.clock.now()))
    for number in (1, 2):
        waiting = make_backup(
            id=f"b{number}", cluster=LISTED, status=BackupStatus.WAITING, cronjob_execution_id="r"
        )
        await scene.records.put(None, waiting)
    commit = scene.history.commit
    cancelled: list[str] = []

    async def cancel_the_other_meanwhile() -> None:
        if not cancelled:
            left = scene.history.backups.newest(limit=9, status=BackupStatus.WAITING).items
            cancelled.extend(each.id for each in left)
            await scene.backups.cancel(cancelled[0], "anna")
        await commit()

    monkeypatch.setattr(scene.history, "commit", cancel_the_other_meanwhile)
    await scene.pass_once()
    (backup_id,) = cancelled
    assert scene.records.get(backup_id).status is BackupStatus.CANCELLED


async def test_a_backup_whose_jobs_are_being_deleted_for_a_cancellation_is_not_begun_again(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    carry_policy(scene, POLICY)
    backup = await scene.record(BackupStatus.RUNNING, cluster=LISTED)
    begun: list[str] = []

    async def look_at_all_meanwhile(_: BackupExecution) -> None:
        await scene.planner._plan()
        begun.extend(scene.supervisor.names())

    monkeypatch.setattr(scene.archiver, "remove_jobs", look_at_all_meanwhile)
    cancelled = await scene.backups.cancel(backup.id, "anna")
    assert (cancelled.status, begun) == (BackupStatus.CANCELLED, [])


async def test_a_key_of_a_backup_that_has_ended_archives_nothing_again(scene: Scene) -> None:
    ref = carry_policy(scene, POLICY)
    first = await scene.backups.back_up_now(ref, {}, key="nightly")
    await scene.supervisor.close()
    good = msgspec.structs.replace(scene.records.get(first.id), status=BackupStatus.SUCCEEDED)
    await scene.records.put(first, good)
    assert await scene.backups.back_up_now(ref, {}, key="nightly") == good
    assert scene.supervisor.names() == []


async def test_a_pin_that_comes_while_an_end_is_judged_is_kept(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    backup = await scene.record(BackupStatus.QUEUED, cluster=LISTED)
    judge = scene.records.with_unusual_words

    async def pin_meanwhile(ended: BackupExecution) -> BackupExecution:
        await scene.records.change(backup.id, pinned=True)
        return await judge(ended)

    monkeypatch.setattr(scene.records, "with_unusual_words", pin_meanwhile)
    await scene.archiver.run(backup.id)
    ended = scene.records.get(backup.id)
    assert (ended.status, ended.pinned) == (BackupStatus.FAILED, True)
