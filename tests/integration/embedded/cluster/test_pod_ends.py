"""Pods that end early: deleted within their grace period, restarted, lost with their node's agent."""

import asyncio
from pathlib import Path

from tests.integration.embedded.cluster.cluster_jobs import ClusterJobs, RunningCluster

from kronkeep_daemon.kube import paths
from kronkeep_daemon.kube.objects import JsonObject

ENDS_ON_SIGTERM = "trap 'echo bye; exit 0' TERM; echo here; while :; do sleep 0.1; done"
NOT_STARTED: JsonObject = {"restartCount": 0, "state": {}}
IGNORES_SIGTERM = "trap '' TERM; echo here; while :; do sleep 0.1; done"


async def delete_and_read_log(jobs: ClusterJobs, name: str, *, grace_seconds: int) -> str:
    """Delete a Job's pod once it has printed its first line, and return its whole log."""
    pod = (await jobs.newest_pod(name))["metadata"]["name"]

    async def phase() -> str:
        return str((await jobs.cluster.get(paths.pods("default", pod)))["status"].get("phase"))

    await jobs.wait_until(phase, lambda phase: phase == "Running")
    text = b""
    async for chunk in jobs.cluster.log_chunks("default", pod, "main", follow=True, timestamps=False):
        if not text:
            await jobs.cluster.delete(paths.pods("default", pod), grace_seconds=grace_seconds)
        text += chunk
    await jobs.wait_until_absent(paths.pods("default", pod))
    return text.decode()


async def test_a_deleted_pod_has_its_grace_period_and_no_more(jobs: ClusterJobs) -> None:
    await jobs.create("ends", ENDS_ON_SIGTERM)
    assert await delete_and_read_log(jobs, "ends", grace_seconds=20) == "here\nbye\n"
    await jobs.create("ignores", IGNORES_SIGTERM)
    start = asyncio.get_running_loop().time()
    assert await delete_and_read_log(jobs, "ignores", grace_seconds=1) == "here\n"
    assert asyncio.get_running_loop().time() - start > 1


async def test_a_container_is_restarted_and_each_instance_has_its_log(jobs: ClusterJobs) -> None:
    script = "if [ -e /w/tried ]; then echo second; else touch /w/tried; echo first; exit 3; fi"
    pod = {
        "restartPolicy": "OnFailure",
        "volumes": [{"name": "w", "emptyDir": {}}],
        "container": {"volumeMounts": [{"name": "w", "mountPath": "/w"}]},
    }
    await jobs.create("again", script, pod, backoffLimit=3)
    assert await jobs.wait_for_end("again") == "Complete"
    (entry,) = (await jobs.newest_pod("again"))["status"]["containerStatuses"]
    assert (entry["restartCount"], entry["lastState"]["terminated"]["exitCode"]) == (1, 3)
    assert await jobs.read_log("again") == "second\n"
    assert await jobs.read_log("again", previous=True) == "first\n"


async def test_a_container_that_failed_twice_waits_and_its_log_can_be_read(jobs: ClusterJobs) -> None:
    await jobs.create("crash", "echo try; exit 3", {"restartPolicy": "OnFailure"}, backoffLimit=3)

    async def container_status() -> JsonObject:
        entries = (await jobs.newest_pod("crash"))["status"].get("containerStatuses") or [NOT_STARTED]
        return dict(entries[0])

    entry = await jobs.wait_until(container_status, lambda entry: entry["restartCount"] == 1)
    entry = await jobs.wait_until(container_status, lambda entry: "waiting" in entry["state"])
    assert entry["state"]["waiting"]["reason"] == "CrashLoopBackOff"
    assert entry["state"]["waiting"]["message"].startswith("back-off 10s restarting failed container=main")
    assert (entry["restartCount"], entry["lastState"]["terminated"]["exitCode"]) == (1, 3)
    assert await jobs.read_log("crash") == await jobs.read_log("crash", previous=True) == "try\n"


async def test_a_restarted_cluster_continues_where_it_was(tmp_path: Path) -> None:
    """Ended pods and their logs are still there; running pods are lost with their processes and retried."""
    marker = tmp_path / "marker"
    marker.mkdir()
    once = {
        "volumes": [{"name": "m", "hostPath": {"path": str(marker)}}],
        "container": {"volumeMounts": [{"name": "m", "mountPath": "/m"}]},
    }
    script = "if [ -e /m/tried ]; then echo second; else touch /m/tried; sleep 600; fi"
    async with RunningCluster(tmp_path / "c") as jobs:
        assert await jobs.run("done", "echo kept") == "kept\n"
        await jobs.create("cut", script, once, backoffLimit=2)
        await jobs.wait_until(lambda: asyncio.to_thread((marker / "tried").exists), bool)
    async with RunningCluster(tmp_path / "c") as jobs:
        assert await jobs.read_log("done") == "kept\n"
        pod = (await jobs.newest_pod("done"))["metadata"]["name"]
        chunks = jobs.cluster.log_chunks("default", pod, "main", follow=True, timestamps=False)
        assert b"".join([chunk async for chunk in chunks]) == b"kept\n"
        assert await jobs.wait_for_end("cut") == "Complete"
        job = await jobs.cluster.get(paths.jobs("default", "cut"))
        assert (job["status"]["failed"], job["status"]["succeeded"]) == (1, 1)
