"""What the attackers forge: lines of restic, Jobs under names of ours, pods that claim to be of our Jobs."""

import json
import shlex
from hashlib import sha256
from typing import Any

import pytest
from tests.e2e.attacks.arena import EVIL, SHOP, Arena, container, cronjob_manifest, job_of
from tests.e2e.backup_site import NEWER_RESTIC
from tests.waiting import eventually

from kronkeep_common import object_keys
from kronkeep_common.models import BackupExecution
from kronkeep_daemon.jobs.step_chain import CONTAINER
from kronkeep_daemon.kube import paths
from kronkeep_daemon.kube.client import Cluster
from kronkeep_daemon.kube.objects import JsonObject

KEEP_ONE: JsonObject = {"retention": {"keep_last": 1}}
# An archive that waits for a Secret that does not exist, for as long as the attacker needs.
WAITING: JsonObject = {
    "include": {
        "database": {
            "image": "busybox:1.36",
            "command": ["true"],
            "env": {"X": {"secret": "nowhere", "key": "x"}},
        }
    }
}
needs_dumps = pytest.mark.skipif(not NEWER_RESTIC.exists(), reason="no newer restic could be had")
STEPS = ("version", "sources", "repository", "tools", "database", "backup")


def summary_line(snapshot_id: str, **fields: Any) -> str:
    """Return the last line of `restic backup --json`."""
    figures = {"files_new": 9, "total_files_processed": 12345, "total_bytes_processed": 10**9}
    return json.dumps({"message_type": "summary", "snapshot_id": snapshot_id, **figures, **fields})


def printing(*lines: str) -> str:
    """Return a line of shell that prints the lines."""
    return "; ".join(f"echo {shlex.quote(line)}" for line in lines)


def forged_containers(snapshot_id: str) -> list[tuple[str, str]]:
    """Return names and scripts of containers named as ours, which end well and print what ours would.

    Those that are named as ours with several steps print each step between the lines that belong there.
    """
    lines = ("restic 0.19.1 compiled with go1.26", summary_line(snapshot_id))
    secret = sha256(b"forged").hexdigest()
    seal = sha256(secret.encode()).hexdigest()
    framed = [
        line
        for step in STEPS
        for line in (f"kronkeep:begin {step} {seal}", *lines, "", f"kronkeep:end {secret} 0")
    ]
    plain = [(name, printing(*lines)) for name in ("hook", *STEPS)]
    joined = [(name, printing(*framed)) for name in (CONTAINER, f"{CONTAINER}-2")]
    return [*joined, *plain]


def forged_job(name: str, snapshot_id: str, backup: BackupExecution) -> JsonObject:
    """Return a Job of our name and labels whose containers, named as ours, end well and print a summary."""
    labels = {
        object_keys.MANAGED_BY_LABEL: object_keys.MANAGED_BY,
        object_keys.ROLE_LABEL: "archive",
        object_keys.BACKUP_LABEL: backup.id,
    }
    containers = [container(script, name) for name, script in forged_containers(snapshot_id)]
    pod = {"restartPolicy": "Never", "initContainers": containers[:-1], "containers": containers[-1:]}
    return {
        "metadata": {"name": name, "labels": labels},
        "spec": {"backoffLimit": 0, "template": {"metadata": {"labels": labels}, "spec": pod}},
    }


async def victims_backup(arena: Arena) -> BackupExecution:
    """Return the good backup of shop/ledger, whose snapshot lies in the shared repository."""
    async with arena.client() as client:
        backups = (await client.backups.list(f"ns:{SHOP}")).items
    return next(backup for backup in backups if backup.cronjob == "ledger")


async def snapshot_of_victim(arena: Arena) -> str:
    """Return the id of that snapshot."""
    backup = await victims_backup(arena)
    assert backup.result is not None
    return backup.result.snapshot_id


async def begin_run(
    arena: Arena, evil: Cluster, name: str, policy: JsonObject
) -> tuple[JsonObject, BackupExecution]:
    """Create a CronJob of evil with the policy and a run that waits; return its Job and its backup.

    The backup waits for the end of the run, and its names are known before anything of it is created.
    """
    fields = {"storage_id": "shared", "source": {"claims": [{"claim": "data"}]}, "retries": 0}
    owner = await evil.create(paths.cronjobs(EVIL), cronjob_manifest(name, policy=fields | policy))
    job = await evil.create(paths.jobs(EVIL), job_of(owner, f"{name}-run", suspend=True))
    (backup,) = await eventually(lambda: backups_of(arena, name), lambda backups: len(backups) == 1)
    return job, backup


async def backups_of(arena: Arena, name: str, namespace: str = EVIL) -> list[BackupExecution]:
    """Return the backups of a CronJob, newest first."""
    async with arena.client() as client:
        backups = (await client.backups.list(f"ns:{namespace}")).items
    return [backup for backup in backups if backup.cronjob == name]


async def end_run(evil: Cluster, job: JsonObject) -> None:
    """Let a run that waits go on to its end."""
    await evil.patch(paths.jobs(EVIL, job["metadata"]["name"]), {"spec": {"suspend": False}})


async def find_job(cluster: Cluster, name: str) -> JsonObject | None:
    """Return a Job of evil, None where there is none."""
    jobs, _ = await cluster.list(paths.jobs(EVIL))
    return next((job for job in jobs if job["metadata"]["name"] == name), None)


def believed_ids(backup: BackupExecution) -> set[str | None]:
    """Return the ids of the snapshots that a backup says it made."""
    if backup.result is None:
        return set()
    return {backup.result.snapshot_id, backup.result.database_snapshot_id} - {None}
