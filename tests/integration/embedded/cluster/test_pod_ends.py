"""How pods end before their time: deleted within their grace, restarted, lost with their node's agent."""

import asyncio
from pathlib import Path
from typing import Any

from tests.integration.embedded.cluster.conftest import Room

from kronkeep_common.clock import SystemClock
from kronkeep_daemon.embedded import EmbeddedCluster
from kronkeep_daemon.kube import paths
from kronkeep_daemon.kube.client import Cluster
from kronkeep_daemon.supervisor import Supervisor

POLITE = "trap 'echo bye; exit 0' TERM; echo here; while :; do sleep 0.1; done"
DEAF = "trap '' TERM; echo here; while :; do sleep 0.1; done"


async def followed(room: Any, name: str, grace: int) -> str:
    """The whole log of a Job's pod that is deleted once it has said its first line."""
    pod = (await room.pod(name))["metadata"]["name"]

    async def running() -> str:
        found = await room.cluster.get(paths.pods("default", pod))
        return str(found["status"].get("phase"))

    await room.until(running, lambda phase: phase == "Running")
    text = b""
    async for chunk in room.cluster.log_chunks("default", pod, "main", follow=True, timestamps=False):
        if not text:
            await room.cluster.delete(paths.pods("default", pod), grace_seconds=grace)
        text += chunk
    await room.gone(paths.pods("default", pod))
    return text.decode()


async def test_a_deleted_pod_has_its_grace_and_no_more(room: Any) -> None:
    await room.job("polite", POLITE)
    assert await followed(room, "polite", 20) == "here\nbye\n"
    await room.job("deaf", DEAF)
    began = asyncio.get_running_loop().time()
    assert await followed(room, "deaf", 1) == "here\n"
    assert asyncio.get_running_loop().time() - began > 1


async def test_a_container_is_restarted_where_its_pod_says_so(room: Any) -> None:
    script = "if [ -e /w/tried ]; then echo second; else touch /w/tried; echo first; exit 1; fi"
    pod = {
        "restartPolicy": "OnFailure",
        "volumes": [{"name": "w", "emptyDir": {}}],
        "container": {"volumeMounts": [{"name": "w", "mountPath": "/w"}]},
    }
    await room.job("again", script, pod, backoffLimit=3)
    assert await room.ended("again") == "Complete"
    (entry,) = (await room.pod("again"))["status"]["containerStatuses"]
    assert (entry["restartCount"], entry["lastState"]["terminated"]["exitCode"]) == (1, 1)


async def test_a_restart_of_the_cluster_goes_on_where_it_was(tmp_path: Path) -> None:
    """What had ended stays ended, logs and all; what ran is lost with its processes, and tried again."""
    marker = tmp_path / "marker"
    marker.mkdir()
    once = {
        "volumes": [{"name": "m", "hostPath": {"path": str(marker)}}],
        "container": {"volumeMounts": [{"name": "m", "mountPath": "/m"}]},
    }
    script = "if [ -e /m/tried ]; then echo second; else touch /m/tried; sleep 600; fi"
    async with Started(tmp_path / "c") as room:
        assert await room.output("done", "echo kept") == "kept\n"
        await room.job("cut", script, once, backoffLimit=2)
        await room.until(lambda: asyncio.to_thread((marker / "tried").exists), bool)
    async with Started(tmp_path / "c") as room:
        assert await room.log("done") == "kept\n"
        pod = (await room.pod("done"))["metadata"]["name"]
        chunks = room.cluster.log_chunks("default", pod, "main", follow=True, timestamps=False)
        assert b"".join([chunk async for chunk in chunks]) == b"kept\n"
        assert await room.ended("cut") == "Complete"
        job = await room.cluster.get(paths.jobs("default", "cut"))
        assert (job["status"]["failed"], job["status"]["succeeded"]) == (1, 1)


class Started:
    """An embedded cluster on a folder, for as long as a block runs."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    async def __aenter__(self) -> Room:
        self._supervisor = Supervisor(SystemClock())
        self._embedded = await EmbeddedCluster.start(self._folder, supervisor=self._supervisor)
        self._cluster = await Cluster.connect(kubeconfig=self._embedded.kubeconfig)
        return Room(self._cluster)

    async def __aexit__(self, *_: object) -> None:
        await self._cluster.close()
        await self._supervisor.close()
        await self._embedded.close()
