"""An archive of 1 MiB into repositories with 10, 1,000 and 10,000 snapshots, without a cache, as in a Job.

It is what an archive's Job runs: the archive with the policy's last snapshot as its parent, and the list that
confirms it. On a local folder, a REST server (`rclone serve restic`) and S3 (moto, where `make servers` has
run). The figure is the time to that with 10 snapshots; up to the advised number it must not be above 2. The
first archive of a policy has no parent and is not to look for one: `crowded_first_...`.
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
from secrets import token_hex
from statistics import median
from typing import NamedTuple
from urllib.parse import quote

from tests.e2e.backup_site import DEBIAN_RESTIC
from tests.e2e.storages import servers

from benchmarks.sealed_repository import write_repository
from kronkeep_daemon.restic import backup, snapshots
from kronkeep_daemon.restic.backup import BackupOptions
from kronkeep_daemon.restic.command_line import complete
from kronkeep_daemon.restic.parent import with_parent
from kronkeep_daemon.restic.snapshots import SnapshotTags

SIZES = tuple(int(size) for size in os.environ.get("CROWDED_SIZES", "10,1000,10000").split(","))
RESTIC = os.environ.get("CROWDED_RESTIC", DEBIAN_RESTIC)
ROUNDS = 3
MEBIBYTE = 1024 * 1024


class Place(NamedTuple):
    """A repository: where restic finds it, and the variables with its credentials."""

    address: str
    environment: dict[str, str]


class Archive(NamedTuple):
    """How long an archive took, and the id of its snapshot."""

    seconds: float
    snapshot_id: str


def make_archive(place: Place, source: Path, folder: Path, parent: str | None) -> Archive:
    """Archive a new file of 1 MiB with a fresh cache, and confirm it."""
    (source / "file").write_bytes(os.urandom(MEBIBYTE))
    cache = folder / "cache"
    shutil.rmtree(cache, ignore_errors=True)
    cache.mkdir()
    variables = {
        "RESTIC_REPOSITORY": place.address,
        "RESTIC_PASSWORD": "x",
        "RESTIC_CACHE_DIR": str(cache),
    }
    environment = {**os.environ, **place.environment, **variables}
    tags = SnapshotTags(policy="0", backup=token_hex(16))
    options = BackupOptions(host="kronkeep.shop.job-0", tags=tags, compression="auto", force=parent is None)
    argv = backup.argv(options, [str(source)])
    steps = [with_parent(argv, parent) if parent else argv, snapshots.confirmation_argv(tags, parent)]
    start = time.perf_counter()
    logs = [
        subprocess.run(
            complete(step, program=RESTIC, options=[]), env=environment, check=True, stdout=subprocess.PIPE
        ).stdout
        for step in steps
    ]
    seconds = time.perf_counter() - start
    listed = snapshots.parse_list(logs[1])
    assert listed is not None
    assert [snapshot.backup for snapshot in listed] == [tags.backup]
    return Archive(seconds, listed[0].id)


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
                    first = make_archive(place, source, folder, None)
                    rounds = [make_archive(place, source, folder, first.snapshot_id) for _ in range(ROUNDS)]
                    seconds[kind, size] = median(each.seconds for each in rounds)
                    seconds[f"first_{kind}", size] = first.seconds
                    figures = f"{seconds[kind, size]:.2f} s, the policy's first {first.seconds:.2f} s"
                    print(f"  {kind} {size}: {figures}", file=sys.stderr, flush=True)
    return {
        f"crowded_{kind}_{size}": round(value / seconds[kind, SIZES[0]], 2)
        for (kind, size), value in seconds.items()
        if size != SIZES[0]
    }
