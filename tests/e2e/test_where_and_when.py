"""The node of an archive, its time in the repository's queue, and the removal of stale locks."""

import asyncio
import os
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import pytest
from tests import external_cluster
from tests.cluster_proxy import other_cluster
from tests.quick_repository import prepare_storage
from tests.waiting import eventually

from kronkeep_common import object_keys
from kronkeep_common.clock import SystemClock
from kronkeep_common.errors import StorageFailed
from kronkeep_common.models import (
    BackupExecution,
    BackupPolicySpec,
    BackupStorageCreate,
    ClaimSource,
    CronJobCreate,
    Source,
)
from kronkeep_common.states import BACKUP_TRANSITIONS, is_final
from kronkeep_daemon.backups import planner
from kronkeep_daemon.composition import Composition
from kronkeep_daemon.embedded import EmbeddedCluster
from kronkeep_daemon.http.services import Services
from kronkeep_daemon.kube import paths
from kronkeep_daemon.kube.client import Cluster
from kronkeep_daemon.kube.objects import CronJobRef
from kronkeep_daemon.repositories import job_names, repository
from kronkeep_daemon.settings import AllowSettings, ArchiveSettings, Settings
from kronkeep_daemon.supervisor import Supervisor
from kronkeep_daemon.testing import open_composition


class TwoNodes(NamedTuple):
    """Services over a cluster of two nodes, a storage `vault` in `folder` and a claim `data`."""

    composition: Composition
    cluster: Cluster
    folder: Path

    @property
    def services(self) -> Services:
        return self.composition.services

    async def create_cronjob(self) -> None:
        """Create a CronJob that never runs by itself, whose policy archives `data`."""
        source = Source(claims=(ClaimSource(claim="data"),))
        policy = BackupPolicySpec(storage_id="vault", source=source, retries=0)
        spec = CronJobCreate(
            name="job", image="busybox:1.36", command=("true",), schedule="0 2 29 2 *", policy=policy
        )
        await self.services.extended.create(spec, self.cluster)

    async def back_up(self) -> BackupExecution:
        """Start a backup and return it once it has ended."""
        begun = await self.services.backups.back_up_now(CronJobRef(self.cluster.id, "default", "job"), {})

        async def look() -> BackupExecution:
            return self.services.backups.get(begun.id)

        return await eventually(look, lambda b: is_final(BACKUP_TRANSITIONS, b.status))

    async def create_pod(self, name: str, **spec: Any) -> None:
        """Create a pod that mounts the claim and sleeps."""
        mounts = [{"name": "data", "mountPath": "/data"}]
        container = {
            "name": "c",
            "image": "busybox:1.36",
            "command": ["sleep", "300"],
            "volumeMounts": mounts,
        }
        volumes = [{"name": "data", "persistentVolumeClaim": {"claimName": "data"}}]
        meta = {"name": name, "labels": {object_keys.MANAGED_BY_LABEL: object_keys.MANAGED_BY}}
        pod = {"containers": [container], "volumes": volumes, "restartPolicy": "Never", **spec}
        await self.cluster.create(paths.pods("default"), {"metadata": meta, "spec": pod})


@asynccontextmanager
async def connect(folder: Path) -> AsyncIterator[tuple[Cluster, Path]]:
    """Yield an embedded cluster of two nodes with the folder of its claims, or the external one."""
    if external_cluster.KUBECONFIG is not None:
        async with other_cluster(folder) as kubeconfig:
            cluster = await Cluster.connect(kubeconfig=kubeconfig)
            yield cluster, external_cluster.NodeProcess.require().claims
            await cluster.close()
        return
    supervisor = Supervisor(SystemClock())
    embedded = await EmbeddedCluster.start(folder, supervisor=supervisor, nodes=2)
    cluster = await Cluster.connect(kubeconfig=embedded.kubeconfig)
    yield cluster, folder / "node" / "claims"
    await cluster.close()
    await supervisor.close()
    await embedded.close()


@pytest.fixture
async def two(tmp_path: Path) -> AsyncIterator[TwoNodes]:
    async with connect(tmp_path / "cluster") as (cluster, claims), serve(tmp_path, cluster, claims) as nodes:
        yield nodes


@asynccontextmanager
async def serve(tmp_path: Path, cluster: Cluster, claims: Path) -> AsyncIterator[TwoNodes]:
    """Run the services over the cluster."""
    settings = Settings(state=str(tmp_path), allow=AllowSettings(host_path=True), archive=ArchiveSettings())
    claim = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
    await cluster.create(paths.claims("default"), {"metadata": {"name": "data"}, "spec": claim})
    data = claims / "default" / "data"
    data.mkdir(parents=True, exist_ok=True)
    (data / "file").write_bytes(os.urandom(1000))
    async with open_composition(
        cluster, tmp_path / "history", Supervisor(SystemClock()), settings
    ) as composition:
        storages = composition.services.storages
        folder = tmp_path / "vault"
        vault = BackupStorageCreate(
            layout="shared", id="vault", kind="local", settings={"path": str(folder)}, namespaces=("default",)
        )
        await prepare_storage(cluster, "vault", folder)
        await storages.create(vault, cluster)

        async def look() -> str:
            return str(storages.get("vault").status)

        await eventually(look, lambda status: status == "active")
        nodes = TwoNodes(composition, cluster, folder)
        await nodes.create_cronjob()
        yield nodes


@pytest.mark.skipif(external_cluster.KUBECONFIG is not None, reason="a second node needs an embedded cluster")
async def test_a_claim_of_one_node_is_archived_where_its_user_runs(two: TwoNodes) -> None:
    """The first node has less to do and the first name: the scheduler alone would take it."""
    await two.create_pod("user", nodeName="node-2")

    async def phase_of_pod() -> str:
        return str((await two.cluster.get(paths.pods("default", "user")))["status"]["phase"])

    await eventually(phase_of_pod, lambda phase: phase == "Running")
    backup = await two.back_up()
    assert (backup.status, backup.reason) == ("succeeded", None), backup
    pods, _ = await two.cluster.list(paths.pods("default"), labelSelector=f"job-name={backup.job}")
    assert [pod["spec"]["nodeName"] for pod in pods] == ["node-2"]


async def test_a_backup_whose_turn_does_not_come_in_time_says_so(
    two: TwoNodes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(planner, "LONGEST_QUEUE", timedelta(seconds=1))
    own = repository.Repository(storage=two.services.storages.get("vault"))
    async with two.composition.queues.hold_exclusively(own.id, "check"):
        late = await two.back_up()
    assert (late.status, late.started_at, late.job, late.result) == ("failed", None, None, None)
    assert (late.reason, bool(late.next_step)) == ("QueueTimeout", True), late
    assert "busy" in (late.message or "")
    assert (await two.back_up()).status == "succeeded"


def locks_of(folder: Path) -> set[str]:
    """Return the names of a repository's locks."""
    return {path.name for path in (folder / "locks").iterdir()}


class HangingPrune:
    """A Job of kronkeep that holds an exclusive lock until it is killed: restic waits for a password."""

    STEPS: ClassVar = [("prune", ["sh", "-c", "sleep 300 | restic key passwd"])]

    def __init__(self, two: TwoNodes, work: Coroutine[Any, Any, Any]) -> None:
        self._two = two
        self._task = asyncio.create_task(work)

    async def wait_for_lock(self) -> None:
        """Wait until it holds the lock."""

        async def look() -> set[str]:
            return locks_of(self._two.folder)

        await eventually(look, lambda locks: len(locks) == 1)

    async def kill(self) -> Any:
        """Delete its pod without grace; return or raise what its Job ended with."""
        pods, _ = await self._two.cluster.list(paths.pods("kronkeep"))
        for pod in pods:
            if "-prune-" in pod["metadata"]["name"]:
                await self._two.cluster.delete(
                    paths.pods("kronkeep", pod["metadata"]["name"]), grace_seconds=0
                )
        return await self._task


async def test_a_killed_prunes_lock_goes_at_once_and_a_living_ones_stays(two: TwoNodes) -> None:
    storages = two.services.storages
    maintenance = two.composition.maintenance
    jobs = two.composition.repository_jobs
    own = repository.Repository(storage=storages.get("vault"))
    ours = HangingPrune(two, maintenance.run("prune", HangingPrune.STEPS, own, 60))
    await ours.wait_for_lock()
    with pytest.raises(StorageFailed) as cut_off:
        await ours.kill()
    assert (cut_off.value.details["reason"], locks_of(two.folder)) == ("Interrupted", set())
    # One whose daemon was killed too: nobody sees its end.
    name = job_names.new_name("prune", own.storage)
    unwatched = HangingPrune(two, jobs.run(name, HangingPrune.STEPS, own, 60))
    await unwatched.wait_for_lock()
    with pytest.raises(StorageFailed) as alive:
        await two.services.retention.prune("vault")
    assert (alive.value.details["reason"], len(locks_of(two.folder))) == ("RepositoryLocked", 1)
    assert not (await unwatched.kill()).complete
    assert len(locks_of(two.folder)) == 1
    backup = await two.back_up()
    assert (backup.status, backup.reason, locks_of(two.folder)) == ("succeeded", None, set()), backup
