"""Two clusters at once: what is written goes to the CronJob's own, and one that is in both is named."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.command_line import run_at
from tests.daemon_process import Daemon
from tests.waiting import eventually

from kronkeep_common.client import Client
from kronkeep_common.errors import Conflict, NotFound
from kronkeep_common.models import CronJobCreate
from kronkeep_daemon.embedded import EmbeddedCluster
from kronkeep_daemon.kube import paths
from kronkeep_daemon.kube.client import Cluster
from kronkeep_tui.cli.main import EXIT_REFUSED


@pytest.fixture
async def daemon(tmp_path: Path, embedded_cluster: EmbeddedCluster) -> AsyncIterator[Daemon]:
    """An embedded cluster of its own, and `far`."""
    process = Daemon(tmp_path / "s")
    file = tmp_path / "kronkeepd.toml"
    await asyncio.to_thread(
        file.write_text,
        f'manifests = "{tmp_path}/manifests"\n[clusters.far]\nkubeconfig = "{embedded_cluster.kubeconfig}"\n',
    )
    process.arguments = ("--config", str(file))
    await process.start()
    yield process
    await process.stop()


def make_spec(name: str) -> CronJobCreate:
    return CronJobCreate(name=name, image="busybox", command=("true",), schedule="0 2 29 2 *")


async def test_writes_go_to_the_right_cluster(daemon: Daemon, embedded_cluster: EmbeddedCluster) -> None:
    far = await Cluster.connect(kubeconfig=embedded_cluster.kubeconfig)
    async with daemon.client() as client:
        made = await client.for_cluster("far").cronjobs.create(make_spec("there"))
        assert made.cluster == far.id
        here = await client.cronjobs.create(make_spec("here"))
        assert here.cluster != far.id
        run = await client.cronjobs.trigger("default", "there")
        assert run.cluster == far.id
        assert (await far.get(paths.jobs("default", run.job)))["metadata"]["uid"] == run.id
        await eventually(lambda: client.runs.get(run.id), lambda run: run.status == "succeeded")
        await in_both(client, far)
    await far.close()


async def test_a_folder_of_manifests_is_for_the_cluster_of_its_name(daemon: Daemon) -> None:
    folder = daemon.state.parent / "manifests"
    text = "kind: CronJob\nimage: busybox\nschedule: 0 2 29 2 *\nname: "
    for place, name in (("here", "dropped"), ("far/there", "dropped"), ("elsewhere/no", "other")):
        (folder / place).parent.mkdir(parents=True, exist_ok=True)
        (folder / f"{place}.yaml").write_text(text + name)
    async with daemon.client() as client:

        async def stand() -> dict[str, str | None]:
            return {file.file: file.code or file.status for file in (await client.manifests()).items}

        wanted = {"here.yaml": "applied", "far/there.yaml": "applied", "elsewhere/no.yaml": "ClusterNotFound"}
        await eventually(stand, lambda answer: answer == wanted)
        made = (await client.cronjobs.list()).items
    assert [cronjob.name for cronjob in made] == ["dropped", "dropped"]
    assert len({cronjob.cluster for cronjob in made}) == 2


async def in_both(client: Client, far: Cluster) -> None:
    await client.for_cluster("far").cronjobs.create(make_spec("here"))
    with pytest.raises(Conflict, match="each have a CronJob"):
        await client.cronjobs.suspend("default", "here")
    with pytest.raises(NotFound):
        await client.for_cluster("nowhere").cronjobs.suspend("default", "here")
    cronjob = await client.for_cluster("far").cronjobs.suspend("default", "here")
    assert (cronjob.cluster, cronjob.suspended) == (far.id, True)
    assert (await far.get(paths.cronjobs("default", "here")))["spec"]["suspend"] is True
    assert len([c for c in (await client.cronjobs.list()).items if c.name == "here"]) == 2
    await by_hand(str(client.socket), far)


async def by_hand(socket: str, far: Cluster) -> None:
    """The same with the verbs."""
    here = ("get", "cronjobs", "default/here")
    there = ("--cluster", "far")
    assert (await run_at(socket, *here))[0] == EXIT_REFUSED
    code, text = await run_at(socket, *here, *there)
    assert (code, f"cluster: {far.id}" in text) == (0, True), text
    assert (await run_at(socket, "resume", "here"))[0] == EXIT_REFUSED
    assert (await run_at(socket, "resume", "here", *there))[0] == 0
    assert (await far.get(paths.cronjobs("default", "here")))["spec"]["suspend"] is False
    assert (await run_at(socket, "suspend", "here", *there))[0] == 0
    assert (await run_at(socket, "describe", "cronjob", "default/here"))[0] == EXIT_REFUSED
    code, text = await run_at(socket, "describe", "cronjob", "default/here", *there)
    assert (code, far.id in text) == (0, True), text
    code, text = await run_at(socket, "get", "cronjobs")
    lines = sorted(line.split()[:3] for line in text.splitlines())
    assert lines == [
        ["CLUSTER", "NAMESPACE", "NAME"],
        ["embedded", "default", "here"],
        ["far", "default", "here"],
        ["far", "default", "there"],
    ]
    code, text = await run_at(socket, "get", "executions", *there, "--no-headers")
    assert {line.split()[0] for line in text.splitlines()} == {"far"}, text
    code, text = await run_at(socket, "get", "executions", "--filter", "cluster:embedded")
    assert (code, text) == (0, "")
