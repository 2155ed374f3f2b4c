"""A snapshot that the repository no longer has, as each restic answers for it."""

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.e2e.backup_site import DEBIAN_RESTIC, NEWER_RESTIC
from tests.quick_repository import write_quick_repository

from kronkeep_common.reasons import Reason
from kronkeep_daemon.restic import backup, copy, faults, ls, restore, snapshots
from kronkeep_daemon.restic.command_line import complete

PROGRAMS = [program for program in (DEBIAN_RESTIC, str(NEWER_RESTIC)) if Path(program).exists()]
GONE = "e9cf46e7a27e03bcdfe391f056fd32a97eb62dd0724d43e59bdc78307ad1d70d"
Run = Callable[[list[str]], subprocess.CompletedProcess[bytes]]


@pytest.fixture(params=PROGRAMS)
def run(request: pytest.FixtureRequest, tmp_path: Path) -> Run:
    """A repository with one snapshot, and what runs a command line of restic on it."""
    (tmp_path / "file").write_text("x")
    repository = str(tmp_path / "repository")
    environment = os.environ | {"RESTIC_REPOSITORY": repository, "RESTIC_PASSWORD": "x"}
    source = {copy.FROM_REPOSITORY: repository, "RESTIC_FROM_PASSWORD": "x"}

    def run_restic(argv: list[str]) -> subprocess.CompletedProcess[bytes]:
        command = complete(argv, program=request.param, options=["--no-cache"])
        return subprocess.run(
            command,
            env=environment | (source if "copy" in argv else {}),
            cwd=tmp_path,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            check=False,
        )

    write_quick_repository(tmp_path / "repository", "x")
    assert run_restic(["restic", "backup", "file"]).returncode == 0
    return run_restic


@pytest.mark.parametrize(
    "argv",
    [
        restore.argv(GONE, "target"),
        restore.argv(GONE, "target", verify=True),
        backup.dry_run_argv(host="kronkeep", parent=GONE, paths=["file"]),
    ],
    ids=["restore", "verify", "plan"],
)
def test_what_needs_it_says_that_it_is_gone(run: Run, argv: list[str]) -> None:
    done = run(argv)
    assert faults.explain(done.returncode, done.stdout).reason == Reason.SNAPSHOT_GONE
    assert restore.explain(done.returncode, done.stdout).reason == Reason.SNAPSHOT_GONE


@pytest.mark.parametrize("argv", [ls.argv(GONE), ls.names_argv(GONE)], ids=["ls", "names"])
def test_its_listing_says_that_it_is_gone(run: Run, argv: list[str]) -> None:
    done = run(argv)
    assert faults.explain(done.returncode, done.stdout).reason == Reason.SNAPSHOT_GONE
    assert not any(ls.is_snapshot(line) for line in done.stdout.splitlines())


def test_a_copy_says_that_it_is_gone(run: Run) -> None:
    assert snapshots.NONE_FOUND.encode() in run(copy.argv([GONE])).stdout


def test_a_snapshot_that_is_there_is_found(run: Run) -> None:
    (snapshot,) = json.loads(run(["restic", "snapshots", "--json"]).stdout)
    lines = run(ls.argv(snapshot["id"])).stdout.splitlines()
    assert any(ls.is_snapshot(line) for line in lines)
