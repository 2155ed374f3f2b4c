"""What retention records and removes, and when: before each forget the repository is listed."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests.records import make_backup, vault
from tests.unit.trusted_clusters import Clusters
from tests.waiting import eventually

from kronkeep_common import object_keys
from kronkeep_common.clock import SystemClock
from kronkeep_common.errors import (
    CronJobNotFound,
    KronkeepError,
    NotAllowedNow,
    StorageFailed,
    StorageNotFound,
    Unavailable,
)
from kronkeep_common.models import BackupExecution, BackupPolicy, BackupResult, Retention
from kronkeep_common.models.storage_move import LayoutMove
from kronkeep_common.states import BackupStatus, MoveState
from kronkeep_daemon.backups import policy_annotations, retention_service
from kronkeep_daemon.backups.backup_records import BackupRecords
from kronkeep_daemon.backups.policy_annotations import PolicyCarrier
from kronkeep_daemon.backups.policy_lookup import PolicyLookup
from kronkeep_daemon.backups.retention_service import RetentionService
from kronkeep_daemon.events import BackupChanged, Bus
from kronkeep_daemon.history import History
from kronkeep_daemon.kube.objects import CronJobMeta, CronJobObject, CronJobRef
from kronkeep_daemon.repositories import reconciliation
from kronkeep_daemon.repositories.queue import RepositoryQueues
from kronkeep_daemon.repositories.repository_index import RepositoryIndex
from kronkeep_daemon.restic.snapshots import ListedSnapshot
from kronkeep_daemon.settings import ArchiveSettings, Settings
from kronkeep_daemon.supervisor import Supervisor
from kronkeep_daemon.testing import FakeClock, settle


class Leads:
    """The Lease of the cluster, which this daemon holds or does not."""

    def __init__(self) -> None:
        self.is_ours = True

    def leads(self, _cluster: str) -> bool:
        return self.is_ours

    async def wait_until_leading(self) -> None:
        assert self.is_ours


class CronJobs:
    """The CronJobs of these clusters: one, where it was given."""

    clusters = Clusters()

    def __init__(self) -> None:
        self.leads = Leads()
        self.is_listed = True
        self.given: CronJobObject | None = None

    async def wait_until_one_synced(self) -> None:
        return

    async def carriers_led_here(self) -> AsyncIterator[Any]:
        return
        yield

    def find_subject(self, _ref: CronJobRef) -> CronJobObject:
        if not self.is_listed:
            raise Unavailable("The CronJobs are not listed yet.")
        if self.given is None:
            raise CronJobNotFound("There is none.")
        return self.given


class Orphans:
    """One policy whose CronJob is gone."""

    def __init__(self, carrier: PolicyCarrier) -> None:
        self._carrier = carrier

    async def carriers(self) -> list[PolicyCarrier]:
        return [self._carrier]


class Storages:
    """Two storages, of which none, or each, is moved to another layout."""

    move: LayoutMove | None = None

    def get(self, name: str) -> Any:
        if name == "gone":
            raise StorageNotFound("There is none.")
        return vault(id=name, move=self.move)

    def require_active(self, name: str) -> Any:
        return self.get(name)

    def find(self, name: str) -> Any:
        return None if name == "gone" else vault(id=name)

    def list(self) -> list[Any]:
        return []


class Repository:
    """A repository, its lists, and the Jobs that forget its snapshots."""

    def __init__(self, records: BackupRecords, snapshots: list[ListedSnapshot]) -> None:
        self.snapshots = snapshots
        self.is_away = False
        self.jobs: list[str] = []
        self.meanwhile: Callable[[], Awaitable[object]] | None = None
        self.recorded_before: list[bool] = []
        self._records = records

    async def list_and_apply(self, repository: Any) -> Any:
        if repository.storage.id != "s":
            return {}
        listed = reconciliation.group_by_backup(self.snapshots)
        for backup in [self._records.get(backup_id) for backup_id in listed]:
            await self._records.set_missing(backup.id, None)
        return listed

    async def run(self, role: str, steps: Any, _repository: Any, _seconds: float) -> None:
        self.jobs.append(role)
        ((_, argv),) = steps
        ids = set(argv[2:])
        owners = {each.backup for each in self.snapshots if each.id in ids}
        self.recorded_before += [self._records.get(owner).forget_began_at is not None for owner in owners]
        if self.is_away:
            raise StorageFailed("It is away.")
        self.snapshots = [each for each in self.snapshots if each.id not in ids]
        if self.meanwhile is not None:
            await self.meanwhile()


class Scene:
    """A policy that keeps one of two backups; the older one has a snapshot of a lost attempt, too."""

    def __init__(self, history: History) -> None:
        self.clock = FakeClock()
        self.bus = Bus()
        self.cronjobs = CronJobs()
        self.supervisor = Supervisor(self.clock)
        clusters: Any = Clusters()
        nothing: Any = None
        self.archive = ArchiveSettings()
        self.records = BackupRecords(history, self.bus, clusters)
        self.carrier = PolicyCarrier(
            cluster="c",
            namespace="n",
            cronjob="j",
            policy=BackupPolicy(id="p", storage_id="s", retention=Retention(keep_last=1)),
        )
        self.repository = Repository(self.records, [snapshot(1, "b1"), snapshot(9, "b1"), snapshot(2, "b2")])
        self.queues = RepositoryQueues(clock=self.clock, settings=self.read_settings)
        self.storages = Storages()
        self.service = RetentionService(
            cronjobs=self.cronjobs,  # type: ignore[arg-type]
            policies=PolicyLookup(self.cronjobs),  # type: ignore[arg-type]
            records=self.records,
            index=RepositoryIndex(history, self.clock, Bus()),
            storages=self.storages,  # type: ignore[arg-type]
            upkeep=nothing,
            maintenance=self.repository,  # type: ignore[arg-type]
            reconciliation=self.repository,  # type: ignore[arg-type]
            orphans=Orphans(self.carrier),  # type: ignore[arg-type]
            queues=self.queues,
            bus=self.bus,
            clock=self.clock,
            settings=self.read_settings,
            supervisor=self.supervisor,
        )

    def read_settings(self) -> Settings:
        return Settings(archive=self.archive)

    async def read_first(self) -> BackupExecution:
        return self.records.get("b1")

    async def wait_until_ended(self, task: str) -> None:
        """Wait until a task of the supervisor has ended."""

        async def is_running() -> bool:
            return self.supervisor.running(task)

        await eventually(is_running, lambda running: not running)

    async def record(self) -> None:
        for number in (1, 2):
            result = BackupResult(snapshot_id=full_id(number)[:8])
            await self.records.put(None, make_backup(id=f"b{number}", result=result))


def full_id(number: int) -> str:
    return f"{number:08x}" * 8


def snapshot(number: int, backup: str) -> ListedSnapshot:
    return ListedSnapshot(id=full_id(number), tags=("policy=p", f"backup={backup}"))


@pytest.fixture
async def scene(tmp_path: Path) -> AsyncIterator[Scene]:
    history = await History.open(tmp_path, clock=SystemClock())
    scene = Scene(history)
    await scene.record()
    yield scene
    await scene.supervisor.close()
    await history.close()


async def test_a_removal_is_recorded_before_it_begins_and_takes_every_snapshot_of_the_backup(
    scene: Scene,
) -> None:
    await scene.service.apply(scene.carrier)
    assert scene.repository.recorded_before == [True]
    assert [each.backup for each in scene.repository.snapshots] == ["b2"]
    assert scene.records.get("b1").snapshot_removed_at is not None


async def test_a_forget_that_failed_leaves_the_backups_that_are_still_there(scene: Scene) -> None:
    scene.repository.is_away = True
    with pytest.raises(StorageFailed):
        await scene.service.apply(scene.carrier)
    assert scene.records.get("b1").snapshot_removed_at is None
    assert scene.records.get("b1").forget_began_at is None
    scene.repository.is_away = False
    await scene.service.apply(scene.carrier)
    assert scene.records.get("b1").snapshot_removed_at is not None


@pytest.mark.parametrize("applied", [False, True])
async def test_the_retention_of_a_policy_whose_cronjob_is_gone_goes_on_where_that_is_chosen(
    scene: Scene, applied: bool
) -> None:
    scene.archive = ArchiveSettings(apply_orphans_retention=applied)
    await scene.service.run_pass(SystemClock().now() + timedelta(hours=1))
    assert [each.backup for each in scene.repository.snapshots] == (["b2"] if applied else ["b1", "b1", "b2"])


async def test_the_orphans_of_a_cluster_on_which_another_daemon_acts_are_left_to_it(scene: Scene) -> None:
    scene.archive = ArchiveSettings(apply_orphans_retention=True)
    scene.cronjobs.leads.is_ours = False
    await scene.service.run_pass(SystemClock().now() + timedelta(hours=1))
    assert len(scene.repository.snapshots) == 3


def carry_policy(scene: Scene) -> None:
    """Let the CronJob carry the policy."""
    annotations = policy_annotations.annotations_of(scene.carrier.policy)
    meta = CronJobMeta(name="j", namespace="n", uid="u", annotations=annotations)
    scene.cronjobs.given = msgspec.structs.replace(CronJobObject(), metadata=meta, cluster="c")


def hinder(scene: Scene, what: str, *, is_in_the_way: bool) -> None:
    if what == "storage":
        scene.repository.is_away = is_in_the_way
    elif what == "list of CronJobs":
        scene.cronjobs.is_listed = not is_in_the_way
    else:
        scene.cronjobs.leads.is_ours = not is_in_the_way


@pytest.mark.parametrize("what", ["storage", "list of CronJobs", "Lease"])
async def test_retention_after_a_backup_that_something_hinders_follows_when_it_is_gone(
    scene: Scene, what: str
) -> None:
    carry_policy(scene)
    hinder(scene, what, is_in_the_way=True)
    newest = scene.records.get("b2")
    running = msgspec.structs.replace(newest, status=BackupStatus.RUNNING)
    scene.bus.publish(BackupChanged(running, newest))
    await scene.wait_until_ended("retention after backup b2")
    assert scene.records.get("b1").snapshot_removed_at is None
    hinder(scene, what, is_in_the_way=False)
    scene.service.start()
    await settle()
    await scene.clock.advance(90.0)
    await eventually(scene.read_first, lambda backup: backup.snapshot_removed_at is not None)


async def test_an_unusual_backup_holds_what_is_forgotten_until_it_is_acknowledged(scene: Scene) -> None:
    carry_policy(scene)
    unusual = make_backup(
        id="b3", result=BackupResult(snapshot_id=full_id(3)[:8]), unusual=("It has 1 file, where 9 were.",)
    )
    scene.repository.snapshots.append(snapshot(3, "b3"))
    await scene.records.put(make_backup(id="b3", status=BackupStatus.RUNNING), unusual)
    await scene.wait_until_ended("retention after backup b3")
    assert len(scene.repository.snapshots) == 4
    plan = scene.service.preview(scene.carrier)
    assert "It has 1 file" in (plan.held_by or "")
    with pytest.raises(NotAllowedNow, match="unusual"):
        await scene.service.apply(scene.carrier)
    with pytest.raises(NotAllowedNow, match="unusual"):
        await scene.service.approve(scene.carrier, plan.token)
    await scene.records.acknowledge_unusual("u", "anna", scene.clock.now())
    await scene.wait_until_ended("retention after backup b3")
    assert scene.records.get("b3").unusual_acknowledged_by == "anna"
    assert not scene.records.has_unusual("u")
    assert scene.service.preview(scene.carrier).held_by is None


async def test_a_backup_that_turns_out_unusual_while_the_repository_is_busy_stops_forgetting(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = scene.service.check_apply(scene.carrier)
    assert len(plan.remove) == 1
    listed = scene.repository.list_and_apply

    async def record_unusual_meanwhile(repository: Any) -> Any:
        result = BackupResult(snapshot_id="s3")
        await scene.records.put(None, make_backup(id="b3", result=result, unusual=("It is empty.",)))
        return await listed(repository)

    monkeypatch.setattr(scene.repository, "list_and_apply", record_unusual_meanwhile)
    with pytest.raises(NotAllowedNow):
        await scene.service.apply(scene.carrier)
    assert len(scene.repository.snapshots) == 3


async def test_a_backup_whose_hooks_still_run_is_not_forgotten_for_a_newer_one(scene: Scene) -> None:
    ended = scene.records.get("b1")
    running = msgspec.structs.replace(ended, status=BackupStatus.RUNNING, ending=BackupStatus.SUCCEEDED)
    await scene.records.put(ended, running)
    days = Retention(days=3650)
    carrier = scene.carrier._replace(policy=msgspec.structs.replace(scene.carrier.policy, retention=days))
    await scene.service.apply(carrier)
    assert scene.records.get("b1").snapshot_removed_at is None
    assert len(scene.repository.snapshots) == 3


async def test_retention_goes_on_after_the_storage_of_older_backups_was_forgotten(scene: Scene) -> None:
    """What kronkeep does not reach any more it neither keeps nor removes."""
    older = make_backup(id="b0", storage_id="gone", result=BackupResult(snapshot_id=full_id(5)))
    await scene.records.put(older, msgspec.structs.replace(older, pinned=True))
    await scene.service.apply(scene.carrier)
    assert scene.records.get("b1").snapshot_removed_at is not None
    assert scene.records.get("b0").snapshot_removed_at is None


async def test_nothing_is_forgotten_in_one_storage_while_another_lacks_what_is_to_stay(scene: Scene) -> None:
    """As after the policy was given another storage, and that one was emptied."""
    newer = make_backup(id="b3", storage_id="other", result=BackupResult(snapshot_id=full_id(3)))
    await scene.records.put(None, newer)
    policy = msgspec.structs.replace(scene.carrier.policy, retention=Retention(keep_last=2))
    carrier = scene.carrier._replace(policy=policy)
    with pytest.raises(StorageFailed, match="b3"):
        await scene.service.apply(carrier)
    assert len(scene.repository.snapshots) == 3


async def change_rules(scene: Scene) -> None:
    policy = msgspec.structs.replace(scene.carrier.policy, retention=Retention(keep_last=9))
    scene.carrier = scene.carrier._replace(policy=policy)
    carry_policy(scene)


async def break_policy(scene: Scene) -> None:
    meta = CronJobMeta(name="j", namespace="n", uid="u", annotations={object_keys.POLICY: "{broken"})
    scene.cronjobs.given = msgspec.structs.replace(CronJobObject(), metadata=meta, cluster="c")


async def move_storage(scene: Scene) -> None:
    scene.storages.move = LayoutMove(
        layout="namespace", from_layout="shared", state=MoveState.COPYING, created_at=scene.clock.now()
    )


async def pin_first(scene: Scene) -> None:
    await scene.records.change("b1", pinned=True)


@pytest.mark.parametrize("happen", [change_rules, break_policy, move_storage, pin_first])
async def test_rules_that_were_changed_while_the_repository_was_busy_are_those_that_count(
    scene: Scene, happen: Callable[[Scene], Awaitable[None]]
) -> None:
    """A prune may hold it for hours, and somebody who needs the old snapshots changes the rules meanwhile."""
    carry_policy(scene)
    async with scene.queues.hold_exclusively("s", "prune"):
        forgetting = asyncio.ensure_future(scene.service.apply(scene.carrier))
        await settle()
        assert not forgetting.done()
        await happen(scene)
    with suppress(KronkeepError):
        await forgetting
    assert len(scene.repository.snapshots) == 3


async def test_what_is_pinned_while_a_job_forgets_others_stays(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention_service, "IDS_PER_COMMAND", 1)
    for number in range(3, 11):
        await scene.records.put(
            None, make_backup(id=f"b{number}", result=BackupResult(snapshot_id=full_id(number)))
        )
        scene.repository.snapshots.append(snapshot(number, f"b{number}"))
    policy = msgspec.structs.replace(scene.carrier.policy, retention=Retention(keep_last=8))
    scene.repository.meanwhile = partial(pin_first, scene)
    await scene.service.apply(scene.carrier._replace(policy=policy))
    assert scene.repository.jobs == ["forget"]
    assert scene.records.get("b1").snapshot_removed_at is None
    assert scene.records.get("b2").snapshot_removed_at is not None


async def test_nothing_is_pruned_while_a_storage_moves_that_began_to_while_it_was_busy(scene: Scene) -> None:
    async with scene.queues.hold_exclusively("s", "check"):
        pruning = asyncio.ensure_future(scene.service.prune("s"))
        await settle()
        assert not pruning.done()
        await move_storage(scene)
    with pytest.raises(NotAllowedNow, match="being moved"):
        await pruning
    assert scene.repository.jobs == []
