"""Two clusters and one daemon: each CronJob's backups are its own, and the loss of one is not the other's."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from tests.daemon_process import Daemon
from tests.e2e.backup_site import wait_for_end
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


class Far:
    """An embedded cluster that may be lost and come back at the same address."""

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
        found = await Cluster.connect(kubeconfig=self.kubeconfig)
        yield found
        await found.close()

    def claim(self, name: str) -> Path:
        return self.folder / "node" / "claims" / "default" / name


class Pair:
    """The daemon over both; `client(NAME)` speaks of that cluster's CronJobs."""

    def __init__(self, folder: Path) -> None:
        self.far = {name: Far(name, folder / name) for name in (EAST, WEST)}
        self.daemon = Daemon(folder / "s")
        self.daemon.embedded = False
        self.folder = folder

    async def start(self) -> None:
        lines = ["[allow]", "host_path = true"]
        for far in self.far.values():
            await far.start()
            lines += [f"[clusters.{far.name}]", f'kubeconfig = "{far.kubeconfig}"']
        file = self.folder / "kronkeepd.toml"
        await asyncio.to_thread(file.write_text, "\n".join(lines))
        self.daemon.arguments = ("--config", str(file))
        await self.daemon.start()
        await asyncio.gather(*(self._furnish(name) for name in self.far))

    async def _furnish(self, name: str) -> None:
        """A storage, a claim, and default/dump, which writes the cluster's name, with its policy."""
        async with self.client(name) as client:
            await self._furnished(name, client)

    async def _furnished(self, name: str, client: Client) -> None:
        storage = f"vault-{name}"
        settings = {"path": str(self.folder / storage)}
        await client.storages.create(BackupStorageCreate(id=storage, kind="local", settings=settings))
        async with self.far[name].cluster() as cluster:
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

    async def backed_up(self, name: str) -> BackupExecution:
        """A run of the cluster's CronJob, and the backup that is linked to it, to its end."""
        async with self.client(name) as client:
            run = await client.cronjobs.trigger("default", "dump")
            linked = (await client.runs.get(run.id)).backup_id
            assert linked is not None
            backup = await wait_for_end(client, linked)
            assert (backup.cronjob_execution_id, backup.cluster) == (run.id, run.cluster)
            assert backup.storage_id == f"vault-{name}"
            return backup


@pytest.fixture
async def pair(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Pair]:
    found = Pair(tmp_path_factory.mktemp("p"))
    await found.start()
    yield found
    await found.daemon.stop()
    for far in found.far.values():
        await far.lose()


async def test_each_has_its_own_backups_and_one_goes_on_without_the_other(pair: Pair) -> None:
    east, west = await asyncio.gather(pair.backed_up(EAST), pair.backed_up(WEST))
    assert (east.status, west.status) == ("succeeded", "succeeded")
    assert east.cluster != west.cluster
    await refused(pair)
    async with pair.client() as client:
        left = (await client.leftovers()).items
        assert {(line.cluster, line.name) for line in left if line.kind == "secrets"} == {
            (name, f"kronkeep-storage-vault-{name}") for name in pair.far
        }
        assert {line.cluster for line in left if line.kind == "cronjobs"} == set(pair.far)
    await pair.far[EAST].lose()
    while_away = await pair.backed_up(WEST)
    assert while_away.status == "succeeded", while_away
    async with pair.client() as client:
        with pytest.raises(Conflict, match="each have a CronJob"):
            await client.cronjobs.trigger("default", "dump")
    done = await restored(pair, west)
    assert (done.status, done.cluster) == ("completed", west.cluster)
    (file,) = pair.far[WEST].claim("back").rglob("where")
    assert file.read_text() == "west\n"
    assert not pair.far[EAST].claim("back").exists()
    await pair.far[EAST].start()
    assert (await pair.backed_up(EAST)).status == "succeeded"
    await one_policy_id_on_both(pair)


async def refused(pair: Pair) -> None:
    """A storage that is a folder of the nodes of one cluster serves the other in nothing."""
    async with pair.client(WEST) as client:
        with pytest.raises(Denied, match="cannot reach the storage vault-east"):
            await client.cronjobs.set_policy("default", "dump", BackupPolicySpec(storage_id="vault-east"))
        (backup,) = [b for b in (await client.backups.list()).items if b.storage_id == "vault-east"]
        wanted = RestoreRequest(target=RestoreTarget(claim="back", cluster=WEST))
        with pytest.raises(Denied, match="cannot reach the storage vault-east"):
            await client.backups.restore(backup.id, wanted)


async def restored(pair: Pair, backup: BackupExecution) -> Restore:
    async with pair.client() as client:
        wanted = RestoreRequest(target=RestoreTarget(claim="back"))
        begun = await client.backups.restore(backup.id, wanted)
        return await eventually(
            lambda: client.restores.get(begun.id), lambda found: found.ended_at is not None
        )


async def one_policy_id_on_both(pair: Pair) -> None:
    """As when kubectl brings a manifest with the id in its annotation to both: they are two policies."""
    for name, far in pair.far.items():
        policy = {"id": "shared", "storage_id": f"vault-{name}", "retries": 0}
        async with far.cluster() as cluster:
            body = {"metadata": {"annotations": {object_keys.POLICY: json.dumps(policy)}}}
            await cluster.patch(paths.cronjobs("default", "dump"), body)
    async with pair.client() as client:
        await eventually(client.policies.list, lambda found: {view.id for view in found.items} == {"shared"})
    await asyncio.gather(pair.backed_up(EAST), pair.backed_up(WEST))
    async with pair.client() as client:
        with pytest.raises(Conflict, match="carried by default/dump on east, default/dump on west"):
            await client.policies.retention("shared")
    kept = [await plan(pair, name) for name in pair.far]
    assert [len(found.keep) for found in kept] == [1, 1]
    assert kept[0].keep != kept[1].keep


async def plan(pair: Pair, name: str) -> RetentionPlan:
    async with pair.client(name) as client:
        return await client.policies.retention("shared")
