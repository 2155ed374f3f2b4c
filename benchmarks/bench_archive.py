"""An archive Job, from the request to the record of its end, to `restic backup` of the same folder.

1 GiB in 16 files, and 20,000 files of 1 KiB. Each round creates both archives in fresh repositories, and the
one that comes first changes from round to round. Allowed are 1.1 times restic's own time and three seconds.
"""

import asyncio
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

from tests.e2e.backup_site import DEBIAN_RESTIC, BackupSite, backup_site

ROUNDS = 2
FILES_PER_FOLDER = 100


class FileSet(NamedTuple):
    """What is archived: `files` files of `size` bytes."""

    name: str
    files: int
    size: int


FILE_SETS = (FileSet("big", 16, 64 * 1024 * 1024), FileSet("small", 20_000, 1024))


def write_files(folder: Path, file_set: FileSet) -> None:
    """Write random files that do not compress."""
    chance = random.Random(1)
    for number in range(file_set.files):
        subfolder = folder / f"{number // FILES_PER_FOLDER:03}"
        subfolder.mkdir(exist_ok=True)
        (subfolder / f"{number:05}").write_bytes(chance.randbytes(file_set.size))


def time_restic(source: Path, repository: Path) -> float:
    """Return the seconds of `restic backup` into a fresh repository, in one process and without a cache."""
    environment = {**os.environ, "RESTIC_PASSWORD": "x", "RESTIC_REPOSITORY": str(repository)}
    environment["RESTIC_CACHE_DIR"] = str(repository.with_suffix(".cache"))
    subprocess.run([DEBIAN_RESTIC, "init", "-q"], env=environment, check=True)
    os.sync()
    start = time.perf_counter()
    command = [DEBIAN_RESTIC, "backup", "--json", "--host", "kronkeep", str(source)]
    subprocess.run(command, env=environment, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - start


async def time_kronkeep(site: BackupSite, claim: str, storage: str) -> float:
    """Return the seconds from the request of a backup into a fresh storage to the record of its success."""
    await site.create_storage(storage)
    async with site.client() as client:
        await site.create_cronjob(client, storage, claim, storage)
        os.sync()
        start = time.perf_counter()
        backup = await site.back_up(client, storage)
        duration = time.perf_counter() - start
    assert backup.status == "succeeded", backup
    return duration


async def compare(site: BackupSite, folder: Path, file_set: FileSet) -> dict[str, float]:
    """Return the figures of the best round of each."""
    source = await site.create_claim(file_set.name)
    await asyncio.to_thread(write_files, source, file_set)
    seconds: dict[str, list[float]] = {"restic": [], "kronkeep": []}
    for number in range(ROUNDS):
        name = f"{file_set.name}-{number}"
        repository = folder / name
        for program in ("restic", "kronkeep") if number % 2 == 0 else ("kronkeep", "restic"):
            if program == "restic":
                duration = await asyncio.to_thread(time_restic, source, repository)
                shutil.rmtree(repository)
            else:
                duration = await time_kronkeep(site, file_set.name, name)
                shutil.rmtree(site.daemon.state.parent / f"storage-{name}")
            seconds[program].append(duration)
            print(f"  {file_set.name} {program}: {duration:.2f} s", file=sys.stderr, flush=True)
    restic = min(seconds["restic"])
    kronkeep = min(seconds["kronkeep"])
    return {
        f"archive_{file_set.name}_to_restic": round(kronkeep / restic, 2),
        f"archive_{file_set.name}_seconds_more": round(kronkeep - restic, 2),
        f"archive_{file_set.name}_of_allowed": round(kronkeep / (restic * 1.1 + 3), 2),
    }


def run() -> dict[str, float]:
    """Return ratios, seconds more, and the share of the allowed time, which must be below 1."""
    figures: dict[str, float] = {}
    with (
        tempfile.TemporaryDirectory() as name,
        backup_site(Path(name), DEBIAN_RESTIC) as site,
    ):
        for file_set in FILE_SETS:
            figures |= asyncio.run(compare(site, Path(name), file_set))
    return figures
