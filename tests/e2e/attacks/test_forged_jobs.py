"""Pods and Jobs that claim to be those of our archive, in the tenant's own namespace."""

import asyncio
import time
from contextlib import suppress

from tests import external_cluster
from tests.e2e.attacks.arena import EVIL, Arena, pod_of
from tests.e2e.attacks.forgeries import (
    KEEP_ONE,
    WAITING,
    begin_run,
    believed_ids,
    end_run,
    find_job,
    forged_containers,
    forged_job,
    needs_dumps,
    snapshot_of_victim,
)
from tests.e2e.backup_site import wait_for_end
from tests.waiting import LONGEST_WAIT, eventually

from kronkeep_daemon.kube import paths
from kronkeep_daemon.kube.client import Cluster
from kronkeep_daemon.kube.errors import AlreadyExists
from kronkeep_daemon.kube.objects import JsonObject
from kronkeep_daemon.repositories.job_names import archive_job_name

TRACKING = "batch.kubernetes.io/job-tracking"
# In seconds; the embedded controller counts the pod in the end, another one never does.
LONGEST_FORGERY = LONGEST_WAIT if external_cluster.KUBECONFIG is None else 20.0


@needs_dumps
async def test_a_pod_that_claims_to_be_of_our_job_is_not_read(arena: Arena) -> None:
    """Made after the true one, with its labels, owner, finalizer and containers, it counts as the Job's."""
    victims = await snapshot_of_victim(arena)
    async with arena.connection(EVIL) as evil, arena.client() as client:
        run, backup = await begin_run(arena, evil, "forged-pod", WAITING | KEEP_ONE)
        await end_run(evil, run)
        job = await eventually(lambda: find_job(evil, archive_job_name(backup)), lambda job: job is not None)
        assert job is not None
        await eventually(
            lambda: client.backups.get(backup.id), lambda shown: "nowhere" in (shown.message or "")
        )
        containers = forged_containers(victims)
        await evil.create(paths.pods(EVIL), pod_of(job, "without-finalizer", *containers))
        if not await complete_by_forgery(evil, job, containers):
            # Kubernetes' own controller deletes it, as one pod too many, before it can end.
            assert external_cluster.KUBECONFIG is not None
            await client.backups.cancel(backup.id)
        ended = await wait_for_end(client, backup.id)
        assert victims not in believed_ids(ended)
        assert ended.status != "succeeded", ended


async def complete_by_forgery(evil: Cluster, job: JsonObject, containers: list[tuple[str, str]]) -> bool:
    """Return whether the Job becomes complete by a pod with its finalizer, which its controller counts.

    Where the controller has deleted that pod as one too many, it is made again, for LONGEST_FORGERY seconds.
    """
    end = time.monotonic() + LONGEST_FORGERY
    while time.monotonic() < end:
        with suppress(AlreadyExists):
            pod = pod_of(job, "with-finalizer", *containers)
            pod["metadata"]["finalizers"] = [TRACKING]
            # Side by side they end before the controller looks, within a second, on a busy machine too.
            pod["spec"]["containers"] += pod["spec"].pop("initContainers")
            await evil.create(paths.pods(EVIL), pod)
        present = await find_job(evil, job["metadata"]["name"])
        if present is not None and "Complete" in str(present["status"]):
            return True
        await asyncio.sleep(0.1)
    return False


@needs_dumps
async def test_a_stolen_token_makes_no_job_ours(arena: Arena) -> None:
    """The tenant replaces the Job by one with its name and token, while the daemon is killed."""
    victims = await snapshot_of_victim(arena)
    async with arena.connection(EVIL) as evil:
        run, backup = await begin_run(arena, evil, "stolen-token", WAITING | KEEP_ONE)
        await end_run(evil, run)
        name = archive_job_name(backup)
        job = await eventually(lambda: find_job(evil, name), lambda job: job is not None)
        assert job is not None
        await arena.daemon.kill()
        await evil.delete(paths.jobs(EVIL, name))
        await eventually(lambda: find_job(evil, name), lambda found: found is None)
        forged = forged_job(name, victims, backup)
        forged["metadata"]["annotations"] = job["metadata"]["annotations"]
        await evil.create(paths.jobs(EVIL), forged)
    await arena.daemon.start()
    async with arena.client() as client:
        ended = await wait_for_end(client, backup.id)
    assert victims not in believed_ids(ended)
    assert ended.status != "succeeded", ended
