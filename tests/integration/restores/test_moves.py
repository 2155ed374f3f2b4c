"""The script that moves restored files to their place, with busybox's programs and with GNU's.

Whatever fails, and wherever it is killed, the target is as before or as it was to be.
"""

import os
import shutil
import stat
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from tests import userlands
from tests.userlands import ODD_NAMES, path_below

from kronkeep_daemon.restores import move_script
from kronkeep_daemon.restores.move_script import Move

Facts = dict[str, tuple[object, ...]]
OLD_TIME = 1_000_000_000
NEW_TIME = 1_500_000_000
PROGRAMS = ("mv", "mkdir", "tar", "cp", "rm", "sync", "find", "stat", "sort", "touch")
# Counts its calls, and at one of them kills the whole process group, or fails; mv also half way.
SHIM = """#!/bin/dash
read -r count < {counter}
count=$((count + 1))
echo $count > {counter}
echo {name} >> {counter}.names
if [ $count -eq $FAULT_AT ]; then
  case $FAULT in
    *-half)
      if [ {name} = mv ]; then
        shift 2
        for destination; do :; done
        {program} -n -- "$1" "$destination"
      fi ;;
  esac
  case $FAULT in
    kill*) kill -9 0 ;;
    fail*) exit 1 ;;
    write) echo theirs > "$FAULT_PATH" ;;
  esac
fi
exec {program} "$@"
"""


class Programs(NamedTuple):
    """A userland's programs, the shims before them, and the file that counts the shims' calls.

    With a fault the shell is dash: busybox's runs its own programs, whatever the PATH says.
    """

    path: str
    shims: Path
    counter: Path

    def run(
        self, argv: list[str], fault: str = "", at: int = 0, path: Path | None = None
    ) -> subprocess.CompletedProcess[bytes]:
        """Run a command line; with `fault` that happens at one of its calls of a program, 0 is none.

        path: what the fault `write` writes to.
        """
        self.counter.write_text("0\n")
        self.names.write_text("")
        programs = f"{self.shims}:{self.path}" if fault else self.path
        environment = {"PATH": programs, "FAULT": fault, "FAULT_AT": str(at), "FAULT_PATH": str(path)}
        return subprocess.run(
            ["/usr/bin/env", *argv],
            env=environment,
            capture_output=True,
            timeout=120,
            start_new_session=True,
        )

    def read_calls(self) -> list[str]:
        """The programs that the last run with a fault has called."""
        return self.names.read_text().split()

    @property
    def names(self) -> Path:
        return self.counter.with_name(f"{self.counter.name}.names")


@pytest.fixture(params=userlands.USERLANDS)
def programs(request: pytest.FixtureRequest, tmp_path: Path) -> Programs:
    path = userlands.programs_of(request.param, tmp_path)
    shims = tmp_path / "shims"
    shims.mkdir()
    counter = tmp_path / "counter"
    for name in PROGRAMS:
        program = shutil.which(name, path=path)
        (shims / name).write_text(SHIM.format(counter=counter, name=name, program=program))
        (shims / name).chmod(0o755)
    (shims / "sh").symlink_to("/bin/dash")
    return Programs(path, shims, counter)


class Claims(NamedTuple):
    """Two claims, each a folder with a stage in it."""

    first: Path
    second: Path

    @property
    def moves(self) -> list[Move]:
        return [
            Move(f"{claim}/.stage/source", f"{claim}", f"{claim}/.old") for claim in (self.first, self.second)
        ]

    def describe(self) -> list[Facts]:
        return [describe(claim) for claim in self]


def make_file(path: Path, text: str) -> None:
    path.write_text(text)


def make_folder(path: Path, text: str) -> None:
    path.mkdir()
    (path / f"in a {text} folder").write_text(text)
    (path / "in both").write_text(text)


def make_empty_folder(path: Path, text: str) -> None:
    path.mkdir()


def make_link_to_folder(path: Path, text: str) -> None:
    path.symlink_to("elsewhere" if text == "old" else "kept folder")


def make_dangling_link(path: Path, text: str) -> None:
    path.symlink_to(f"nowhere {text}")


def make_pipe(path: Path, text: str) -> None:
    os.mkfifo(path)


def make_nothing(path: Path, text: str) -> None:
    pass


KINDS: dict[str, Callable[[Path, str], None]] = {
    "file": make_file,
    "folder": make_folder,
    "empty folder": make_empty_folder,
    "link to a folder": make_link_to_folder,
    "dangling link": make_dangling_link,
    "pipe": make_pipe,
    "nothing": make_nothing,
}


def set_attributes(root: Path, seconds: int, file_mode: int, folder_mode: int) -> None:
    """Give everything below a folder, and the folder, its modes and times."""
    for folder, names, file_names in os.walk(root, topdown=False):
        for name in (*file_names, *names, "."):
            path = Path(folder) / name
            if not path.is_symlink():
                path.chmod(folder_mode if path.is_dir() else file_mode)
            os.utime(path, (seconds, seconds), follow_symlinks=False)


def make_claims(root: Path) -> Claims:
    """Make two claims: every kind of file over every other one, in a stage and in its target."""
    claims = Claims(root / "first", root / "second")
    for claim in claims:
        stage = claim / ".stage" / "source"
        stage.mkdir(parents=True)
        for folder in (claim, claim / "deep", claim / "deep" / "er"):
            folder.mkdir(exist_ok=True)
            (folder / "kept folder").mkdir()
            (folder / "elsewhere").mkdir()
            (folder / "elsewhere" / "mine").write_text("stays")
            (folder / ".kept").write_text("stays")
        (stage / "deep" / "er").mkdir(parents=True)
        (stage / "whole" / "folder").mkdir(parents=True)
        (stage / "whole" / "folder" / "file").write_text("new")
        for below in (".", "deep/er"):
            for old_kind, make_old in KINDS.items():
                for new_kind, make_new in KINDS.items():
                    make_old(claim / below / f"{new_kind} over {old_kind}", "old")
                    make_new(stage / below / f"{new_kind} over {old_kind}", "new")
            for name in ODD_NAMES:
                path_below(claim / below, name).write_bytes(b"old" + name)
                path_below(stage / below, name).write_bytes(b"new" + name)
                path_below(stage / below, name[:200] + b" new").write_bytes(name)
        set_attributes(claim, OLD_TIME, 0o600, 0o750)
        set_attributes(stage, NEW_TIME, 0o444, 0o705)
    return claims


def make_small_claims(root: Path) -> Claims:
    """Make two claims anew, with a few names only: each run has some fifty steps."""
    shutil.rmtree(root, ignore_errors=True)
    claims = Claims(root / "first", root / "second")
    for claim in claims:
        stage = claim / ".stage" / "source"
        for folder, text in ((claim, "old"), (stage, "new")):
            (folder / "both").mkdir(parents=True)
            (folder / "both" / "file").write_text(text)
            (folder / f"{text} file").write_text(text)
        make_file(claim / "file or folder", "old")
        make_folder(stage / "file or folder", "new")
        make_folder(claim / "folder or link", "old")
        make_dangling_link(stage / "folder or link", "new")
        if claim == claims.second:  # it is there to be moved or put back with the first one
            shutil.rmtree(stage / "both")
        set_attributes(claim, OLD_TIME, 0o600, 0o750)
        set_attributes(stage, NEW_TIME, 0o444, 0o705)
    return claims


def describe(claim: Path) -> Facts:
    """Return what is in a claim, without stage and journal: type, mode, times, inode of what is no folder."""
    facts: Facts = {".": describe_one(claim)[:2]}
    for folder, names, file_names in os.walk(claim):
        if folder == str(claim):
            names[:] = [name for name in names if name not in (".stage", ".old")]
        for name in (*names, *file_names):
            path = Path(folder) / name
            facts[str(path.relative_to(claim))] = describe_one(path)
    return facts


def describe_one(path: Path) -> tuple[object, ...]:
    status = path.lstat()
    mode = status.st_mode
    if stat.S_ISDIR(mode):
        return ("folder", mode, int(status.st_mtime))
    content: object = path.readlink() if stat.S_ISLNK(mode) else b""
    if stat.S_ISREG(mode):
        content = path.read_bytes()
    return ("other", mode, int(status.st_mtime), status.st_ino, content)


def expect(claim: Path) -> Facts:
    """Return what `describe` shall say after the move: the target, and over it what its stage has."""
    facts = describe(claim)
    stage = claim / ".stage" / "source"
    staged = describe(stage)
    for name, new in staged.items():
        old = facts.get(name)
        if old is not None and old[0] == "folder" != new[0]:
            facts = {path: fact for path, fact in facts.items() if not path.startswith(f"{name}/")}
        facts[name] = new
    return facts


def assert_clean(claims: Claims) -> None:
    for claim in claims:
        assert not (claim / ".old").exists()


def test_every_kind_of_file_takes_the_place_of_every_other(programs: Programs, tmp_path: Path) -> None:
    claims = make_claims(tmp_path)
    expected = [expect(claim) for claim in claims]
    done = programs.run(move_script.move_argv(claims.moves))
    assert (done.returncode, done.stderr) == (0, b"")
    assert claims.describe() == expected
    assert_clean(claims)
    recovered = programs.run(move_script.recover_argv(claims.moves))
    assert (recovered.returncode, recovered.stderr) == (0, b"")
    assert claims.describe() == expected


def list_calls(programs: Programs, root: Path) -> list[str]:
    """Return the programs that a move calls."""
    programs.run(move_script.move_argv(make_small_claims(root).moves), "none")
    return programs.read_calls()


def list_steps(programs: Programs, root: Path) -> list[tuple[str, int]]:
    """Return the faults and places of a move: each call of a program, and the middle of each `mv`."""
    calls = list_calls(programs, root)
    steps = [("", at) for at in range(1, len(calls) + 1)]
    return steps + [("-half", at) for at, name in enumerate(calls, 1) if name == "mv"]


@pytest.fixture
def root() -> Iterator[Path]:
    """A folder in memory: `sync` has nothing to wait for."""
    with tempfile.TemporaryDirectory(dir="/dev/shm") as folder:
        yield Path(folder) / "claims"


FIRST_BUSYBOX = pytest.mark.parametrize(
    "programs", ["busybox", pytest.param("gnu", marks=pytest.mark.torture)], indirect=True
)


@FIRST_BUSYBOX
def test_killed_between_any_two_steps_it_is_finished_or_undone(programs: Programs, root: Path) -> None:
    ends = set()
    for place, at in list_steps(programs, root):
        claims = make_small_claims(root)
        before = claims.describe()
        after = [expect(claim) for claim in claims]
        assert programs.run(move_script.move_argv(claims.moves), f"kill{place}", at).returncode == -9
        recovered = programs.run(move_script.recover_argv(claims.moves))
        assert (recovered.returncode, recovered.stderr) == (0, b""), (place, at)
        end = claims.describe()
        assert end in (before, after), (place, at)
        ends.add(end == after)
        assert_clean(claims)
    assert ends == {True, False}


@FIRST_BUSYBOX
def test_a_recovery_may_be_killed_at_any_step_too(programs: Programs, root: Path) -> None:
    steps = len([at for place, at in list_steps(programs, root) if not place])
    for move_at in (steps * 2 // 3, steps):
        recovery_at = 0
        recovered = None
        while recovered is None or recovered.returncode == -9:
            recovery_at += 1
            claims = make_small_claims(root)
            before = claims.describe()
            after = [expect(claim) for claim in claims]
            programs.run(move_script.move_argv(claims.moves), "kill", move_at)
            recovered = programs.run(move_script.recover_argv(claims.moves), "kill-half", recovery_at)
            again = programs.run(move_script.recover_argv(claims.moves))
            assert (again.returncode, again.stderr) == (0, b""), (move_at, recovery_at)
            assert claims.describe() == (after if move_at == steps else before)
            assert_clean(claims)
        assert recovered.returncode == 0
        assert recovery_at > 3


@FIRST_BUSYBOX
def test_where_a_step_fails_everything_is_as_before(programs: Programs, root: Path) -> None:
    codes = set()
    for place, at in list_steps(programs, root):
        claims = make_small_claims(root)
        before = claims.describe()
        after = [expect(claim) for claim in claims]
        done = programs.run(move_script.move_argv(claims.moves), f"fail{place}", at)
        codes.add(done.returncode)
        # Only the removal of the journal may fail without making the move fail.
        assert claims.describe() == (after if done.returncode == 0 else before), (at, done)
        assert programs.run(move_script.recover_argv(claims.moves)).returncode == 0
        assert claims.describe() == (after if done.returncode == 0 else before), (at, done)
        assert_clean(claims)
    assert codes == {0, move_script.NOTHING_MOVED, move_script.PUT_BACK}


def test_what_somebody_else_writes_meanwhile_stays(programs: Programs, root: Path) -> None:
    move_step = next(at for at, name in enumerate(list_calls(programs, root), 1) if name == "mv")
    claims = make_small_claims(root)
    before = claims.describe()
    done = programs.run(move_script.move_argv(claims.moves), "write", move_step, claims.first / "new file")
    assert done.returncode == move_script.PUT_BACK
    assert b"something else has taken its place" in done.stderr
    assert (claims.first / "new file").read_text() == "theirs\n"
    (claims.first / "new file").unlink()
    assert {name: facts for name, facts in describe(claims.first).items() if name != "."} == {
        name: facts for name, facts in before[0].items() if name != "."
    }
    assert describe(claims.second) == before[1]
    assert_clean(claims)


def test_a_move_that_was_killed_is_not_begun_again_before_it_is_settled(
    programs: Programs, root: Path
) -> None:
    calls = list_calls(programs, root)
    claims = make_small_claims(root)
    before = claims.describe()
    programs.run(move_script.move_argv(claims.moves), "kill", calls.index("mv") + 2)
    assert programs.run(move_script.move_argv(claims.moves)).returncode == move_script.NOTHING_MOVED
    assert programs.run(move_script.recover_argv(claims.moves)).returncode == 0
    assert claims.describe() == before


@pytest.mark.skipif(shutil.which("bwrap") is None, reason="needs bubblewrap")
@pytest.mark.parametrize("staged", ["both/mine", "both", "both/mine/file", "other"])
def test_a_mount_point_is_neither_replaced_nor_moved_into(
    programs: Programs, root: Path, staged: str
) -> None:
    claims = make_small_claims(root)
    mine = claims.first / "both" / "mine"
    mine.mkdir()
    path = Path(claims.moves[0].stage) / staged
    if staged == "both":
        shutil.rmtree(path)
    path.parent.mkdir(exist_ok=True)
    path.write_text("new")
    before = claims.describe()
    after = [expect(claim) for claim in claims]
    mount = [
        str(shutil.which("bwrap")),
        "--dev-bind",
        "/",
        "/",
        "--bind",
        str(claims.second / "both"),
        str(mine),
    ]
    done = programs.run([*mount, *move_script.move_argv(claims.moves)])
    assert (done.returncode, claims.describe()) == (
        (0, after) if staged == "other" else (move_script.NOTHING_MOVED, before)
    )
    assert (b"is a mount point" in done.stderr) == (staged != "other")
    assert_clean(claims)


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to mount a small file system")
def test_a_full_file_system_leaves_everything_as_it_was(programs: Programs, tmp_path: Path) -> None:
    mount_point = tmp_path / "small"
    mount_point.mkdir()
    codes = []
    for inodes in range(45, 75, 2):
        options = f"size=1m,nr_inodes={inodes}"
        mount = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(mount_point)]
        if subprocess.run(mount, capture_output=True).returncode:
            pytest.skip("cannot mount")
        try:
            claims = make_small_claims(mount_point / "claims")
            before = claims.describe()
            after = [expect(claim) for claim in claims]
            done = programs.run(move_script.move_argv(claims.moves))
            codes.append(done.returncode)
            assert claims.describe() == (before if done.returncode else after), done
            assert_clean(claims)
        finally:
            subprocess.run(["umount", mount_point], check=True)
    assert codes[0] == move_script.NOTHING_MOVED
    assert codes[-1] == 0


@FIRST_BUSYBOX
def test_ten_thousand_files_are_moved(programs: Programs, root: Path) -> None:
    claims = make_small_claims(root)
    for number in range(10_000):
        name = f"{number:05} {'long ' * 40}"
        (Path(claims.moves[0].stage) / "both" / name).touch()
        if number % 2:
            (claims.first / "both" / name).write_text("old")
    after = [expect(claim) for claim in claims]
    done = programs.run(move_script.move_argv(claims.moves))
    assert (done.returncode, done.stderr) == (0, b"")
    assert claims.describe() == after


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to become another user")
@pytest.mark.parametrize("userland", userlands.USERLANDS)
def test_another_user_than_root_moves_folders_that_it_may_not_write_to(userland: str, root: Path) -> None:
    root.parent.chmod(0o755)
    path = userlands.programs_of(userland, root.parent)
    claims = make_small_claims(root)
    read_only = [
        Path(claims.moves[0].stage) / "new read-only",
        claims.first / "folder or link",
        claims.first / "both",
    ]
    read_only[0].mkdir()
    (read_only[0] / "inside").touch()
    for folder, names, file_names in os.walk(root):
        for name in (*names, *file_names, "."):
            os.chown(Path(folder) / name, 12345, 12345, follow_symlinks=False)
    read_only[0].chmod(0o555)
    read_only[1].chmod(0o555)
    after = [expect(claim) for claim in claims]
    user = ["setpriv", "--reuid=12345", "--regid=12345", "--clear-groups", "env", f"PATH={path}"]
    done = subprocess.run([*user, *move_script.move_argv(claims.moves)], capture_output=True)
    assert (done.returncode, done.stderr) == (0, b"")
    assert claims.describe() == after
    claims = make_small_claims(root)
    for folder, names, file_names in os.walk(root):
        for name in (*names, *file_names, "."):
            os.chown(Path(folder) / name, 12345, 12345, follow_symlinks=False)
    (claims.first / "both").chmod(0o555)
    before = claims.describe()
    done = subprocess.run([*user, *move_script.move_argv(claims.moves)], capture_output=True)
    assert done.returncode == move_script.NOTHING_MOVED
    assert b"/both/ may not be written by the user of this restore" in done.stderr
    assert claims.describe() == before
    assert_clean(claims)
