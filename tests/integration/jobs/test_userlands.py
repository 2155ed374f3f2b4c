"""The command lines of kronkeep's containers print and do the same in busybox and in GNU's userland.

The image restic/restic is Alpine: its tools are busybox's. Each command runs with a PATH that has busybox's
applets only, and with this machine's own tools, over a tree with the names and kinds of files people have.
"""

import os
import signal
import stat
import subprocess
import time
from base64 import b64decode
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

import pytest
from tests import userlands
from tests.userlands import ODD_NAMES, path_below
from tests.waiting import LONGEST_WAIT

from kronkeep_daemon.backups import archive_manifests, socket_search
from kronkeep_daemon.embedded.agent.environment import expand_references
from kronkeep_daemon.restic import exit_codes
from kronkeep_daemon.restic.command_line import keep_bytes, limit_time
from kronkeep_daemon.restic.version import UNKNOWN
from kronkeep_daemon.restores import restore_manifests
from kronkeep_daemon.restores.log_parser import ChecksumParser, FileListParser
from kronkeep_daemon.storages import usage_measurement

MANY = 10_000
Run = Callable[[list[str]], subprocess.CompletedProcess[bytes]]


@pytest.fixture(params=["busybox", "gnu"])
def environment(request: pytest.FixtureRequest, tmp_path: Path) -> dict[str, str]:
    """An environment whose PATH has one userland's programs."""
    return {"PATH": userlands.programs_of(request.param, tmp_path), "LC_ALL": "C"}


@pytest.fixture
def run(environment: dict[str, str]) -> Run:
    """A function that runs a command line with one userland's programs."""

    def run_argv(argv: list[str]) -> subprocess.CompletedProcess[bytes]:
        return subprocess.run(
            ["/usr/bin/env", *argv], env=environment, capture_output=True, timeout=LONGEST_WAIT
        )

    return run_argv


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with odd names, empty folders, links, a sparse file and many files."""
    root = tmp_path_factory.mktemp("tree")
    (root / "odd-files").mkdir()
    for name in ODD_NAMES:
        path_below(root / "odd-files", name).write_bytes(name)
        folder = path_below(root / "odd-folders", name)
        folder.mkdir(parents=True)
        (folder / "inside").write_bytes(b"inside " + name)
    (root / "empty" / "deep").mkdir(parents=True)
    (root / "empty file").touch()
    (root / "linked").write_text("linked")
    os.link(root / "linked", root / "hard link")
    (root / "to-file").symlink_to("linked")
    (root / "to-folder").symlink_to("empty")
    (root / "dangling").symlink_to("nowhere")
    os.mkfifo(root / "pipe")
    with (root / "sparse").open("wb") as sparse:
        sparse.truncate(50_000_000)
    many = root / "many"
    many.mkdir()
    for number in range(MANY):
        (many / f"{number:05} {'long ' * 20}").write_text(str(number))
    return root


def paths_below(root: Path) -> tuple[set[str], set[str]]:
    """The (files, folders) below a folder, without those behind symbolic links."""
    files: set[str] = set()
    folders: set[str] = set()
    for folder, names, file_names in os.walk(root):
        for name in names:
            path = f"{folder}/{name}"
            (files if Path(path).is_symlink() else folders).add(path)
        files |= {f"{folder}/{name}" for name in file_names}
    return files, folders


def test_every_file_and_folder_is_listed_once(run: Run, tree: Path) -> None:
    done = run(restore_manifests.find_argv([str(tree / "many"), str(tree)]))
    assert (done.returncode, done.stderr) == (0, b"")
    parser = FileListParser()
    for line in done.stdout.removesuffix(b"\n").split(b"\n"):
        parser.add_line(line)
    files, folders = paths_below(tree)
    assert parser.type_of == {path: type_of(path) for path in (*files, *folders)}
    assert done.stdout.count(b"\0") == len(files) + len(folders) + MANY  # `many` is below both roots


def type_of(path: str) -> str:
    """The type of a file as plans have it."""
    mode = os.lstat(path).st_mode
    if stat.S_ISDIR(mode):
        return "folder"
    if stat.S_ISLNK(mode):
        return "link"
    return "file" if stat.S_ISREG(mode) else "special file"


@pytest.mark.parametrize("content", ["nothing", "a file", "a folder"])
def test_small_folders_are_listed(run: Run, tmp_path: Path, content: str) -> None:
    root = tmp_path / "root"
    root.mkdir()
    if content == "a file":
        (root / "one").touch()
    if content == "a folder":
        (root / "one").mkdir()
    done = run(restore_manifests.find_argv([str(root)]))
    kind = {"a file": b"f", "a folder": b"d"}.get(content)
    expected = kind + os.fsencode(root / "one") + b"\0\n" if kind else b""
    assert (done.returncode, done.stdout) == (0, expected)


def test_every_regular_file_is_hashed(run: Run, tree: Path) -> None:
    done = run(restore_manifests.checksums_argv([str(tree)]))
    assert (done.returncode, done.stderr) == (0, b"")
    parser = ChecksumParser()
    for line in done.stdout.removesuffix(b"\n").split(b"\n"):
        parser.add_line(line)
    parser.close()
    files, _ = paths_below(tree)
    regular = [path for path in files if stat.S_ISREG(os.lstat(path).st_mode)]
    assert parser.sha256_of == {path: sha256(Path(path).read_bytes()).hexdigest() for path in regular}


def fill_stage(stage: Path) -> None:
    """Make a small folder of what a restore may have written."""
    (stage / "folder" / "deep").mkdir(parents=True)
    (stage / "folder" / "changed").write_text("new")
    os.link(stage / "folder" / "changed", stage / "folder" / "also changed")
    (stage / "folder" / "link").symlink_to("changed")
    (stage / "dangling").symlink_to("nowhere")
    for name in ODD_NAMES:
        path_below(stage, name).write_bytes(name)
    (stage / "folder" / "changed").chmod(0o640)
    (stage / "folder").chmod(0o700)
    os.utime(stage / "folder" / "changed", (1e9, 1e9))
    os.utime(stage / "folder", (1e9, 1e9))


def test_arguments_arrive_byte_for_byte(run: Run, tmp_path: Path) -> None:
    names = [os.fsdecode(name) for name in (*ODD_NAMES, b"$(HOME)", b"a$$b\\", b"bytes:\xe9\n")]
    argv = keep_bytes(["printf", "%s/", *names])
    assert argv[:2] == ["sh", "-c"]
    "".join(argv).encode()
    sent = [expand_references(argument, {"HOME": "replaced"}) for argument in argv]
    assert run(sent).stdout == b"".join(os.fsencode(name) + b"/" for name in names)
    assert keep_bytes(["printf", "%s", "\\ é\n"]) == ["printf", "%s", "\\ é\n"]


@pytest.mark.parametrize("name", ODD_NAMES)
def test_a_file_is_hashed_and_sent(run: Run, tree: Path, name: bytes) -> None:
    path = str(path_below(tree / "odd-files", name))
    parser = ChecksumParser()
    for line in run(restore_manifests.hash_argv(path)).stdout.removesuffix(b"\n").split(b"\n"):
        parser.add_line(line)
    parser.close()
    assert parser.sha256_of == {path: sha256(name).hexdigest()}
    lines = run(restore_manifests.send_argv(path, "64")).stdout.splitlines()
    assert b64decode(b"".join(lines)) == name
    assert all(len(line) == 64 for line in lines[:-1])


def test_stages_are_removed_with_all_that_is_in_them(run: Run, tmp_path: Path) -> None:
    fill_stage(tmp_path / "stage")
    (tmp_path / "kept").touch()
    (tmp_path / "stage" / "to-kept").symlink_to(tmp_path / "kept")
    done = run(restore_manifests.remove_argv([str(tmp_path / "stage"), str(tmp_path / "is not there")]))
    assert (done.returncode, done.stderr) == (0, b"")
    assert not (tmp_path / "stage").exists()
    assert (tmp_path / "kept").exists()


def test_sockets_are_named(run: Run, tmp_path: Path) -> None:
    names = [b"plain", b"new\nline", b"latin-\xe9"]
    tree = tmp_path / "tree"
    tree.mkdir()
    (tree / "file").touch()
    assert socket_search.warnings_of(run(socket_search.argv([str(tree)])).stdout) == ()
    for name in names:
        os.mknod(path_below(tree, name), stat.S_IFSOCK | 0o600)
    done = run(socket_search.argv([str(tree), str(tmp_path / "is not there")]))
    assert (done.returncode, done.stderr) == (0, b"")
    (sentence,) = socket_search.warnings_of(done.stdout)
    assert sentence.startswith("3 sockets are not archived")
    for shown in ("plain", r"new\x0aline", r"latin-\xe9"):
        assert shown in sentence


def test_sources_that_do_not_exist_are_named(run: Run, tree: Path) -> None:
    present = [str(path_below(tree / "odd-folders", name)) for name in ODD_NAMES]
    assert run(archive_manifests.probe_argv(present)).returncode == 0
    done = run(archive_manifests.probe_argv([*present, str(tree / "is not there")]))
    assert done.returncode != 0
    assert b"is not there" in done.stderr


def test_a_program_is_copied_with_its_mode(run: Run, tmp_path: Path) -> None:
    program = tmp_path / "program"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    assert run(archive_manifests.copy_argv(str(program), str(tmp_path / "copied"))).returncode == 0
    assert (tmp_path / "copied").stat().st_mode == program.stat().st_mode


@pytest.mark.parametrize("code", [0, 1, 3, 10, 127])
def test_a_time_limit_passes_on_what_a_program_prints_and_its_exit_code(run: Run, code: int) -> None:
    done = run(limit_time(30, ["sh", "-c", f"echo out; echo low >&2; exit {code}"]))
    assert (done.stdout, done.stderr, done.returncode) == (b"out\n", b"low\n", code)


@pytest.mark.parametrize(
    "program",
    [
        ["sleep", "60"],
        # restic from 0.19 on ends with 130, 0.17 and 0.18 with 1; waiting for ssh, it does not end at all.
        ["sh", "-c", "trap 'kill $!; exit 130' TERM; sleep 60 & wait"],
        ["sh", "-c", "trap 'kill $!; exit 1' TERM; sleep 60 & wait"],
        ["sh", "-c", "trap '' TERM; for i in 1 2 3 4 5 6 7 8 9; do sleep 1; done"],
    ],
    ids=["dies", "ends", "fails", "continues"],
)
def test_a_program_that_takes_too_long_gave_no_answer(run: Run, program: list[str]) -> None:
    began_at = time.monotonic()
    code = run(limit_time(1, program)).returncode
    assert exit_codes.meaning_of(code, "cat", UNKNOWN) == "no answer"
    assert time.monotonic() - began_at < 30


def test_a_program_with_a_time_limit_ends_with_its_container(environment: dict[str, str]) -> None:
    """A container's first process has no default action for SIGTERM, so it must have one of its own."""
    argv = ["/usr/bin/bwrap", "--die-with-parent", "--unshare-pid", "--as-pid-1", "--dev-bind", "/", "/"]
    argv += limit_time(60, ["sh", "-c", "echo ready; exec sleep 60"])
    with subprocess.Popen(argv, env=environment, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        (first,) = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        os.kill(int(first), signal.SIGTERM)
        code = process.wait(timeout=30)
    assert exit_codes.meaning_of(code, "cat", UNKNOWN) == "killed"


def test_a_volume_is_measured(run: Run, tree: Path) -> None:
    steps = dict(usage_measurement.volume_steps(str(tree)))
    block_size, blocks, free_blocks = map(int, run(steps["space"]).stdout.split())
    status = os.statvfs(tree)
    assert (block_size, blocks) == (status.f_frsize, status.f_blocks)
    assert 0 < free_blocks <= blocks
    used_kibibytes = int(run(steps["files"]).stdout.split()[0])
    assert MANY * 4 <= used_kibibytes < MANY * 4 + 10_000  # the sparse file takes nothing
