"""One daemon on two clusters: each has its own backups, and the loss of one does not affect the other."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from tests.daemon_process import Daemon
from tests.e2e.backup_site import wait_for_end
from tests.quick_repository import prepare_storage
from tests.waiting import eventually

from kronkeep_common import object_keys
from kronkeep_common.client import Client
from kronkeep_common.clock import SystemClock
from kronkeep_common.errors import Conflict, Denied
from kronkeep_common.models import (
    BackupExecution,
    BackupPolicySpec,
    BackupStorageCreate,
    CronJobCreate,
    Restore,
    RestoreRequest,
    RestoreTarget,
    RetentionPlan,
    VolumeMount,
)
from kronkeep_daemon.embedded import EmbeddedCluster
from kronkeep_daemon.kube import paths
from kronkeep_daemon.kube.client import Cluster
from kronkeep_daemon.supervisor import Supervisor

EAST = "east"
WEST = "west"


class LosableCluster:
    """An embedded cluster that may be lost and started again at the same address."""

    def __init__(self, name: str, folder: Path) -> None:
        self.name = name
        self.folder = folder
        self._port = 0
        self._lost = True

    async def start(self) -> None:
        self._lost = False
        self._supervisor = Supervisor(SystemClock())
        self._cluster = await EmbeddedCluster.start(self.folder, supervisor=self._supervisor, port=self._port)
        self._port = urlsplit(self._cluster.url).port or 0
        self.kubeconfig = self._cluster.kubeconfig

    async def lose(self) -> None:
        if self._lost:
            return
        self._lost = True
        await self._supervisor.close()
        await self._cluster.close()

    @asynccontextmanager
    async def cluster(self) -> AsyncIterator[Cluster]:
        connection = await Cluster.connect(kubeconfig=self.kubeconfig)
        yield connection
        await connection.close()

    def claim(self, name: str) -> Path:
        return self.folder / "node" / "claims" / "default" / name


class ClusterPair:
    """A daemon on both clusters; `client(NAME)` is a client for that cluster's CronJobs."""

    def __init__(self, folder: Path) -> None:
        self.clusters = {name: LosableCluster(name, folder / name) for name in (EAST, WEST)}
        self.daemon = Daemon(folder / "s")
        self.daemon.embedded = False
        self.folder = folder

    async def start(self) -> None:
        lines = ["[allow]", "host_path = true"]
        for losable in self.clusters.values():
            await losable.start()
            lines += [f"[clusters.{losable.name}]", f'kubeconfig = "{losable.kubeconfig}"']
        file = self.folder / "kronkeepd.toml"
        await asyncio.to_thread(file.write_text, "\n".join(lines))
        self.daemon.arguments = ("--config", str(file))
        await self.daemon.start()
        await asyncio.gather(*(self._create_objects(name) for name in self.clusters))

    async def _create_objects(self, name: str) -> None:
        """Create a storage, a claim, and the CronJob default/dump, which writes the cluster's name."""
        async with self.client(name) as client:
            await self._create_objects_of(name, client)

    async def _create_objects_of(self, name: str, client: Client) -> None:
        storage = f"vault-{name}"
        settings: dict[str, str | int] = {"path": str(self.folder / storage)}
        async with self.clusters[name].cluster() as cluster:
            await prepare_storage(cluster, storage, self.folder / storage)
        await client.storages.create(
            BackupStorageCreate(
                layout="shared", id=storage, kind="local", settings=settings, namespaces=("default",)
            )
        )
        async with self.clusters[name].cluster() as cluster:
            spec = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
            await cluster.create(paths.claims("default"), {"metadata": {"name": "data"}, "spec": spec})
        await eventually(lambda: client.storages.get(storage), lambda s: s.status == "active")
        mount = VolumeMount(claim="data", mount_path="/data")
        await client.cronjobs.create(
            CronJobCreate(
                name="dump",
                image="busybox:1.36",
                command=("sh", "-c", f"echo {name} >/data/where"),
                schedule="0 2 29 2 *",
                volumes=(mount,),
                policy=BackupPolicySpec(storage_id=storage, retries=0),
            )
        )

    @asynccontextmanager
    async def client(self, cluster: str | None = None) -> AsyncIterator[Client]:
        async with self.daemon.client() as client:
            yield client.for_cluster(cluster) if cluster else client

    async def back_up(self, name: str) -> BackupExecution:
        """Run the cluster's CronJob; return the backup of that run once it has ended."""
        async with self.client(name) as client:
            run = await client.cronjobs.trigger("default", "dump")
            linked = (await client.runs.get(run.id)).backup_id
            assert linked is not None
            backup = await wait_for_end(client, linked)
            assert (backup.cronjob_execution_id, backup.cluster) == (run.id, run.cluster)
            assert backup.storage_id == f"vault-{name}"
            return backup


@pytest.fixture
async def pair(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[ClusterPair]:
    both = ClusterPair(tmp_path_factory.mktemp("p"))
    await both.start()
    yield both
    await both.daemon.stop()
    for losable in both.clusters.values():
        await losable.lose()


async def test_each_has_its_own_backups_and_one_continues_without_the_other(pair: ClusterPair) -> None:
    east, west = await asyncio.gather(pair.back_up(EAST), pair.back_up(WEST))
    assert (east.status, west.status) == ("succeeded", "succeeded")
    assert east.cluster != west.cluster
    await check_foreign_storage_is_refused(pair)
    async with pair.client() as client:
        leftovers = (await client.leftovers()).items
        secrets = {(line.cluster, line.name) for line in leftovers if line.kind == "secrets"}
        # A Job that lists snapshots may have its key lent at this moment.
        assert {(cluster, name) for cluster, name in secrets if "-list-" not in name} == {
            (name, f"kronkeep-storage-vault-{name}") for name in pair.clusters
        }
        assert {line.cluster for line in leftovers if line.kind == "cronjobs"} == set(pair.clusters)
    await pair.clusters[EAST].lose()
    alone = await pair.back_up(WEST)
    assert alone.status == "succeeded", alone
    async with pair.client() as client:
        with pytest.raises(Conflict, match="each have a CronJob"):
            await client.cronjobs.trigger("default", "dump")
    restored = await restore(pair, west)
    assert (restored.status, restored.cluster) == ("completed", west.cluster)
    (file,) = pair.clusters[WEST].claim("back").rglob("where")
    assert file.read_text() == "west\n"
    assert not pair.clusters[EAST].claim("back").exists()
    await pair.clusters[EAST].start()
    assert (await pair.back_up(EAST)).status == "succeeded"
    await check_policy_id_on_both(pair)


async def check_foreign_storage_is_refused(pair: ClusterPair) -> None:
    """A storage that is a folder on the nodes of one cluster cannot be used by the other."""
    async with pair.client(WEST) as client:
        with pytest.raises(Denied, match="cannot reach the storage vault-east"):
            await client.cronjobs.set_policy("default", "dump", BackupPolicySpec(storage_id="vault-east"))
        (backup,) = [b for b in (await client.backups.list()).items if b.storage_id == "vault-east"]
        request = RestoreRequest(target=RestoreTarget(claim="back", cluster=WEST))
        with pytest.raises(Denied, match="cannot reach the storage vault-east"):
            await client.backups.restore(backup.id, request)


async def restore(pair: ClusterPair, backup: BackupExecution) -> Restore:
    async with pair.client() as client:
        request = RestoreRequest(target=RestoreTarget(claim="back"))
        started = await client.backups.restore(backup.id, request)
        return await eventually(
            lambda: client.restores.get(started.id), lambda restore: restore.ended_at is not None
        )


async def check_policy_id_on_both(pair: ClusterPair) -> None:
    """Apply a manifest with a policy id in its annotation to both clusters: those are two policies."""
    for name, losable in pair.clusters.items():
        policy = {"id": "shared", "storage_id": f"vault-{name}", "retries": 0}
        async with losable.cluster() as cluster:
            body = {"metadata": {"annotations": {object_keys.POLICY: json.dumps(policy)}}}
            await cluster.patch(paths.cronjobs("default", "dump"), body)
    async with pair.client() as client:
        await eventually(client.policies.list, lambda page: {view.id for view in page.items} == {"shared"})
    await asyncio.gather(pair.back_up(EAST), pair.back_up(WEST))
    async with pair.client() as client:
        with pytest.raises(Conflict, match="carried by default/dump on east, default/dump on west"):
            await client.policies.retention("shared")
    plans = [await plan_retention(pair, name) for name in pair.clusters]
    assert [len(plan.keep) for plan in plans] == [1, 1]
    assert plans[0].keep != plans[1].keep


async def plan_retention(pair: ClusterPair, name: str) -> RetentionPlan:
    async with pair.client(name) as client:
        return await client.policies.retention("shared")
