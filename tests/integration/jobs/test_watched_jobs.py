"""A Job of ours in an embedded cluster, followed by the watch that records its cluster."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.unit.jobs.fake_cluster import FixedTokens
from tests.waiting import LONGEST_WAIT

from kronkeep_common.clock import SystemClock
from kronkeep_common.errors import JobNotStarted
from kronkeep_daemon.cronjobs.run_recorder import RunRecorder
from kronkeep_daemon.embedded import EmbeddedCluster
from kronkeep_daemon.events import Bus
from kronkeep_daemon.history import History
from kronkeep_daemon.jobs.runner import JobRunner, JobRunners
from kronkeep_daemon.kube import paths
from kronkeep_daemon.kube.client import Cluster
from kronkeep_daemon.kube.clusters import Clusters
from kronkeep_daemon.kube.errors import NotFoundInCluster
from kronkeep_daemon.kube.objects import JsonObject
from kronkeep_daemon.repositories import job_manifests
from kronkeep_daemon.settings import ArchiveSettings, Settings
from kronkeep_daemon.supervisor import Supervisor


class CountingCluster(Cluster):
    """A connection that notes which single objects and lists it was asked for; watches do not count."""

    def __init__(
        self, kubeconfig: Path | None, context: str | None, in_cluster: bool, *, name: str | None = None
    ) -> None:
        super().__init__(kubeconfig, context, in_cluster, name=name)
        self.requests: list[str] = []

    async def get(self, path: str, **params: str) -> JsonObject:
        self.requests.append(f"get {path}")
        return await super().get(path, **params)

    async def list(self, path: str, **params: str) -> tuple[list[JsonObject], str]:
        self.requests.append(f"list {path}")
        return await super().list(path, **params)


class WatchedCluster:
    """The connection and the runner of our Jobs there."""

    def __init__(self, cluster: CountingCluster, recorder: RunRecorder) -> None:
        self.cluster = cluster
        runners = JobRunners(
            clusters=Clusters([cluster]),
            clock=SystemClock(),
            tokens=FixedTokens(),
            recorders={cluster.id: recorder},
            settings=Settings,
        )
        self.runner = runners.on(cluster.id)


@pytest.fixture
async def watched_cluster(
    embedded_cluster: EmbeddedCluster, tmp_path: Path, request: pytest.FixtureRequest
) -> AsyncIterator[WatchedCluster]:
    """The runner in a cluster of which the namespaces of the test's parameter are watched, or all."""
    cluster = await CountingCluster.connect(kubeconfig=embedded_cluster.kubeconfig)
    assert isinstance(cluster, CountingCluster)
    history = await History.open(tmp_path / "history", clock=SystemClock())
    supervisor = Supervisor(SystemClock())
    recorder = RunRecorder(
        cluster=cluster,
        history=history,
        bus=Bus(),
        clock=SystemClock(),
        namespaces=getattr(request, "param", ()),
    )
    recorder.start(supervisor)
    await recorder.synced.wait()
    yield WatchedCluster(cluster, recorder)
    await supervisor.close()
    await history.close()
    await cluster.close()


def manifest(name: str, *scripts: str) -> JsonObject:
    """A Job of ours: a container for each script, all but the last as init containers."""
    settings = ArchiveSettings()
    containers = [
        job_manifests.build_container(
            name=f"c{number}", argv=["sh", "-c", script], environment=[], mounts=[], settings=settings
        )
        for number, script in enumerate(scripts)
    ]
    return job_manifests.build_job(name, "default", "maintenance", containers, settings)


async def test_the_watch_tells_of_the_end_and_the_job_is_asked_for_once(
    watched_cluster: WatchedCluster,
) -> None:
    lines: list[tuple[str, bytes]] = []
    finished = await watched_cluster.runner.run(
        manifest("ours", "echo one; sleep 1; echo two", "sleep 1; echo three; exit 4"),
        on_line=lambda container, line: lines.append((container, line)),
    )
    assert lines == [("c0", b"one"), ("c0", b"two"), ("c1", b"three")]
    assert (finished.complete, [c.exit_code for c in finished.containers]) == (False, [0, 4])
    assert [c.text for c in finished.containers] == [b"one\ntwo\n", b"three\n"]
    assert watched_cluster.cluster.requests == ["list /api/v1/namespaces/default/pods"]


@pytest.mark.parametrize("watched_cluster", [("elsewhere",)], indirect=True)
async def test_a_job_in_a_namespace_that_is_not_watched_is_polled(watched_cluster: WatchedCluster) -> None:
    finished = await watched_cluster.runner.run(manifest("polled", "sleep 1"))
    assert finished.complete
    assert "get /apis/batch/v1/namespaces/default/jobs/polled" in watched_cluster.cluster.requests


async def test_a_job_that_somebody_deletes_is_not_found_by_the_watch(watched_cluster: WatchedCluster) -> None:
    task = asyncio.create_task(watched_cluster.runner.run(manifest("deleted", "sleep 600")))
    while not await watched_cluster.runner.exists("default", "deleted"):  # noqa: ASYNC110
        await asyncio.sleep(0.05)
    stranger = JobRunner(cluster=watched_cluster.cluster, clock=SystemClock(), tokens=FixedTokens("theirs"))
    await stranger.remove("default", "deleted")
    assert await watched_cluster.runner.exists("default", "deleted")
    await watched_cluster.cluster.delete(paths.jobs("default", "deleted"))
    with pytest.raises(NotFoundInCluster):
        async with asyncio.timeout(LONGEST_WAIT):
            await task


async def test_pod_security_refuses_a_pod_at_once_and_in_its_own_words(
    watched_cluster: WatchedCluster,
) -> None:
    """A Job of ours passes in such a namespace where it does not run as root."""
    labels = {"pod-security.kubernetes.io/enforce": "restricted"}
    namespace = {"metadata": {"name": "strict", "labels": labels}}
    await watched_cluster.cluster.create("/api/v1/namespaces", namespace)

    def job(name: str, settings: ArchiveSettings) -> JsonObject:
        container = job_manifests.build_container(
            name="c", argv=["true"], environment=[], mounts=[], settings=settings
        )
        return job_manifests.build_job(name, "strict", "maintenance", [container], settings)

    async with asyncio.timeout(LONGEST_WAIT):
        with pytest.raises(JobNotStarted, match='violates PodSecurity "restricted:latest": unrestricted'):
            await watched_cluster.runner.run(job("as-root", ArchiveSettings()))
    watching = asyncio.create_task(
        watched_cluster.runner.run_until_started(
            job("as-user", ArchiveSettings(run_as_user=65534)), "c", is_abandoned=lambda: False
        )
    )
    async with asyncio.timeout(LONGEST_WAIT):
        assert await watching
