"""Jobs, pods and Events that claim to belong to another namespace's CronJob."""

import pytest
from tests.e2e.attacks.arena import (
    EVIL,
    HOLD,
    MEEK,
    SHOP,
    Arena,
    cronjob_manifest,
    find_run,
    job_of,
    pod_of,
    wait_until_run_ended,
)

from kronkeep_common import object_keys
from kronkeep_daemon.kube import paths
from kronkeep_daemon.kube.client import Cluster
from kronkeep_daemon.kube.errors import Forbidden, InvalidObject
from kronkeep_daemon.kube.objects import JsonObject

SLOT = "2026-11-29T02:00:00Z"


@pytest.mark.parametrize("when", ["at its creation", "after its end"])
async def test_a_job_with_another_namespaces_owner_is_no_run_of_it(arena: Arena, when: str) -> None:
    """A finalizer holds it against the garbage collector; the annotation names a slot."""
    name = f"forged-{when[:2]}"
    async with (
        arena.connection() as admin,
        arena.connection(EVIL) as evil,
        arena.client() as client,
    ):
        own = await evil.get(paths.cronjobs(EVIL, "bystander"))
        forged: list[JsonObject] = []
        for victim in ("broken", "ledger"):
            owner = await admin.get(paths.cronjobs(SHOP, victim))
            metadata = {
                "finalizers": HOLD,
                "annotations": {object_keys.SCHEDULED_TIMESTAMP: SLOT},
                "ownerReferences": job_of(owner, name)["metadata"]["ownerReferences"],
            }
            body = job_of(own, f"{name}-{victim}")
            if when == "at its creation":
                body["metadata"] |= metadata
            job = await evil.create(paths.jobs(EVIL), body)
            if when == "after its end":
                await wait_until_run_ended(client, job["metadata"]["uid"])
                await evil.patch(paths.jobs(EVIL, job["metadata"]["name"]), {"metadata": metadata})
            forged.append(job)
        await arena.settle()
        for job in forged:
            run = await find_run(client, job["metadata"]["uid"])
            assert run is None or (run.namespace, run.cronjob) == (EVIL, "bystander")
            path = paths.jobs(EVIL, job["metadata"]["name"])
            await evil.patch(path, {"metadata": {"finalizers": None}})
            await evil.delete(path)


async def test_a_pod_with_another_namespaces_job_as_its_owner_is_no_pod_of_it(arena: Arena) -> None:
    """Neither of a run that has ended nor of one that waits; its exit code, message and log are its own."""
    script = "echo FORGED LINE from evil | tee /dev/termination-log; exit 77"
    async with arena.connection() as admin, arena.connection(EVIL) as evil:
        ended, waiting = await _jobs_of_shop(admin)
        for number, job in enumerate((ended, waiting)):
            pod = pod_of(job, f"zz-forged-{number}", ("main", script))
            pod["metadata"]["finalizers"] = HOLD
            await evil.create(paths.pods(EVIL), pod)
        await arena.settle()
        truth = await arena.read_truth()
        assert "FORGED" not in str(truth)
        for number in range(2):
            path = paths.pods(EVIL, f"zz-forged-{number}")
            await evil.patch(path, {"metadata": {"finalizers": None}})
            await evil.delete(path, grace_seconds=0)


async def _jobs_of_shop(admin: Cluster) -> tuple[JsonObject, JsonObject]:
    """Return a Job that has ended, and one that waits because it is suspended."""
    jobs, _ = await admin.list(paths.jobs(SHOP))
    waiting = next(job for job in jobs if job["metadata"]["name"] == "waiting")
    ended = next(job for job in jobs if job["metadata"]["name"].startswith("broken"))
    return ended, waiting


@pytest.mark.parametrize("said", [EVIL, SHOP, "default", ""])
async def test_an_event_about_another_namespaces_object_explains_nothing(arena: Arena, said: str) -> None:
    """`said` is the namespace in involvedObject; the API server refuses any but the Event's own."""
    reasons = ("FailedCreate", "SawCompletedJob", "UnexpectedJob", "InvalidBackupPolicy", "FailedScheduling")
    async with arena.connection() as admin, arena.connection(EVIL) as evil:
        subjects = [(job, "Job") for job in await _jobs_of_shop(admin)]
        subjects.append((await admin.get(paths.cronjobs(SHOP, "broken")), "CronJob"))
        for number, (subject, kind) in enumerate(subjects):
            meta = subject["metadata"]
            for reason in reasons:
                event = {
                    "metadata": {"name": f"forged-{said or 'none'}-{number}.{reason.lower()}"},
                    "involvedObject": {
                        "kind": kind,
                        "apiVersion": "batch/v1",
                        "namespace": said,
                        "name": meta["name"],
                        "uid": meta["uid"],
                    },
                    "reason": reason,
                    "message": f"FORGED: Error creating: job {meta['name']} call +1-555",
                    "type": "Warning",
                    "count": 1,
                    "firstTimestamp": SLOT,
                    "lastTimestamp": SLOT,
                }
                if said == EVIL:
                    await evil.create(paths.events(EVIL), event)
                    continue
                with pytest.raises(InvalidObject, match=r"does not match event\.namespace"):
                    await evil.create(paths.events(EVIL), event)
        await arena.settle()
        assert "FORGED" not in str(await arena.read_truth())


async def test_a_namesake_is_another_cronjob(arena: Arena) -> None:
    """Created with the victim's uid in its manifest, run, deleted and made again."""
    async with (
        arena.connection() as admin,
        arena.connection(EVIL) as evil,
        arena.client() as client,
    ):
        victim = await admin.get(paths.cronjobs(SHOP, "broken"))
        for round_number in range(2):
            body = cronjob_manifest("broken")
            body["metadata"] |= {key: victim["metadata"][key] for key in ("uid", "creationTimestamp")}
            made = await evil.create(paths.cronjobs(EVIL), body)
            assert made["metadata"]["uid"] != victim["metadata"]["uid"]
            job = await evil.create(paths.jobs(EVIL), job_of(made, f"namesake-{round_number}"))
            run = await wait_until_run_ended(client, job["metadata"]["uid"])
            assert (run.namespace, run.status) == (EVIL, "succeeded")
            await evil.delete(paths.cronjobs(EVIL, "broken"))
        await arena.settle()


async def test_what_rbac_refuses_is_refused(arena: Arena) -> None:
    """The other attacks rely on it: the tenants have no other rights, and may write no status."""
    async with arena.connection(EVIL) as evil, arena.connection(MEEK) as meek:
        own = await evil.get(paths.cronjobs(EVIL, "bystander"))
        body = job_of(own, "no-status", suspend=True)
        job = await evil.create(paths.jobs(EVIL), body)
        path = paths.jobs(EVIL, "no-status")
        done = {"status": {"conditions": [{"type": "Complete", "status": "True"}], "succeeded": 1}}
        patched = await evil.patch(path, done)
        assert "Complete" not in str(patched["status"])
        await evil.delete(path)
        for attempt in (
            evil.patch(f"{path}/status", done),
            evil.get(paths.secrets("kronkeep", "kronkeep-storage-shared")),
            evil.list(paths.secrets(EVIL)),
            evil.list(paths.jobs(SHOP)),
            evil.list(paths.jobs()),
            evil.patch(paths.cronjobs(SHOP, "broken"), {"metadata": {"annotations": {"a": "b"}}}),
            meek.list(paths.jobs(MEEK)),
            meek.create(paths.pods(MEEK), pod_of(job, "x", ("main", "true"))),
            meek.get(paths.cronjobs(EVIL, "bystander")),
        ):
            with pytest.raises(Forbidden, match=r"is forbidden: User .* cannot"):
                await attempt
