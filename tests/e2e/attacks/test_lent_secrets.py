"""The password that is lent to an archive: whom it reaches, for how long, and what a tenant can prepare."""

import base64
import copy
import subprocess
from pathlib import Path

import pytest
from tests.e2e.attacks.arena import BANK, EVIL, MEEK, Arena, container, cronjob_manifest
from tests.e2e.attacks.forgeries import (
    KEEP_ONE,
    WAITING,
    begin_run,
    believed_ids,
    end_run,
    find_job,
    forged_containers,
    needs_dumps,
    snapshot_of_victim,
)
from tests.e2e.backup_site import DEBIAN_RESTIC, wait_for_end
from tests.waiting import eventually

from kronkeep_common import object_keys
from kronkeep_daemon.kube import paths
from kronkeep_daemon.kube.client import Cluster
from kronkeep_daemon.kube.errors import Forbidden, InvalidObject
from kronkeep_daemon.kube.objects import JsonObject
from kronkeep_daemon.repositories.job_names import archive_job_name


def secret_names(job: JsonObject) -> set[str]:
    """Return the names of the Secrets that a Job's pod mounts."""
    volumes = job["spec"]["template"]["spec"]["volumes"]
    return {volume["secret"]["secretName"] for volume in volumes if "secret" in volume}


def spying_pod(name: str, secret: str) -> JsonObject:
    """Return a pod that waits for a Secret and says how long its password is."""
    spec = {
        "restartPolicy": "Never",
        "containers": [
            container("wc -c < /k/password") | {"volumeMounts": [{"name": "k", "mountPath": "/k"}]}
        ],
        "volumes": [{"name": "k", "secret": {"secretName": secret}}],
    }
    return {"metadata": {"name": name}, "spec": spec}


async def test_nobody_can_wait_for_a_secret_or_take_its_name_before_it_is_lent(arena: Arena) -> None:
    """Its name is random, it is there while its Job runs, and what it opens is the storage of the policy."""
    async with (
        arena.connection() as admin,
        arena.connection(EVIL) as evil,
        arena.client() as client,
    ):
        run, backup = await begin_run(arena, evil, "lent", {})
        name = archive_job_name(backup)
        for number, guess in enumerate((f"{name}-key", f"{name}-0-key", name)):
            await evil.create(paths.pods(EVIL), spying_pod(f"spy-{number}", guess))
        lent: list[JsonObject] = []

        async def note_secrets() -> bool:
            lent.extend((await admin.list(paths.secrets(EVIL)))[0])
            return (await client.backups.get(backup.id)).status == "succeeded"

        await end_run(evil, run)
        await eventually(note_secrets, bool)
        sealed = await admin.get(paths.secrets("kronkeep", "kronkeep-storage-sealed"))
        shared = await admin.get(paths.secrets("kronkeep", "kronkeep-storage-shared"))
        values = {value for secret in lent for value in (secret.get("data") or {}).values()}
        assert shared["data"]["password"] in values
        assert sealed["data"]["password"] not in values
        left = {secret["metadata"]["name"] for secret in (await admin.list(paths.secrets(EVIL)))[0]}
        assert not [secret for secret in left if secret.startswith("lent-")]
        for number in range(3):
            pod = await evil.get(paths.pods(EVIL, f"spy-{number}"))
            assert pod["status"]["phase"] == "Pending"
            await evil.delete(paths.pods(EVIL, f"spy-{number}"), grace_seconds=0)


@needs_dumps
async def test_what_a_tenant_can_mount_opens_what_its_policies_open_and_no_more(arena: Arena) -> None:
    """The boundary: whoever may create pods where archives run can read what is lent to these archives."""
    async with arena.connection() as admin, arena.connection(EVIL) as evil, arena.client() as client:
        run, backup = await begin_run(arena, evil, "mounted", WAITING)
        await end_run(evil, run)
        job = await eventually(lambda: find_job(evil, archive_job_name(backup)), lambda job: job is not None)
        assert job is not None
        (secret,) = secret_names(job)
        await evil.create(paths.pods(EVIL), spying_pod("mounter", secret))
        pod = await eventually(
            lambda: evil.get(paths.pods(EVIL, "mounter")), lambda pod: pod["status"]["phase"] == "Succeeded"
        )
        assert pod["status"]["phase"] == "Succeeded"
        for attempt in (
            evil.get(paths.secrets(EVIL, secret)),
            evil.get(paths.secrets("kronkeep", "kronkeep-storage-sealed")),
        ):
            with pytest.raises(Forbidden):
                await attempt
        copy = await admin.get(paths.secrets(EVIL, secret))
        assert set(copy["data"]) == {"password"}
        assert base64.b64decode(copy["data"]["password"])
        # No pod of ours has a token of the cluster's API.
        assert job["spec"]["template"]["spec"]["automountServiceAccountToken"] is False
        await client.backups.cancel(backup.id)


@needs_dumps
async def test_what_is_lent_to_a_namespace_opens_no_other_namespaces_repository(arena: Arena) -> None:
    """By default a storage has a repository and a password for each namespace."""
    await arena.create_storage("apart", BANK, EVIL, layout="namespace")
    await arena.create_victim(BANK, "safe", "apart")
    assert (await arena.back_up(BANK, "safe")).status == "succeeded"
    async with arena.connection() as admin, arena.connection(EVIL) as evil, arena.client() as client:
        run, backup = await begin_run(arena, evil, "reader", WAITING | {"storage_id": "apart"})
        await end_run(evil, run)
        job = await eventually(lambda: find_job(evil, archive_job_name(backup)), lambda job: job is not None)
        assert job is not None
        (secret,) = secret_names(job)
        lent = (await admin.get(paths.secrets(EVIL, secret)))["data"]
        folders = (await admin.get(paths.secrets("kronkeep", "kronkeep-storage-apart-folders")))["data"]
        own = await admin.get(paths.secrets("kronkeep", "kronkeep-storage-apart"))
        (of_bank,) = (name for name in folders if name.startswith("namespace-bank-"))
        (of_evil,) = (name for name in folders if name.startswith("namespace-evil-"))
        assert lent == {"password": folders[of_evil]}
        assert not {folders[of_bank], own["data"]["password"]} & set(lent.values())
        opened = {
            folder: open_repository(arena.repository("apart") / folder, lent["password"])
            for folder in (of_evil, of_bank, "")
        }
        assert opened == {of_evil: True, of_bank: False, "": False}
        await client.backups.cancel(backup.id)
        await wait_for_end(client, backup.id)
        await client.cronjobs.delete(BANK, "safe", "safe")
        await client.cronjobs.delete(EVIL, "reader", "reader")
        await client.storages.delete("apart", "apart", only_here=1)


def open_repository(folder: Path, encoded: str) -> bool:
    """Whether a password, as a Secret has it, opens the repository."""
    argv = [DEBIAN_RESTIC, "-r", str(folder), "--no-cache", "--no-lock", "cat", "config"]
    password = base64.b64decode(encoded).decode()
    done = subprocess.run(argv, env={"RESTIC_PASSWORD": password}, capture_output=True, check=False)
    return done.returncode == 0


@needs_dumps
async def test_rights_on_cronjobs_alone_forge_no_archive(arena: Arena) -> None:
    """A second CronJob's Jobs and pods carry the labels and annotations of the first one's archive.

    Those by which a Job knows its pods no CronJob can give: the API server refuses its `manualSelector`.
    """
    victims = await snapshot_of_victim(arena)
    async with arena.connection() as admin, arena.connection(MEEK) as meek, arena.client() as client:
        fields = {"storage_id": "shared", "retries": 0, "source": {}} | KEEP_ONE
        dump = WAITING["include"] | {"volumes": False}
        policy = fields | {"include": dump}
        await meek.create(paths.cronjobs(MEEK), cronjob_manifest("first", policy=policy))
        await eventually(
            lambda: client.policies.list(MEEK), lambda page: any(v.cronjob == "first" for v in page.items)
        )
        backup = await client.cronjobs.back_up(MEEK, "first")
        job = await eventually(
            lambda: job_of_meek(admin, archive_job_name(backup)), lambda job: job is not None
        )
        assert job is not None
        with pytest.raises(InvalidObject, match="`selector` will be auto-generated"):
            await meek.create(paths.cronjobs(MEEK), with_manual_selector(spoofing_cronjob(job, victims), job))
        await meek.create(paths.cronjobs(MEEK), spoofing_cronjob(job, victims))
        await eventually(
            lambda: client.cronjobs.list(MEEK), lambda page: any(c.name == "spoof" for c in page.items)
        )
        run = await client.cronjobs.trigger(MEEK, "spoof")
        await eventually(lambda: client.runs.get(run.id), lambda shown: shown.ended_at is not None)
        shown = await client.backups.get(backup.id)
        assert victims not in believed_ids(shown)
        assert shown.status in ("running", "failed"), shown
        await client.backups.cancel(backup.id)
        await wait_for_end(client, backup.id)


async def job_of_meek(admin: Cluster, name: str) -> JsonObject | None:
    """Return a Job of meek, None where there is none."""
    jobs, _ = await admin.list(paths.jobs(MEEK))
    return next((job for job in jobs if job["metadata"]["name"] == name), None)


def spoofing_cronjob(job: JsonObject, snapshot_id: str) -> JsonObject:
    """Return a CronJob whose Jobs and pods carry the labels and annotations of a Job of ours."""
    meta = job["metadata"]
    copied = {"labels": meta["labels"], "annotations": meta["annotations"]}
    containers = [container(script, name) for name, script in forged_containers(snapshot_id)]
    body = cronjob_manifest("spoof")
    template = body["spec"]["jobTemplate"]
    template["metadata"] = copied
    template["spec"]["template"] = {
        "metadata": copied,
        "spec": {
            "restartPolicy": "Never",
            "initContainers": containers[:-1],
            "containers": containers[-1:],
        },
    }
    return body


def with_manual_selector(cronjob: JsonObject, job: JsonObject) -> JsonObject:
    """Return a CronJob whose Jobs would know their pods by the labels of another Job's."""
    meta = job["metadata"]
    labels = {object_keys.JOB_NAME_LABEL: meta["name"], object_keys.CONTROLLER_UID_LABEL: meta["uid"]}
    body = copy.deepcopy(cronjob)
    spec = body["spec"]["jobTemplate"]["spec"]
    spec["template"]["metadata"]["labels"] |= labels
    spec["selector"] = {"matchLabels": labels}
    spec["manualSelector"] = True
    return body
