"""What a daemon records that begins to act where another one has acted before."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests.records import make_backup, vault
from tests.unit.repositories.completed_jobs import Jobs

from kronkeep_common.clock import SystemClock
from kronkeep_common.models import BackupResult, BackupStorage
from kronkeep_common.states import BackupStatus
from kronkeep_daemon.backups.backup_records import BackupRecords
from kronkeep_daemon.backups.first_comparisons import FirstComparisons
from kronkeep_daemon.backups.snapshot_reconciliation import INTERVAL, SnapshotReconciliation
from kronkeep_daemon.events import ActingChanged, Bus, StorageChanged
from kronkeep_daemon.history import History
from kronkeep_daemon.repositories.maintenance import RepositoryMaintenance
from kronkeep_daemon.repositories.queue import RepositoryQueues
from kronkeep_daemon.repositories.repository import Repository
from kronkeep_daemon.repositories.repository_index import RepositoryIndex
from kronkeep_daemon.restic.snapshots import SnapshotTags
from kronkeep_daemon.settings import Settings
from kronkeep_daemon.supervisor import Supervisor
from kronkeep_daemon.testing import FakeClock

OWN_ID = "0" * 32


class Cluster:
    """The only cluster."""

    id = "cluster-1"
    former = ()


class Leads:
    """The Lease of the cluster."""

    def __init__(self) -> None:
        self.is_ours = True

    def leads(self, _cluster: str) -> bool:
        return self.is_ours

    def stands_by(self, _cluster: str) -> bool:
        return not self.is_ours

    async def wait_until_leading(self) -> None:
        return


class CronJobs:
    """A cluster without CronJobs."""

    def __init__(self) -> None:
        self.clusters = [Cluster()]
        self.leads = Leads()
        self.subjects = self

    async def wait_until_one_synced(self) -> None:
        return

    def objects(self) -> list[Any]:
        return []


class Policies:
    """No policies."""

    def policy_of(self, _ref: Any) -> None:
        return None


class Upkeep:
    """Upkeep without storages."""

    def observe_lists(self, _observer: Any) -> None:
        """Take an observer."""


class Storages:
    """One storage."""

    def __init__(self) -> None:
        self.vault = vault(namespaces=("n",))

    def list(self) -> list[BackupStorage]:
        return [self.vault]

    def find(self, _name: str) -> BackupStorage:
        return self.vault

    def get(self, _name: str) -> BackupStorage:
        return self.vault

    async def save(self, _old: BackupStorage, new: BackupStorage) -> BackupStorage:
        self.vault = new
        return new


def listed(*backup_ids: str) -> list[bytes]:
    """Return the lines of a list of the snapshots of these backups (see `SnapshotListParser`)."""
    snapshots = []
    for number, backup_id in enumerate(backup_ids, 1):
        tags = SnapshotTags(
            policy="p",
            run=backup_id,
            backup=backup_id,
            cluster="cluster-1",
            namespace="n",
            cronjob="j",
            cronjob_id="uid-0001",
        )
        time = "2026-03-01T00:00:00Z"
        snapshots.append({"time": time, "tags": list(tags.texts()), "id": f"{number:064x}"})
    return json.dumps(snapshots, separators=(",", ":")).encode().split(b"}")


class Unusual:
    """What the daemon before this one has found unusual."""

    def __init__(self) -> None:
        self.words: dict[str, tuple[str, ...]] = {}

    async def fetch(self, _cluster_id: str) -> dict[str, tuple[str, ...]]:
        return self.words


class FolderPasswords:
    """No repository has a password of its own."""

    async def list_repositories(self, _storage: BackupStorage) -> list[Repository]:
        return []


class Scene:
    """A daemon with a record of one backup, in whose storage there may be more."""

    def __init__(self, history: History) -> None:
        self.clock = FakeClock()
        self.jobs = Jobs()
        self.storages = Storages()
        self.unusual = Unusual()
        self.bus = Bus()
        self.cronjobs = CronJobs()
        clusters: Any = self.cronjobs.clusters
        self.records = BackupRecords(history, self.bus, clusters)
        index = RepositoryIndex(history, self.clock, Bus())
        queues = RepositoryQueues(clock=self.clock, settings=Settings)
        nothing: Any = None
        policies: Any = Policies()
        self.service = SnapshotReconciliation(
            records=self.records,
            copies=nothing,
            unusual=self.unusual,  # type: ignore[arg-type]
            first_comparisons=FirstComparisons(
                find_storage=self.storages.find, acting=self.cronjobs.leads, bus=self.bus, clock=self.clock
            ),
            index=index,
            passwords=FolderPasswords(),  # type: ignore[arg-type]
            storages=self.storages,  # type: ignore[arg-type]
            upkeep=Upkeep(),  # type: ignore[arg-type]
            maintenance=RepositoryMaintenance(
                jobs=self.jobs,  # type: ignore[arg-type]
                index=index,
                stale_locks=nothing,
                queues=queues,
            ),
            queues=queues,
            cronjobs=self.cronjobs,  # type: ignore[arg-type]
            policies=policies,
            history=history,
            bus=self.bus,
            clock=self.clock,
            supervisor=Supervisor(self.clock),
        )

    def list_snapshots_of(self, *backup_ids: str) -> None:
        self.jobs.lines = tuple(listed(*backup_ids))

    async def compare(self) -> tuple[int, int]:
        """Compare what is due; return how many backups were recorded again, and how many have no record."""
        await self.service.compare_due_storages()
        counts = self.storages.vault.snapshots
        assert counts is not None
        return (counts.recovered, counts.unrecorded)


@pytest.fixture
async def scene(tmp_path: Path) -> AsyncIterator[Scene]:
    history = await History.open(tmp_path, clock=SystemClock())
    scene = Scene(history)
    own = make_backup(id=OWN_ID, cluster="cluster-1", storage_id="vault")
    await scene.records.put(None, msgspec.structs.replace(own, result=BackupResult(snapshot_id=f"{1:064x}")))
    yield scene
    await history.close()


async def test_who_begins_to_act_records_what_another_daemon_has_made(scene: Scene) -> None:
    scene.list_snapshots_of(OWN_ID, "1" * 32, "2" * 32)
    assert await scene.compare() == (2, 0)
    assert scene.records.get("2" * 32).status is BackupStatus.UNKNOWN
    assert scene.records.get(OWN_ID).status is BackupStatus.SUCCEEDED
    # What appears while this daemon acts is nobody's whom it knows: that is told first.
    scene.list_snapshots_of(OWN_ID, "1" * 32, "2" * 32, "3" * 32)
    await scene.clock.advance(INTERVAL)
    assert await scene.compare() == (0, 1)
    # Another daemon acts for a while, and this one again; meanwhile nothing is compared here.
    for is_ours in (False, True):
        scene.cronjobs.leads.is_ours = is_ours
        scene.bus.publish(ActingChanged("cluster-1"))
    assert await scene.compare() == (1, 0)


async def test_a_storage_of_the_name_of_a_deleted_one_is_compared_at_once(scene: Scene) -> None:
    scene.list_snapshots_of(OWN_ID)
    assert await scene.compare() == (0, 0)
    scene.list_snapshots_of(OWN_ID, "1" * 32)
    scene.bus.publish(StorageChanged(scene.storages.vault, None))
    assert await scene.compare() == (1, 0)


async def test_what_the_daemon_before_found_unusual_holds_retention_until_it_is_acknowledged(
    scene: Scene,
) -> None:
    scene.unusual.words = {"1" * 32: ("It has half of the files.",)}
    scene.list_snapshots_of(OWN_ID, "1" * 32, "2" * 32)
    assert await scene.compare() == (2, 0)
    recovered = scene.records.get("1" * 32)
    assert recovered.is_unusual
    assert not scene.records.get("2" * 32).is_unusual
    assert scene.records.has_unusual(recovered.cronjob_id)
    await scene.records.acknowledge_unusual(recovered.cronjob_id, "ann", scene.clock.now())
    assert not scene.records.has_unusual(recovered.cronjob_id)


async def test_a_backup_that_was_recorded_while_its_snapshot_was_listed_is_left_alone(scene: Scene) -> None:
    running = make_backup(id="1" * 32, status=BackupStatus.RUNNING)
    await scene.records.put(None, running)
    found = msgspec.structs.replace(running, status=BackupStatus.UNKNOWN, recovered_at=scene.clock.now())
    await scene.records.add_recovered([found])
    assert scene.records.get(running.id).status is BackupStatus.RUNNING
