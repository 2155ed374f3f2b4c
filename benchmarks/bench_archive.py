"""An archive Job, from the request to the record of its end, against `restic backup` of the same folder.

1 GiB in 16 files, and 20,000 files of 1 KiB; each round makes both archives into fresh repositories, in turn
the one and the other first. What is allowed is a tenth of restic's own time and three seconds.
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

from tests.e2e.backup_site import DEBIAN_RESTIC, BackupSite, backup_site

ROUNDS = 2
SETS = {"big": (16, 64 * 1024 * 1024), "small": (20_000, 1024)}


def fill(folder: Path, files: int, size: int) -> None:
    """Random files, a hundred in a folder, that do not compress."""
    chance = random.Random(1)
    for number in range(files):
        place = folder / f"{number // 100:03}"
        place.mkdir(exist_ok=True)
        (place / f"{number:05}").write_bytes(chance.randbytes(size))


def plain(source: Path, repository: Path) -> float:
    """Seconds of `restic backup` into a fresh repository, as one process without a cache from before."""
    environment = {**os.environ, "RESTIC_PASSWORD": "x", "RESTIC_REPOSITORY": str(repository)}
    environment["RESTIC_CACHE_DIR"] = str(repository.with_suffix(".cache"))
    subprocess.run([DEBIAN_RESTIC, "init", "-q"], env=environment, check=True)
    os.sync()
    began = time.perf_counter()
    line = [DEBIAN_RESTIC, "backup", "--json", "--host", "kronkeep", str(source)]
    subprocess.run(line, env=environment, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - began


async def ours(site: BackupSite, name: str, storage: str) -> float:
    """Seconds from the request to the succeeded record, into a fresh storage."""
    await site.create_storage(storage)
    async with site.client() as client:
        await site.create_cronjob(client, storage, name, storage)
        os.sync()
        began = time.perf_counter()
        backup = await site.back_up(client, storage)
        took = time.perf_counter() - began
    assert backup.status == "succeeded", backup
    return took


async def compare(site: BackupSite, folder: Path, name: str, files: int, size: int) -> dict[str, float]:
    """The best of each over the rounds, and our share of what is allowed."""
    source = await site.create_claim(name)
    await asyncio.to_thread(fill, source, files, size)
    found: dict[str, list[float]] = {"plain": [], "ours": []}
    for number in range(ROUNDS):
        repository = folder / f"{name}-{number}"
        for who in ("plain", "ours") if number % 2 == 0 else ("ours", "plain"):
            if who == "plain":
                took = await asyncio.to_thread(plain, source, repository)
                shutil.rmtree(repository)
            else:
                took = await ours(site, name, f"{name}-{number}")
                shutil.rmtree(site.daemon.state.parent / f"storage-{name}-{number}")
            found[who].append(took)
            print(f"  {name} {who}: {took:.2f} s", file=sys.stderr, flush=True)
    best = {who: min(times) for who, times in found.items()}
    return {
        f"archive_{name}_to_restic": round(best["ours"] / best["plain"], 2),
        f"archive_{name}_seconds_more": round(best["ours"] - best["plain"], 2),
        f"archive_{name}_of_allowed": round(best["ours"] / (best["plain"] * 1.1 + 3), 2),
    }


def run() -> dict[str, float]:
    """Ratios, seconds more, and the share of what is allowed, which must be below 1."""
    figures: dict[str, float] = {}
    with (
        tempfile.TemporaryDirectory() as name,
        backup_site(Path(name), DEBIAN_RESTIC) as place,
    ):
        for kind, (files, size) in SETS.items():
            figures |= asyncio.run(compare(place, Path(name), kind, files, size))
    return figures
