"""Lists of snapshots: how restic's output becomes lines, and the lines snapshots, however many there are."""

import json
import os
import shutil
import subprocess
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from kronkeep_daemon.restic import snapshots
from kronkeep_daemon.restic.command_line import complete
from kronkeep_daemon.restic.snapshots import ListedSnapshot, SnapshotListParser

MANY = 10_000
List = Callable[..., subprocess.CompletedProcess[bytes]]


def full_id(number: int) -> str:
    return f"{number:064x}"


def snapshot(number: int, **fields: Any) -> dict[str, Any]:
    """A snapshot as restic 0.19 prints it."""
    tags = ["policy=p", "run=" + "r" * 36, f"backup=b{number}"]
    return {
        "time": "2026-03-01T12:00:00.123456789Z",
        "parent": full_id(number + 1),
        "tree": full_id(number + 2),
        "paths": ["/source/data"],
        "hostname": "kronkeep.default.job",
        "username": "root",
        "tags": tags,
        "program_version": "restic 0.19.1",
        "summary": {"backup_start": "2026-03-01T12:00:00Z", "files_new": 1, "total_bytes_processed": 2},
        **fields,
        "id": full_id(number),
        "short_id": full_id(number)[:8],
    }


@pytest.fixture(params=["busybox", "gnu"])
def list_with(request: pytest.FixtureRequest, tmp_path: Path) -> List:
    """A function that runs the command line with a restic that prints `output`, in one of two userlands."""
    path = os.environ["PATH"]
    if request.param == "busybox":
        applets = tmp_path / "applets"
        applets.mkdir()
        subprocess.run(["busybox", "--install", "-s", applets], check=True)
        path = str(applets)

    def run(output: str, code: int = 0) -> subprocess.CompletedProcess[bytes]:
        program = tmp_path / "restic"
        printed = tmp_path / "output"
        printed.write_text(output)
        program.write_text(f"#!/bin/sh\necho warning >&2\ncat {printed}\nexit {code}\n")
        program.chmod(0o755)
        argv = complete(snapshots.list_argv(), program=str(program), options=())
        return subprocess.run(["/usr/bin/env", *argv], env={"PATH": path}, capture_output=True, timeout=60)

    return run


def parse(log: bytes) -> list[ListedSnapshot] | None:
    parser = SnapshotListParser()
    for line in log.removesuffix(b"\n").split(b"\n"):
        parser.add_line(line)
    return parser.snapshots()


ODD = [
    snapshot(1),
    snapshot(2, paths=["/a}b", "}", "},{", '"id":"', "\n", "{}}}"], tags=["mine", "policy=p}", "backup=x"]),
    snapshot(3, tags=None, summary={"parts": {"files": {}}, "id": 7}),
]


def test_a_list_is_read_as_restic_printed_it(list_with: List) -> None:
    done = list_with(json.dumps(ODD, separators=(",", ":")) + "\n")
    assert (done.returncode, done.stderr) == (0, b"warning\n")
    listed = parse(done.stdout)
    assert listed is not None
    assert [each.id for each in listed] == [full_id(1), full_id(2), full_id(3)]
    assert [each.backup for each in listed] == ["b1", "x", ""]
    assert listed[1].tags == ("policy=p}", "backup=x")


@pytest.mark.parametrize("output", ["[]\n", "null\n"])
def test_a_repository_without_snapshots_is_an_empty_list(list_with: List, output: str) -> None:
    assert parse(list_with(output).stdout) == []


@pytest.mark.parametrize(
    "output", ["", "no list\n", "[\n", json.dumps(ODD, separators=(",", ":"))[:-9] + "\n"]
)
def test_a_list_that_was_cut_says_nothing(list_with: List, output: str) -> None:
    assert parse(list_with(output).stdout) is None


def test_the_exit_code_is_restics(list_with: List) -> None:
    assert list_with("", 12).returncode == 12
    assert list_with("[]\n", 1).returncode == 1


def test_ten_thousand_snapshots_are_read_in_little_memory(list_with: List) -> None:
    every = [snapshot(number) for number in range(MANY)]
    done = list_with(json.dumps(every, separators=(",", ":")) + "\n")
    assert len(done.stdout) > 5 * 1024 * 1024
    tracemalloc.start()
    listed = parse(done.stdout)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert listed is not None
    assert [each.backup for each in listed] == [f"b{number}" for number in range(MANY)]
    assert peak < 4 * len(done.stdout)  # the lines of this test are most of it


def test_lines_of_other_programs_and_the_kubelets_times_are_no_part_of_a_list() -> None:
    time = b"2026-01-01T00:00:00.000000000Z "
    text = json.dumps([snapshot(1)], separators=(",", ":")).encode().replace(b"}", b"\n")
    lines = [b"warning: slow", b'{"message_type":"status"', b"[broken", *text.split(b"\n")]
    listed = snapshots.parse_list(b"\n".join(time + line for line in lines))
    assert listed is not None
    assert [each.backup for each in listed] == ["b1"]


def test_one_snapshot_that_is_too_long_to_read_makes_the_list_unreadable() -> None:
    parser = SnapshotListParser()
    parser.add_line(b'[{"paths":["')
    for _ in range(5):
        parser.add_line(b"x" * 1024 * 1024)
    assert parser.snapshots() is None
    parser.add_line(b"]")
    assert parser.snapshots() is None


def test_an_id_that_is_none_is_not_read() -> None:
    assert snapshots.parse_list(b'[{"id":"--option"\n]') is None


@pytest.mark.parametrize(
    "warning",
    [
        b"could not load snapshot 42642fab: load <snapshot/42642fabad>: invalid data returned",
        b'Ignoring "af3289076d": failed to load snapshot af328907: LoadRaw(): permission denied',
    ],
)
@pytest.mark.parametrize("is_first", [True, False])
def test_a_list_that_lacks_a_snapshot_is_no_list(warning: bytes, *, is_first: bool) -> None:
    listed = json.dumps([snapshot(1)]).replace("}", "\n").encode()
    assert parse(listed) is not None
    assert parse(warning + b"\n" + listed if is_first else listed + b"\n" + warning) is None


def test_a_path_that_reads_like_the_warning_hides_no_list() -> None:
    odd = snapshot(1, paths=["/source/}could not load snapshot ", '/source/}Ignoring "'])
    listed = parse(json.dumps([odd]).replace("}", "\n").encode())
    assert listed is not None
    assert [each.id for each in listed] == [odd["id"]]


@pytest.mark.skipif(shutil.which("restic") is None, reason="restic is not installed")
def test_restic_leaves_out_a_snapshot_that_it_cannot_read_and_says_so(tmp_path: Path) -> None:
    environment = os.environ | {"RESTIC_REPOSITORY": str(tmp_path / "r"), "RESTIC_PASSWORD": "x"}
    (tmp_path / "file").write_text("x")
    for argv in (["init"], ["backup", str(tmp_path / "file")], ["backup", str(tmp_path / "file")]):
        subprocess.run(["restic", "--no-cache", *argv], env=environment, capture_output=True, check=True)
    damaged = next((tmp_path / "r" / "snapshots").iterdir())
    damaged.chmod(0o600)
    damaged.write_bytes(damaged.read_bytes()[:-1] + b"?")
    done = subprocess.run(snapshots.list_argv(), env=environment, capture_output=True, check=True)
    assert parse(done.stdout) is not None
    assert parse(done.stderr + done.stdout) is None
