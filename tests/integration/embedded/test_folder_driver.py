"""Snapshots of volumes that are folders are of one moment, whatever paths lead to the folder."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from tests.waiting import eventually

from kronkeep_daemon.embedded.folder_driver import FolderDriver

LARGE = 4_000_000  # bytes of each file that is copied between the two of a pair
WRITER = "cd /pair; n=10000000; while :; do n=$((n+1)); printf %d $n 1<>a; printf %d $n 1<>z; done"


@contextmanager
def writer_on(claim: Path) -> Iterator[None]:
    """A process with the claim mounted at /pair, which changes two files of it one after the other."""
    roots = [word for name in ("/bin", "/lib", "/lib64", "/usr") for word in ("--ro-bind-try", name, name)]
    argv = ["bwrap", *roots, "--dev", "/dev", "--bind", str(claim), "/pair", "--die-with-parent"]
    process = subprocess.Popen([*argv, "sh", "-c", WRITER])
    try:
        yield
    finally:
        process.kill()
        process.wait()


@pytest.mark.parametrize("is_linked", [False, True])
async def test_a_writer_is_still_while_a_snapshot_is_made(tmp_path: Path, *, is_linked: bool) -> None:
    """A path with a link in it, like one in a container or a subvolume, is not that of the mount's root."""
    real = tmp_path / "real"
    claim = real / "claims" / "default" / "pair"
    claim.mkdir(parents=True)
    for number in range(6):
        (claim / f"m{number}").write_bytes(bytes([number]) * LARGE)
    linked = tmp_path / "linked"
    linked.symlink_to(real)
    driver = FolderDriver(linked if is_linked else real)

    async def has_written() -> bool:
        return (claim / "z").exists()

    with writer_on(claim):
        await eventually(has_written, bool)
        for number in range(10):
            await driver.make_snapshot("default", "pair", f"s{number}")
            snapshot = real / "snapshots" / f"s{number}"
            first, last = (int((snapshot / name).read_text()) for name in "az")
            assert first - last in (0, 1)
