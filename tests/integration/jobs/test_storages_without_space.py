"""What only reads a repository works where nothing can be written, with the restic of this machine."""

import os
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from tests.quick_repository import write_quick_repository

from kronkeep_daemon.restic import cat as restic_cat
from kronkeep_daemon.restic import check, forget, ls, prune, restore, snapshots, stats
from kronkeep_daemon.restic.faults import explain

pytestmark = pytest.mark.skipif(
    os.geteuid() != 0 or shutil.which("restic") is None, reason="a small file system needs a mount"
)


class SmallStorage:
    """A repository of two snapshots on a file system of 6 MiB, which can be filled or made read-only."""

    def __init__(self, folder: Path) -> None:
        self.mount = folder / "storage"
        self.target = folder / "target"
        self.source = folder / "source"
        self._environment = os.environ | {
            "RESTIC_REPOSITORY": str(self.mount / "repository"),
            "RESTIC_PASSWORD": "secret",
            "RESTIC_CACHE_DIR": str(folder / "cache"),
        }
        self.mount.mkdir()
        self.source.mkdir()
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=6m", "tmpfs", str(self.mount)], check=True)

    def run(self, argv: Sequence[str]) -> subprocess.CompletedProcess[bytes]:
        """Run a command line of restic."""
        return subprocess.run(
            argv, env=self._environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False
        )

    def fill(self, free_kib: int) -> None:
        """Fill the file system but for some KiB."""
        filler = self.mount / "filler"
        space = os.statvfs(self.mount)
        filler.write_bytes(b"x" * max(0, space.f_bavail * space.f_bsize - free_kib * 1024))

    def remount(self, mode: str) -> None:
        """Make the file system writable (`rw`) or not (`ro`)."""
        subprocess.run(["mount", "-o", f"remount,{mode}", str(self.mount)], check=True)


@pytest.fixture
def storage(tmp_path: Path) -> Iterator[SmallStorage]:
    """Yield a storage of two snapshots; the newer one has a file of its own."""
    small = SmallStorage(tmp_path)
    try:
        write_quick_repository(small.mount / "repository", "secret")
        for name in ("first", "second"):
            (small.source / name).write_bytes(os.urandom(1_000_000))
            backup = ["restic", "backup", "--tag", f"backup={name}", str(small.source)]
            assert small.run(backup).returncode == 0
        yield small
    finally:
        subprocess.run(["umount", "--lazy", str(small.mount)], check=True)


@pytest.mark.parametrize("state", ["full", "read-only"])
def test_a_storage_that_cannot_be_written_is_restored_from_listed_and_measured(
    storage: SmallStorage, state: str
) -> None:
    if state == "full":
        storage.fill(free_kib=0)
    else:
        storage.remount("ro")
    for argv in (
        ls.argv("latest"),
        stats.argv(),
        snapshots.argv("backup=first"),
        restore.argv("latest", str(storage.target), verify=True),
        *(argv for _, argv in check.steps(lock=False)),
        *(argv for _, argv in check.steps(check.DataSubset(1, 1), lock=False)),
    ):
        completed = storage.run(argv)
        assert completed.returncode == 0, completed.stdout
    copy = storage.target / str(storage.source).removeprefix("/") / "second"
    assert copy.read_bytes() == (storage.source / "second").read_bytes()


def test_a_full_storage_says_so_when_it_is_opened_or_checked_and_is_not_damaged(
    storage: SmallStorage,
) -> None:
    storage.fill(free_kib=0)
    for argv in (restic_cat.argv(), check.argv()):
        completed = storage.run(argv)
        fault = explain(completed.returncode, completed.stdout)
        assert fault.reason == "StorageFull"
        assert "prune" in fault.next_step


def test_a_few_kib_are_enough_to_forget_and_prune_a_full_storage(storage: SmallStorage) -> None:
    listed = snapshots.parse_list(storage.run(snapshots.argv("backup=second")).stdout)
    assert listed is not None
    storage.fill(free_kib=16)
    assert storage.run(forget.argv([listed[0].id])).returncode == 0
    completed = storage.run(prune.argv(repack=False))
    assert completed.returncode == 0, completed.stdout
    space = os.statvfs(storage.mount)
    assert space.f_bavail * space.f_bsize > 900_000
