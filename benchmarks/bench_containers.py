"""Archive, storage creation, listing and restore on nodes whose containers take 1.5 s to start, to bare Jobs.

A bare Job has one container, which runs restic once: `backup`, `init`, `ls` or `restore`. Allowed are 1.3
times it and a second for an archive, and twice it for a storage and for a restore with its verification.
With KRONKEEP_E2E_KUBECONFIG and KRONKEEP_E2E_LOCAL_VOLUMES it runs on that cluster's kubelet instead.
"""

import asyncio
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from tests.e2e.backup_site import DEBIAN_RESTIC, IMAGES, BackupSite, backup_site
from tests.waiting import eventually

from kronkeep_common import object_keys
from kronkeep_daemon.kube import paths

START_DELAY = 1.5
ROUNDS = 3
BYTES = 3_000_000
PASSWORD = "bare"  # noqa: S105


def bare_job(name: str, repository: Path, claim: str, *argv: str) -> dict[str, Any]:
    """Return a Job whose only container runs restic once, on a repository in a folder of the node."""
    environment = {
        "RESTIC_REPOSITORY": "/repository",
        "RESTIC_PASSWORD": PASSWORD,
        "RESTIC_CACHE_DIR": "/scratch",
    }
    container = {
        "name": "restic",
        "image": IMAGES[DEBIAN_RESTIC],
        "command": ["/usr/bin/restic", *argv],
        "env": [{"name": key, "value": value} for key, value in environment.items()],
        "volumeMounts": [
            {"name": "repository", "mountPath": "/repository"},
            {"name": "claim", "mountPath": "/source"},
            {"name": "scratch", "mountPath": "/scratch"},
        ],
    }
    volumes = [
        {"name": "repository", "hostPath": {"path": str(repository), "type": "DirectoryOrCreate"}},
        {"name": "claim", "persistentVolumeClaim": {"claimName": claim}},
        {"name": "scratch", "emptyDir": {}},
    ]
    pod = {"restartPolicy": "Never", "containers": [container], "volumes": volumes}
    labels = {object_keys.MANAGED_BY_LABEL: object_keys.MANAGED_BY}  # so that the next tests delete it
    return {
        "metadata": {"name": name, "labels": labels},
        "spec": {"backoffLimit": 0, "template": {"spec": pod}},
    }


async def run_bare(site: BackupSite, job: dict[str, Any]) -> None:
    """Run a bare Job to its end."""
    cluster = await site.daemon.cluster()
    name = job["metadata"]["name"]
    await cluster.create(paths.jobs("default"), job)

    async def status() -> dict[str, Any]:
        found: dict[str, Any] = await cluster.get(paths.jobs("default", name))
        return dict(found.get("status") or {})

    ended = await eventually(status, lambda seen: bool(seen.get("succeeded") or seen.get("failed")))
    await cluster.close()
    assert ended.get("succeeded"), ended


async def measure(name: str, work: Callable[[int], Awaitable[None]]) -> float:
    """Return the seconds of the best of some rounds."""
    seconds = []
    for number in range(ROUNDS):
        start = time.perf_counter()
        await work(number)
        seconds.append(time.perf_counter() - start)
        print(f"  {name}: {seconds[-1]:.2f} s", file=sys.stderr, flush=True)
    return min(seconds)


async def compare(site: BackupSite, folder: Path) -> dict[str, float]:
    """Return the ratios."""
    data = await site.create_claim("data")
    await asyncio.to_thread((data / "file").write_bytes, os.urandom(BYTES))
    repository = folder / "bare"
    restic = [DEBIAN_RESTIC, "-r", str(repository), "init", "-q"]
    await asyncio.to_thread(subprocess.run, restic, check=True, env={"RESTIC_PASSWORD": PASSWORD})

    async def bare_init(number: int) -> None:
        await run_bare(site, bare_job(f"init-{number}", folder / f"init-{number}", "data", "init"))

    async def bare_backup(number: int) -> None:
        await run_bare(site, bare_job(f"backup-{number}", repository, "data", "backup", "/source"))

    async def bare_listing(number: int) -> None:
        await run_bare(site, bare_job(f"listing-{number}", repository, "data", "ls", "latest"))

    async def bare_restore(number: int) -> None:
        argv = ("restore", "latest", "--target", "/scratch/target")
        await run_bare(site, bare_job(f"restore-{number}", repository, "data", *argv))

    async def create_storage(number: int) -> None:
        await site.create_storage(f"storage-{number}")

    async with site.client() as client:
        created = await measure("storage", create_storage)
        init = await measure("bare init", bare_init)
        for number in range(ROUNDS):
            await site.create_cronjob(client, f"job-{number}", "data", f"storage-{number}")
        backups: list[str] = []

        async def archive(number: int) -> None:
            backup = await site.back_up(client, f"job-{number}")
            assert backup.status == "succeeded", backup
            backups.append(backup.id)

        async def list_files(number: int) -> None:
            await client.backups.files(backups[number])

        async def verify(number: int) -> None:
            await client.backups.verify(backups[number])

        archived = await measure("archive", archive)
        backup = await measure("bare backup", bare_backup)
        listed = await measure("first listing", list_files)
        listing = await measure("bare listing", bare_listing)
        verified = await measure("restore and verification", verify)
        restore = await measure("bare restore", bare_restore)
    return {
        "containers_archive_to_bare": round(archived / backup, 2),
        "containers_archive_of_allowed": round(archived / (backup * 1.3 + 1), 2),
        "containers_storage_to_bare": round(created / init, 2),
        "containers_listing_to_bare": round(listed / listing, 2),
        "containers_restore_to_bare": round(verified / restore, 2),
    }


def run() -> dict[str, float]:
    """Return the ratios, and the archive's share of its allowed time, which must be below 1."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with backup_site(folder, DEBIAN_RESTIC, arguments=("--start-delay", str(START_DELAY))) as site:
            return asyncio.run(compare(site, folder))
