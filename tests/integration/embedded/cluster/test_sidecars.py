"""Native sidecars: init containers with restartPolicy Always, as a kubelet runs them."""

from tests.integration.embedded.cluster.cluster_jobs import ClusterJobs

from kronkeep_daemon.kube import paths
from kronkeep_daemon.kube.objects import JsonObject

WRITES_ITS_END = "trap 'echo {name} >> /w/order; exit 0' TERM; touch /w/{name}; while :; do sleep 0.05; done"


def pod_with(*init_containers: JsonObject, **fields: object) -> JsonObject:
    """A pod whose containers share the folder /w."""
    mounts = [{"name": "w", "mountPath": "/w"}]
    return {
        "volumes": [{"name": "w", "emptyDir": {}}],
        "initContainers": [container | {"volumeMounts": mounts} for container in init_containers],
        "container": {"volumeMounts": mounts},
        **fields,
    }


def init_container(name: str, script: str) -> JsonObject:
    return {"name": name, "image": "busybox", "command": ["sh", "-c", script]}


def sidecar(name: str, script: str) -> JsonObject:
    return init_container(name, script) | {"restartPolicy": "Always"}


async def init_statuses(jobs: ClusterJobs, job: str) -> dict[str, JsonObject]:
    """The statuses of the init containers of a Job's pod by name."""
    status = (await jobs.newest_pod(job))["status"]
    return {entry["name"]: entry for entry in status["initContainerStatuses"]}


async def test_sidecars_run_beside_the_others_and_end_after_them_in_reverse_order(jobs: ClusterJobs) -> None:
    pod = pod_with(
        sidecar("first", WRITES_ITS_END.format(name="first")),
        init_container("check", "until [ -e /w/first ]; do sleep 0.05; done; echo check >> /w/order"),
        sidecar("second", WRITES_ITS_END.format(name="second")),
    )
    claim = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
    await jobs.cluster.create(paths.claims("default"), {"metadata": {"name": "w"}, "spec": claim})
    pod["volumes"] = [{"name": "w", "persistentVolumeClaim": {"claimName": "w"}}]
    await jobs.run("beside", "until [ -e /w/second ]; do sleep 0.05; done; echo main >> /w/order", pod)
    statuses = await init_statuses(jobs, "beside")
    ends = {name: entry["state"]["terminated"]["exitCode"] for name, entry in statuses.items()}
    assert ends == {"first": 0, "check": 0, "second": 0}
    only_volume = {"volumes": pod["volumes"], "container": pod["container"]}
    order = await jobs.run("order", "cat /w/order", only_volume)
    assert order.split() == ["check", "main", "second", "first"]


async def test_neither_the_signal_nor_the_exit_code_of_a_sidecar_is_the_pods(jobs: ClusterJobs) -> None:
    loud = sidecar("loud", "trap 'exit 9' TERM; touch /w/loud; while :; do sleep 0.05; done")
    pod = pod_with(sidecar("quiet", "exec sleep 600"), loud)
    wait = "until [ -e /w/loud ]; do sleep 0.05; done"
    await jobs.run("good", wait, pod)
    statuses = await init_statuses(jobs, "good")
    ends = {name: entry["state"]["terminated"]["exitCode"] for name, entry in statuses.items()}
    assert ends == {"quiet": 143, "loud": 9}
    assert (await jobs.newest_pod("good"))["status"]["phase"] == "Succeeded"
    await jobs.create("bad", f"{wait}; exit 5", pod)
    assert await jobs.wait_for_end("bad") == "Failed"
    (entry,) = (await jobs.newest_pod("bad"))["status"]["containerStatuses"]
    assert entry["state"]["terminated"]["exitCode"] == 5


async def test_a_sidecar_that_ends_early_is_started_again(jobs: ClusterJobs) -> None:
    script = "echo try >> /w/tries; [ $(wc -l < /w/tries) -ge 2 ] && touch /w/again && exec sleep 600; exit 0"
    await jobs.run("again", "until [ -e /w/again ]; do sleep 0.05; done", pod_with(sidecar("side", script)))
    entry = (await init_statuses(jobs, "again"))["side"]
    assert (entry["restartCount"], entry["lastState"]["terminated"]["exitCode"]) == (1, 0)


async def test_a_sidecar_that_cannot_start_holds_the_pod(jobs: ClusterJobs) -> None:
    broken = sidecar("side", "true") | {"image": "python:3.11"}
    await jobs.create("held", "true", pod_with(broken))

    async def waiting() -> str:
        pod = await jobs.newest_pod("held")
        entries = pod["status"].get("initContainerStatuses") or [{"state": {}}]
        return str((entries[0]["state"].get("waiting") or {}).get("reason"))

    await jobs.wait_until(waiting, lambda reason: reason == "ErrImagePull")
    name = (await jobs.newest_pod("held"))["metadata"]["name"]
    await jobs.cluster.delete(paths.jobs("default", "held"))
    await jobs.wait_until_absent(paths.pods("default", name))


async def test_a_deleted_pod_ends_its_sidecars_too(jobs: ClusterJobs) -> None:
    pod = pod_with(sidecar("side", "touch /w/side; trap '' TERM; while :; do sleep 0.05; done"))
    await jobs.create("gone", "until [ -e /w/side ]; do sleep 0.05; done; exec sleep 600", pod)

    async def is_running() -> bool:
        phase: str | None = (await jobs.newest_pod("gone"))["status"].get("phase")
        return phase == "Running"

    await jobs.wait_until(is_running, bool)
    name = (await jobs.newest_pod("gone"))["metadata"]["name"]
    await jobs.cluster.delete(paths.pods("default", name), grace_seconds=1)
    await jobs.wait_until_absent(paths.pods("default", name))
