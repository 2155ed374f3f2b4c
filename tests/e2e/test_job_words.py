"""Runs whose Jobs wait, are held, or succeed and fail by indexes: what a whole daemon says of them."""

import asyncio
from pathlib import Path

from tests.daemon_process import Daemon
from tests.waiting import eventually

from kronkeep_common.client import Client
from kronkeep_common.models import (
    BackupExecution,
    BackupPolicySpec,
    CronJob,
    CronJobCreate,
    CronJobExecution,
    VolumeMount,
)
from kronkeep_daemon.kube import paths
from kronkeep_daemon.kube.client import Cluster
from kronkeep_daemon.kube.objects import JsonObject

INDEXED = {"completionMode": "Indexed", "completions": 3, "parallelism": 3}
ONLY_0 = {"rules": [{"succeededIndexes": "0"}]}
JOBS: dict[str, tuple[str, JsonObject]] = {
    "suspended": ("true", {"suspend": True}),
    "theirs": ("true", {"managedBy": "kueue.x-k8s.io/multikueue"}),
    "held": ("sleep 300", {}),
    "lost": ("echo no such shard; [ $JOB_COMPLETION_INDEX != 1 ]", {**INDEXED, "backoffLimitPerIndex": 0}),
    "early": ("[ $JOB_COMPLETION_INDEX = 0 ] || sleep 300", {**INDEXED, "successPolicy": ONLY_0}),
}


async def run_by_hand(cluster: Cluster, client: Client, name: str) -> CronJobExecution:
    script, fields = JOBS[name]
    container = {"name": "main", "image": "busybox:1.36", "command": ["sh", "-c", script]}
    pod = {"restartPolicy": "Never", "terminationGracePeriodSeconds": 1, "containers": [container]}
    job = {"spec": {"template": {"spec": pod}, **fields}}
    manifest = {"metadata": {"name": name}, "spec": {"schedule": "0 2 29 2 *", "jobTemplate": job}}
    await cluster.create(paths.cronjobs("default"), manifest)
    await eventually(client.cronjobs.list, lambda page: name in [item.name for item in page.items])
    return await client.cronjobs.trigger("default", name)


async def wait_for_words(client: Client, run: CronJobExecution, reason: str, words: str) -> CronJobExecution:
    async def load_run() -> CronJobExecution:
        return await client.runs.get(run.id)

    return await eventually(load_run, lambda r: r.reason == reason and words in (r.message or ""), 60)


async def hold_and_delete(cluster: Cluster, run: CronJobExecution) -> None:
    assert run.job is not None
    path = paths.jobs("default", run.job)
    await cluster.patch(path, {"metadata": {"finalizers": ["example.com/hold"]}})
    await cluster.delete(path, uid=run.id)


async def test_each_state_of_a_job_has_a_reason_and_words(daemon: Daemon, client: Client) -> None:
    cluster = await daemon.cluster()
    made = await asyncio.gather(*(run_by_hand(cluster, client, name) for name in JOBS))
    runs = dict(zip(JOBS, made, strict=True))
    suspended = await wait_for_words(client, runs["suspended"], "Suspended", "suspended since")
    theirs = await wait_for_words(client, runs["theirs"], "ManagedElsewhere", "kueue.x-k8s.io/multikueue")
    await hold_and_delete(cluster, runs["held"])
    held = await wait_for_words(
        client, runs["held"], "BeingDeleted", "its finalizer example.com/hold holds it"
    )
    line = "1 of 3 indexes failed: 1. Container main ended with exit code 1. Its last line: no such shard"
    lost = await wait_for_words(client, runs["lost"], "FailedIndexes", line)
    early = await wait_for_words(client, runs["early"], "SuccessPolicy", "1 of 3 indexes succeeded: 0")
    assert lost.failed_indexes == "1"
    states = [run.status for run in (suspended, theirs, lost, early)]
    assert states == ["pending", "pending", "failed", "succeeded"]
    assert all(run.next_step for run in (suspended, theirs, held, lost, early))
    await cluster.patch(paths.jobs("default", held.job or ""), {"metadata": {"finalizers": None}})
    await cluster.patch(paths.jobs("default", suspended.job or ""), {"spec": {"suspend": False}})
    await wait_for_words(client, held, "Deleted", "was deleted before it ended")

    async def load_resumed() -> CronJobExecution:
        return await client.runs.get(suspended.id)

    resumed = await eventually(load_resumed, lambda run: run.status == "succeeded", 60)
    assert resumed.reason is None
    await cluster.close()


async def test_a_backup_says_why_the_run_that_it_waits_for_does_not_end(
    daemon: Daemon, client: Client, storage: Path, claim: Path
) -> None:
    spec = CronJobCreate(
        name="dump",
        image="busybox:1.36",
        command=("sh", "-c", "echo x > /data/x"),
        schedule="0 2 29 2 *",
        volumes=(VolumeMount(claim="data", mount_path="/data"),),
        policy=BackupPolicySpec(storage_id="vault"),
    )
    await client.cronjobs.create(spec)
    cluster = await daemon.cluster()
    suspended = {"spec": {"jobTemplate": {"spec": {"suspend": True}}}}
    patched = await cluster.patch(paths.cronjobs("default", "dump"), suspended)
    version = patched["metadata"]["resourceVersion"]

    async def load_cronjob() -> CronJob:
        return await client.cronjobs.get("default", "dump")

    await eventually(load_cronjob, lambda cronjob: cronjob.resource_version == version)
    run = await client.cronjobs.trigger("default", "dump")

    async def load_backup() -> BackupExecution:
        return await client.backups.get(run.backup_id or "")

    waiting = await eventually(load_backup, lambda backup: backup.reason is not None, 60)
    assert (waiting.status, waiting.reason) == ("waiting", "Suspended")
    assert (waiting.message or "").startswith("The run has not ended. The Job is suspended")
    await cluster.patch(paths.jobs("default", run.job or ""), {"spec": {"suspend": False}})
    await cluster.close()
    done = await eventually(load_backup, lambda backup: backup.status not in ("waiting", "queued", "running"))
    assert (done.status, done.reason) == ("succeeded", None)
