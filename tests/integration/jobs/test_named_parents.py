"""An archive that is given its parent, and the list that confirms it, as each restic and userland do them."""

import os
import socket
import subprocess
from pathlib import Path
from typing import NamedTuple

import pytest
from tests.e2e.backup_site import DEBIAN_RESTIC, NEWER_RESTIC
from tests.quick_repository import write_quick_repository
from tests.userlands import programs_of

from kronkeep_common.reasons import Reason
from kronkeep_daemon.restic import backup, faults, snapshots
from kronkeep_daemon.restic.backup import BackupOptions
from kronkeep_daemon.restic.command_line import complete
from kronkeep_daemon.restic.parent import with_parent
from kronkeep_daemon.restic.snapshots import ListedSnapshot, SnapshotTags

PROGRAMS = [program for program in (DEBIAN_RESTIC, str(NEWER_RESTIC)) if Path(program).exists()]
CONTAINERS = [
    *((program, "busybox") for program in PROGRAMS),
    *((program, "gnu") for program in PROGRAMS[:1]),
]
GONE = "e9cf46e7a27e03bcdfe391f056fd32a97eb62dd0724d43e59bdc78307ad1d70d"
OTHERS = 12  # snapshots of others: more than are read by their ids
TAGS = SnapshotTags(policy="p", backup="b2")


class Container(NamedTuple):
    """What a container of an archive runs in: userland, restic, repository, cache and source."""

    program: str
    folder: Path
    environment: dict[str, str]

    def run(self, argv: list[str]) -> subprocess.CompletedProcess[bytes]:
        command = complete(argv, program=self.program, options=[])
        output, error = subprocess.PIPE, subprocess.STDOUT
        return subprocess.run(command, env=self.environment, stdout=output, stderr=error, check=False)

    def archive(self, tags: SnapshotTags, parent: str | None = None, seconds: int = 60) -> list[str]:
        options = BackupOptions(host="kronkeep", tags=tags, compression="auto", force=False)
        argv = backup.argv(options, [str(self.folder / "source")])
        return with_parent(argv, parent, seconds) if parent is not None else argv

    def in_a_new_pod(self) -> "Container":
        cache = self.folder / "new-cache"
        cache.mkdir()
        return self._replace(environment=self.environment | {"RESTIC_CACHE_DIR": str(cache)})

    def confirm(self, parent: str | None) -> list[ListedSnapshot] | None:
        done = self.run(snapshots.confirmation_argv(TAGS, parent))
        assert done.returncode == 0, done.stdout
        return snapshots.parse_list(done.stdout)

    def snapshot_ids(self) -> list[str]:
        return sorted(path.name for path in (self.folder / "repository" / "snapshots").iterdir())


@pytest.fixture(params=CONTAINERS)
def container(request: pytest.FixtureRequest, tmp_path: Path) -> Container:
    """A new repository, in which the policy `p` has one snapshot and others have what nobody can read."""
    program, userland = request.param
    environment = {
        "PATH": programs_of(userland, tmp_path),
        "RESTIC_REPOSITORY": str(tmp_path / "repository"),
        "RESTIC_PASSWORD": "x",
        "RESTIC_CACHE_DIR": str(tmp_path / "cache"),
    }
    (tmp_path / "source").mkdir()
    (tmp_path / "source" / "file").write_text("x")
    (tmp_path / "cache").mkdir()
    write_quick_repository(tmp_path / "repository", "x")
    container = Container(program, tmp_path, os.environ | environment)
    done = container.run(container.archive(SnapshotTags(policy="p", backup="b1")))
    assert done.returncode == 0, done.stdout
    return container.in_a_new_pod()


def add_others(container: Container) -> None:
    """Put snapshots of others there that nobody can read, so that restic would tell if it read them."""
    for number in range(OTHERS):
        name = f"{number:064x}"
        (container.folder / "repository" / "snapshots" / name).write_text("nobody may read this")


def test_one_snapshot_is_read_before_an_archive_and_one_after_it(container: Container) -> None:
    (parent,) = container.snapshot_ids()
    add_others(container)
    done = container.run(container.archive(TAGS, parent))
    result = backup.parse_summary(done.stdout, "")
    assert (done.returncode, b"nobody" in done.stdout, b"Ignoring" in done.stdout) == (0, False, False)
    assert result is not None
    assert (result.files_unmodified, result.files_new) == (1, 0)
    listed = container.confirm(parent)
    assert listed is not None
    assert [(each.backup, each.policy) for each in listed] == [("b2", "p")]
    assert listed[0].id.startswith(result.snapshot_id)


def test_the_list_reads_the_repository_and_not_what_restic_remembers(container: Container) -> None:
    (parent,) = container.snapshot_ids()
    assert container.run(container.archive(TAGS, parent)).returncode == 0
    (made,) = set(container.snapshot_ids()) - {parent}
    (container.folder / "repository" / "snapshots" / made).write_bytes(b"something else")
    done = container.run(snapshots.confirmation_argv(TAGS, parent))
    assert not snapshots.parse_list(done.stdout)


def test_a_parent_that_is_gone_is_said_before_anything_is_written(container: Container) -> None:
    before = container.snapshot_ids()
    done = container.run(container.archive(TAGS, GONE))
    assert backup.judge(done.returncode, done.stdout, "0.14.0").reason == Reason.SNAPSHOT_GONE
    assert container.snapshot_ids() == before
    assert not list((container.folder / "repository" / "locks").iterdir())


def test_without_a_parent_the_backups_own_snapshots_are_listed(
    container: Container, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(snapshots, "MOST_NAMED", 1)
    assert container.run(container.archive(TAGS)).returncode == 0
    listed = container.confirm(None)
    assert listed is not None
    assert [each.backup for each in listed] == ["b2"]


def test_a_server_that_does_not_answer_is_not_waited_for(container: Container) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"rest:http://127.0.0.1:{server.getsockname()[1]}/"
        silent = container._replace(environment=container.environment | {"RESTIC_REPOSITORY": address})
        done = silent.run(silent.archive(TAGS, GONE, seconds=1))
    assert done.returncode == 124
    assert faults.explain(done.returncode, done.stdout, "backup").reason == Reason.SERVER_UNREACHABLE


def test_an_archive_ends_when_it_is_told_to(container: Container) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"rest:http://127.0.0.1:{server.getsockname()[1]}/"
        argv = complete(container.archive(TAGS, GONE), program=container.program, options=[])
        environment = container.environment | {"RESTIC_REPOSITORY": address}
        with subprocess.Popen(argv, env=environment, stdout=subprocess.DEVNULL) as process:
            connection, _ = server.accept()
            with connection:
                process.terminate()
                assert process.wait(10) != 0
