"""A claim's own `lost+found` and sockets make no archive partial, with every restic of this machine."""

import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.e2e.backup_site import DEBIAN_RESTIC, NEWER_RESTIC

from kronkeep_daemon.restic import backup as restic_backup
from kronkeep_daemon.restic import init
from kronkeep_daemon.restic.backup import BackupOptions, BackupOutcome
from kronkeep_daemon.restic.command_line import complete
from kronkeep_daemon.restic.snapshots import SnapshotTags

NOBODY = ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups"]
OPTIONS = BackupOptions(
    host="h", tags=SnapshotTags(policy="p", run="r", backup="b"), compression="auto", force=False
)
pytestmark = pytest.mark.skipif(
    os.geteuid() != 0 or shutil.which("setpriv") is None, reason="another user than root must be refused"
)


@pytest.fixture
def claim() -> Iterator[Path]:
    """Yield a claim's folder with a file, a socket, and a folder `lost+found` that only root may read."""
    root = Path(tempfile.mkdtemp())  # pytest's own folders are closed to others
    root.chmod(0o755)
    data = root / "source" / "data"
    (data / "lost+found").mkdir(parents=True)
    (data / "lost+found").chmod(0o700)
    (data / "file").write_text("content")
    listening = socket.socket(socket.AF_UNIX)
    listening.bind(str(data / "app.sock"))
    yield data
    listening.close()
    shutil.rmtree(root)


def archive(program: str, claim: Path) -> BackupOutcome:
    """Archive the claim as another user, and judge it with the paths that a pod has."""
    root = claim.parents[1]
    shutil.copy(shutil.which(program) or program, root / "restic")  # where any user may run it
    repository = root / "repository"
    repository.mkdir()
    repository.chmod(0o777)
    environment = os.environ | {"RESTIC_REPOSITORY": str(repository), "RESTIC_PASSWORD": "x"}
    logs = []
    for argv in (init.argv(), restic_backup.argv(OPTIONS, [str(claim)])):
        command = [*NOBODY, *complete(argv, program=str(root / "restic"), options=["--no-cache"])]
        done = subprocess.run(
            command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False
        )
        logs.append(done.stdout)
    return restic_backup.judge(done.returncode, logs[-1].replace(str(root).encode(), b""), "")


@pytest.mark.parametrize("program", [DEBIAN_RESTIC, str(NEWER_RESTIC)])
def test_lost_and_found_and_a_socket_make_no_archive_partial(program: str, claim: Path) -> None:
    if shutil.which(program) is None:
        pytest.skip(f"{program} is not installed")
    outcome = archive(program, claim)
    assert (outcome.status, outcome.reason) == ("succeeded", None), outcome
    assert [warning.partition(": ")[0] for warning in outcome.warnings] == ["/source/data/lost+found"]


@pytest.mark.parametrize("program", [DEBIAN_RESTIC, str(NEWER_RESTIC)])
def test_another_file_that_cannot_be_read_does(program: str, claim: Path) -> None:
    if shutil.which(program) is None:
        pytest.skip(f"{program} is not installed")
    (claim / "secret").write_text("x")
    (claim / "secret").chmod(0o600)
    assert archive(program, claim).status == "partial"
