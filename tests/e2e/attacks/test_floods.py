"""A tenant that writes much: what the daemon keeps and answers of it is bounded in bytes."""

import json
from pathlib import Path

import msgspec
from tests.e2e.attacks.arena import EVIL, Arena, cronjob_manifest, find_run, job_of, pod_of
from tests.waiting import eventually

from kronkeep_common import object_keys
from kronkeep_common.client import Client
from kronkeep_daemon.kube import paths
from kronkeep_daemon.kube.objects import JsonObject

KIB = 1024


def folder_bytes(folder: Path) -> int:
    """Return how many bytes the files of a folder have."""
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())


async def answer_bytes(client: Client) -> int:
    """Return the size of what each terminal reads first."""
    return len(msgspec.json.encode(await client.snapshot()))


async def test_a_huge_cronjob_is_small_in_every_answer(arena: Arena) -> None:
    volumes = [
        {"name": f"v-{number}", "persistentVolumeClaim": {"claimName": f"c-{number}-{'x' * 200}"}}
        for number in range(1000)
    ]
    body = cronjob_manifest("huge")
    body["spec"]["schedule"] = f"{','.join(['0'] * 20_000)} 2 29 2 *"
    template = body["spec"]["jobTemplate"]["spec"]["template"]
    template["spec"]["volumes"] = volumes
    template["spec"]["containers"][0]["image"] = "x" * 200_000
    template["spec"]["containers"][0]["volumeMounts"] = [
        {"name": volume["name"], "mountPath": f"/{volume['name']}"} for volume in volumes
    ]
    template["spec"]["containers"][0]["env"] = [{"name": "A", "value": "x" * 200_000}]
    body["metadata"]["annotations"] = {"evil.example/note": "x" * 250_000}
    async with arena.connection(EVIL) as evil, arena.client() as client:
        before = await answer_bytes(client)
        await evil.create(paths.cronjobs(EVIL), body)
        shown = await eventually(
            lambda: client.cronjobs.list(EVIL), lambda page: any(c.name == "huge" for c in page.items)
        )
        huge = next(cronjob for cronjob in shown.items if cronjob.name == "huge")
        size = len(msgspec.json.encode(huge))
        growth = await answer_bytes(client) - before
        await evil.delete(paths.cronjobs(EVIL, "huge"))
        assert size < 64 * KIB
        assert growth < 64 * KIB


async def test_a_run_of_very_many_pods_is_one_small_record(arena: Arena) -> None:
    async with arena.connection(EVIL) as evil, arena.client() as client:
        own = await evil.get(paths.cronjobs(EVIL, "bystander"))
        before = folder_bytes(arena.daemon.state)
        job = await evil.create(paths.jobs(EVIL), job_of(own, "many-pods", suspend=True))
        for number in range(240):
            await evil.create(paths.pods(EVIL), pod_of(job, f"many-{number}"))
        uid = job["metadata"]["uid"]
        run = await eventually(
            lambda: find_run(client, uid),
            lambda run: run is not None and any(pod.name == "many-239" for pod in run.pods),
        )
        assert run is not None
        assert len(msgspec.json.encode(run)) < 16 * KIB
        assert folder_bytes(arena.daemon.state) - before < 3 * KIB * KIB
        await evil.delete(paths.jobs(EVIL, "many-pods"))


async def test_a_policy_that_changes_all_the_time_leaves_little(arena: Arena) -> None:
    """Unreadable, too long, and each time another."""
    async with (
        arena.connection() as admin,
        arena.connection(EVIL) as evil,
        arena.client() as client,
    ):
        before = folder_bytes(arena.daemon.state)
        await evil.create(paths.cronjobs(EVIL), cronjob_manifest("flapping", policy={}))
        path = paths.cronjobs(EVIL, "flapping")
        for number in range(60):
            text = json.dumps({"storage_id": f"s-{number}", "x": "y" * (250_000 if number % 2 else 1000)})
            await evil.patch(path, {"metadata": {"annotations": {object_keys.POLICY: text}}})
        last = {object_keys.POLICY: '{"storage_id": "s", "last": 1}'}
        await evil.patch(path, {"metadata": {"annotations": last}})
        await eventually(
            lambda: client.cronjobs.get(EVIL, "flapping"),
            lambda cronjob: "last" in (cronjob.policy_fault or ""),
        )
        events = [event for event in (await admin.list(paths.events(EVIL)))[0] if is_ours(event)]
        assert len(events) == 1
        assert folder_bytes(arena.daemon.state) - before < 3 * KIB * KIB
        await evil.delete(path)


def is_ours(event: JsonObject) -> bool:
    """Whether it is the daemon's Event about a policy that cannot be read."""
    return str(event["reason"]) == "InvalidBackupPolicy"
