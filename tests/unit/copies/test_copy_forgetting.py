"""What retention of copies forgets after a wait: what the records and the rules say then."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest
from tests.records import make_backup, vault
from tests.unit.trusted_clusters import Clusters

from kronkeep_common import object_keys
from kronkeep_common.clock import SystemClock
from kronkeep_common.models import BackupExecution, BackupPolicy, BackupResult, PolicyCopy, Retention
from kronkeep_common.models.storage_move import LayoutMove
from kronkeep_common.states import CopyStatus, MoveState
from kronkeep_daemon.backups import policy_annotations
from kronkeep_daemon.backups.backup_records import BackupRecords
from kronkeep_daemon.backups.policy_lookup import PolicyLookup
from kronkeep_daemon.copies import copy_retention
from kronkeep_daemon.copies.copy_reconciliation import CopyReconciliation
from kronkeep_daemon.copies.copy_records import CopyRecords, new_copy
from kronkeep_daemon.copies.copy_retention import CopyRetention
from kronkeep_daemon.events import Bus
from kronkeep_daemon.history import History
from kronkeep_daemon.kube.objects import CronJobMeta, CronJobObject
from kronkeep_daemon.repositories.queue import RepositoryQueues
from kronkeep_daemon.repositories.repository import repository_of_copy
from kronkeep_daemon.repositories.repository_index import RepositoryIndex
from kronkeep_daemon.restic.snapshots import ListedSnapshot
from kronkeep_daemon.settings import Settings
from kronkeep_daemon.supervisor import Supervisor
from kronkeep_daemon.testing import FakeClock, settle

BACKUPS = 10
NOTHING: Any = None


class Leads:
    """This daemon acts everywhere."""

    def leads(self, _cluster: str) -> bool:
        return True


class CronJobs:
    """One CronJob, on a cluster on which this daemon acts."""

    def __init__(self) -> None:
        self.clusters = Clusters()
        self.leads = Leads()
        self.annotations: dict[str, str] = {}

    def find_subject(self, _ref: Any) -> CronJobObject:
        meta = CronJobMeta(name="j", namespace="n", uid="u", annotations=self.annotations)
        return msgspec.structs.replace(CronJobObject(), metadata=meta, cluster="c")

    async def carriers_led_here(self) -> AsyncIterator[CronJobObject]:
        yield self.find_subject(None)


class Storages:
    """Active storages, of which none, or all, are moved to another layout."""

    def __init__(self) -> None:
        self.move: LayoutMove | None = None

    def get(self, name: str) -> Any:
        return vault(id=name, move=self.move)

    def require_active(self, name: str) -> Any:
        return self.get(name)


class Repository:
    """The repository of the copies: its lists, and the Jobs that forget its snapshots."""

    def __init__(self) -> None:
        self.snapshots: list[ListedSnapshot] = []
        self.meanwhile: Callable[[], Awaitable[object]] | None = None

    async def run_and_list(self, *_: object) -> Any:
        return SimpleNamespace(snapshots=list(self.snapshots))

    async def run(self, _role: str, steps: Any, *_: object) -> None:
        ((_, argv),) = steps
        self.snapshots = [each for each in self.snapshots if each.id not in argv]
        if self.meanwhile is not None:
            await self.meanwhile()

    def backups(self) -> set[str]:
        return {each.backup for each in self.snapshots}


class Scene:
    """A policy with a copy that keeps nine of its ten backups."""

    def __init__(self, history: History) -> None:
        clock = FakeClock()
        clusters: Any = Clusters()
        self.cronjobs = CronJobs()
        cronjobs: Any = self.cronjobs
        bus = Bus()
        self.clock = clock
        self.backups = BackupRecords(history, bus, clusters)
        self.copies = CopyRecords(history, bus, clock)
        self.storages = Storages()
        self.repository = Repository()
        self.queues = RepositoryQueues(clock=clock, settings=Settings)
        self.retention = CopyRetention(
            cronjobs=cronjobs,
            policies=PolicyLookup(cronjobs),
            records=self.copies,
            backups=self.backups,
            reconciliation=CopyReconciliation(records=self.copies, history=history, clock=clock),
            storages=self.storages,  # type: ignore[arg-type]
            orphans=NOTHING,
            index=RepositoryIndex(history, clock, bus),
            maintenance=self.repository,  # type: ignore[arg-type]
            queues=self.queues,
            bus=bus,
            clock=clock,
            settings=Settings,
            supervisor=Supervisor(clock),
        )
        self.keep(BACKUPS - 1)

    def keep(self, count: int) -> None:
        """Let the CronJob carry the policy whose copy keeps so many backups."""
        copy = PolicyCopy(storage_id="second", retention=Retention(keep_last=count))
        policy = BackupPolicy(id="p", storage_id="s", copies=(copy,), retention=Retention(keep_last=99))
        self.cronjobs.annotations = policy_annotations.annotations_of(policy)

    async def record(self) -> None:
        for number in range(1, BACKUPS + 1):
            backup = await self.record_backup(number)
            copied = msgspec.structs.replace(
                new_copy(backup, "second", "after-backup", backup.created_at),
                status=CopyStatus.SUCCEEDED,
                ended_at=backup.created_at,
                snapshot_id=f"{number:064x}",
            )
            await self.copies.put(None, copied)
            tags = ("policy=p", f"backup={backup.id}")
            self.repository.snapshots.append(ListedSnapshot(id=f"{number:064x}", tags=tags))

    async def record_backup(self, number: int, **fields: Any) -> BackupExecution:
        result = BackupResult(snapshot_id=f"{number:08x}")
        await self.backups.put(None, make_backup(id=f"b{number}", result=result, **fields))
        return self.backups.get(f"b{number}")

    def repository_id(self) -> str:
        """Return the id of the one repository that has the copies."""
        copy = self.copies.find("b1", "second")
        assert copy is not None
        return repository_of_copy(self.backups.get("b1"), copy, self.storages.get("second")).id

    async def apply(self) -> None:
        """Apply retention to the copy as the schedule does."""
        await self.retention.run_pass(self.clock.now() + timedelta(seconds=1))

    async def change_rules(self) -> None:
        self.keep(BACKUPS)

    async def break_policy(self) -> None:
        self.cronjobs.annotations = {object_keys.POLICY: "{broken"}

    async def make_unusual_backup(self) -> None:
        await self.record_backup(BACKUPS + 1, unusual=("It is empty.",))

    async def move_storage(self) -> None:
        self.storages.move = LayoutMove(
            layout="namespace", from_layout="shared", state=MoveState.COPYING, created_at=self.clock.now()
        )

    async def pin_first(self) -> None:
        await self.backups.change("b1", pinned=True)


@pytest.fixture
async def scene(tmp_path: Path) -> AsyncIterator[Scene]:
    history = await History.open(tmp_path, clock=SystemClock())
    scene = Scene(history)
    await scene.record()
    yield scene
    await history.close()


async def test_what_no_rule_of_the_copy_keeps_goes(scene: Scene) -> None:
    await scene.apply()
    assert len(scene.repository.backups()) == BACKUPS - 1
    assert "b1" not in scene.repository.backups()


@pytest.mark.parametrize(
    "happen",
    [
        Scene.change_rules,
        Scene.break_policy,
        Scene.make_unusual_backup,
        Scene.move_storage,
        Scene.pin_first,
    ],
)
async def test_nothing_goes_by_what_was_so_before_a_wait(
    scene: Scene, happen: Callable[[Scene], Awaitable[None]]
) -> None:
    """A check may hold the repository for hours."""
    async with scene.queues.hold_exclusively(scene.repository_id(), "check"):
        applying = asyncio.ensure_future(scene.apply())
        await settle()
        assert not applying.done()
        await happen(scene)
    await applying
    assert len(scene.repository.backups()) == BACKUPS


async def test_what_is_pinned_while_a_job_forgets_others_stays(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(copy_retention, "IDS_PER_COMMAND", 1)
    scene.keep(BACKUPS - 2)
    scene.repository.meanwhile = scene.pin_first
    await scene.apply()
    assert len(scene.repository.backups()) == BACKUPS - 1
    assert "b1" in scene.repository.backups()
