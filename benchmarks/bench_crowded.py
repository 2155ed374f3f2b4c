"""An archive of 1 MiB into repositories with 10, 1,000 and 10,000 snapshots, without a cache, as in a Job.

On a local folder, a REST server (`rclone serve restic`) and S3 (moto, where `make servers` has run). The
figure is the time to that with 10 snapshots; up to the advised number it must not be above 2.
"""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from statistics import median
from typing import NamedTuple
from urllib.parse import quote

from tests.e2e.backup_site import DEBIAN_RESTIC
from tests.e2e.storages import servers

from benchmarks.sealed_repository import write_repository

SIZES = tuple(int(size) for size in os.environ.get("CROWDED_SIZES", "10,1000,10000").split(","))
RESTIC = os.environ.get("CROWDED_RESTIC", DEBIAN_RESTIC)
ROUNDS = 3
MEBIBYTE = 1024 * 1024


class Place(NamedTuple):
    """A repository: where restic finds it, and the variables with its credentials."""

    address: str
    environment: dict[str, str]


def time_archive(place: Place, source: Path, folder: Path) -> float:
    """Return the seconds of `restic backup` of a new file of 1 MiB, with a fresh cache."""
    (source / "file").write_bytes(os.urandom(MEBIBYTE))
    cache = folder / "cache"
    shutil.rmtree(cache, ignore_errors=True)
    environment = {**os.environ, **place.environment, "RESTIC_PASSWORD": "x"}
    argv = [RESTIC, "-r", place.address, "--cache-dir", str(cache), "backup", "--json", str(source)]
    argv += ["--host", "kronkeep.shop.job-0", "--tag", "policy=0"]
    start = time.perf_counter()
    subprocess.run(argv, env=environment, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - start


@contextmanager
def open_places(folder: Path, size: int) -> Iterator[dict[str, Place]]:
    """Give a repository with so many snapshots on each kind of storage that there is."""
    written = folder / "written"
    write_repository(written, "x", size)
    with ExitStack() as stack:
        places = {"local": Place(str(written), {})}
        if shutil.which("rclone") is not None:
            places["rest"] = stack.enter_context(_serve_rest(folder, written))
        if servers.PYTHON.exists():
            places["s3"] = stack.enter_context(_serve_s3(folder, written))
        yield places


@contextmanager
def _serve_rest(folder: Path, written: Path) -> Iterator[Place]:
    with servers.serve_rest(folder) as server:
        assert server.folder is not None
        shutil.copytree(written, server.folder)
        user, password = (quote(value, safe="") for value in server.secret.values())
        url = str(server.settings["url"]).replace("//", f"//{user}:{password}@")
        yield Place(f"rest:{url}/", {})


@contextmanager
def _serve_s3(folder: Path, written: Path) -> Iterator[Place]:
    with servers.serve_s3(folder) as server:
        assert server.upload is not None
        server.upload(written, "crowded")
        yield Place(f"s3:{server.settings['endpoint']}/vault/crowded", server.secret)


def run() -> dict[str, float]:
    """Return for each kind of storage the time at each size to that of the smallest."""
    seconds: dict[tuple[str, int], float] = {}
    for size in SIZES:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            source = folder / "source"
            source.mkdir()
            with open_places(folder, size) as places:
                for kind, place in places.items():
                    rounds = [time_archive(place, source, folder) for _ in range(ROUNDS)]
                    seconds[kind, size] = median(rounds)
                    print(f"  {kind} {size}: {seconds[kind, size]:.2f} s", file=sys.stderr, flush=True)
    return {
        f"crowded_{kind}_{size}": round(value / seconds[kind, SIZES[0]], 2)
        for (kind, size), value in seconds.items()
        if size != SIZES[0]
    }
