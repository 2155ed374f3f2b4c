"""Archive, storage creation, listing and restore on nodes whose containers take 1.5 s to start, to bare Jobs.

A bare Job has one container, which runs restic once: `backup`, `init`, `ls` or `restore`, on the same kind of
repository: one that `restic init` has made, whose key takes half a second of CPU to open. Ours and the bare
ones take turns, so that other work on the machine hinders both alike. Allowed are 1.3 times a bare Job and a
second for an archive, and twice it for a storage and for a restore with its verification. With
KRONKEEP_E2E_KUBECONFIG and KRONKEEP_E2E_LOCAL_VOLUMES it runs on that cluster's kubelet instead.
"""

import asyncio
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, NamedTuple

from tests.e2e.backup_site import DEBIAN_RESTIC, IMAGES, BackupSite, backup_site
from tests.waiting import eventually

from kronkeep_common import object_keys
from kronkeep_common.client import Client
from kronkeep_common.models import BackupStorageCreate
from kronkeep_daemon.kube import paths

START_DELAY = 1.5
ROUNDS = int(os.environ.get("BENCH_ROUNDS", "3"))
BYTES = 3_000_000
PASSWORD = "bare"  # noqa: S105
CLAIM = "data"
FIRST = -1  # the number of a round that is not measured


def bare_job(name: str, repository: Path, *argv: str) -> dict[str, Any]:
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
        {"name": "claim", "persistentVolumeClaim": {"claimName": CLAIM}},
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


class Comparison(NamedTuple):
    """The best seconds of some rounds of ours and of bare Jobs, and the middle one of the rounds' ratios."""

    ours: float
    bare: float
    middle_ratio: float

    @property
    def ratio(self) -> float:
        """The best of ours to the best of the bare ones."""
        return self.ours / self.bare


async def measure(
    name: str, file: Path, ours: Callable[[int], Awaitable[None]], bare: Callable[[int], Awaitable[None]]
) -> Comparison:
    """Run both in turn, each round with another content of the file that they archive."""
    rounds = []
    for number in range(ROUNDS):
        seconds = []
        await asyncio.to_thread(file.write_bytes, os.urandom(BYTES))
        for work in (ours, bare):
            start = time.perf_counter()
            await work(number)
            seconds.append(time.perf_counter() - start)
        print(f"  {name}: {seconds[0]:.2f} s, bare {seconds[1]:.2f} s", file=sys.stderr, flush=True)
        rounds.append(seconds)
    best = [min(column) for column in zip(*rounds, strict=True)]
    compared = Comparison(best[0], best[1], statistics.median(one / other for one, other in rounds))
    print(
        f"  {name}: best {compared.ratio:.2f}, middle {compared.middle_ratio:.2f}",
        file=sys.stderr,
        flush=True,
    )
    return compared


async def create_storage(site: BackupSite, client: Client, name: str) -> None:
    """Create a local storage whose repository `restic init` makes."""
    settings: dict[str, str | int] = {"path": str(site.daemon.state.parent / name)}
    await client.storages.create(
        BackupStorageCreate(id=name, kind="local", settings=settings, namespaces=("default",))
    )
    storage = await eventually(lambda: client.storages.get(name), lambda s: s.status in ("active", "failed"))
    assert storage.status == "active", storage


class BareJobs:
    """The bare Jobs of all rounds, on the repository that the first round has made."""

    def __init__(self, site: BackupSite, folder: Path) -> None:
        self._site = site
        self._folder = folder

    async def init(self, number: int) -> None:
        await self._run("init", number, repository=f"bare-{number}")

    async def back_up(self, number: int) -> None:
        await self._run("backup", number, "/source")

    async def list_files(self, number: int) -> None:
        await self._run("ls", number, "latest")

    async def restore(self, number: int) -> None:
        await self._run("restore", number, "latest", "--target", "/scratch/target")

    async def _run(self, command: str, number: int, *argv: str, repository: str = "bare-0") -> None:
        job = bare_job(f"{command}-{number}", self._folder / repository, command, *argv)
        await run_bare(self._site, job)


async def compare(site: BackupSite, folder: Path) -> dict[str, float]:
    """Return the ratios."""
    file = await site.create_claim(CLAIM) / "file"
    bare = BareJobs(site, folder)
    backups: list[str] = []
    async with site.client() as client:

        async def create(number: int) -> None:
            await create_storage(site, client, f"storage-{number}")

        async def archive(_: int) -> None:
            backup = await site.back_up(client, "job")
            assert backup.status == "succeeded", backup
            backups.append(backup.id)

        async def list_files(number: int) -> None:
            await client.backups.files(backups[number + 1])

        async def verify(number: int) -> None:
            await client.backups.verify(backups[number + 1])

        created = await measure("storage", file, create, bare.init)
        await site.create_cronjob(client, "job", CLAIM, "storage-0")
        for first in (archive, bare.back_up):  # the first archive of a namespace makes its repository
            await first(FIRST)
        archived = await measure("archive", file, archive, bare.back_up)
        listed = await measure("first listing", file, list_files, bare.list_files)
        verified = await measure("restore and verification", file, verify, bare.restore)
    return {
        "containers_archive_to_bare": round(archived.ratio, 2),
        "containers_archive_of_allowed": round(archived.ours / (archived.bare * 1.3 + 1), 2),
        "containers_storage_to_bare": round(created.ratio, 2),
        "containers_listing_to_bare": round(listed.ratio, 2),
        "containers_restore_to_bare": round(verified.ratio, 2),
    }


def run() -> dict[str, float]:
    """Return the ratios, and the archive's share of its allowed time, which must be below 1."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with backup_site(folder, DEBIAN_RESTIC, arguments=("--start-delay", str(START_DELAY))) as site:
            return asyncio.run(compare(site, folder))
