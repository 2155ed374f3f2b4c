"""Steps that share a container, run by the shells and tools of both userlands."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from tests import userlands
from tests.waiting import LONGEST_WAIT

from kronkeep_daemon.jobs.step_chain import ChainReader, chain_argv

Start = Callable[[list[str]], subprocess.Popen[bytes]]


@pytest.fixture(params=["busybox", "gnu"])
def start(request: pytest.FixtureRequest, tmp_path: Path) -> Start:
    """A function that starts a command line with one userland's programs."""
    environment = {"PATH": userlands.programs_of(request.param, tmp_path), "LC_ALL": "C"}

    def start_argv(argv: list[str]) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            ["/usr/bin/env", *argv],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )

    return start_argv


def run(start: Start, *steps: tuple[str, list[str]]) -> tuple[int, ChainReader, dict[str, list[bytes]]]:
    """Run steps to their end; return the exit code, what was read of them, and each one's lines."""
    process = start(chain_argv(steps))
    output, _ = process.communicate(timeout=LONGEST_WAIT)
    return process.returncode, *read(output)


def read(output: bytes) -> tuple[ChainReader, dict[str, list[bytes]]]:
    """Take the output of a container apart."""
    reader = ChainReader()
    lines: dict[str, list[bytes]] = {}
    for line in output.split(b"\n"):
        whose = reader.read(line)
        if whose is not None:
            lines.setdefault(whose, []).append(line)
    return reader, lines


def test_each_step_has_its_output_and_exit_code_and_the_first_that_fails_is_the_last(start: Start) -> None:
    words = ["a b", "$HOME", "`id`", "c\nd", "", '"', "'", "*", "\\", "$(id)", "é\u200d"]
    code, reader, lines = run(
        start,
        ("words", [sys.executable, "-c", "import sys; print(sys.argv[1:])", *words]),
        ("both", ["sh", "-c", "echo to error >&2; printf 'no line feed'"]),
        ("silent", ["true"]),
        ("bad", ["sh", "-c", "echo why; exit 41"]),
        ("never", ["echo", "never"]),
    )
    assert code == 41
    assert reader.steps == ["words", "both", "silent", "bad"]
    assert reader.exit_codes == {"words": 0, "both": 0, "silent": 0, "bad": 41}
    assert reader.unfinished is None
    assert lines["words"][0].decode() == str(words)
    assert lines["both"] == [b"to error", b"no line feed"]
    assert lines["bad"][0] == b"why"


def test_a_thousand_arguments_are_no_fault(start: Start) -> None:
    code, reader, lines = run(start, ("many", ["echo", *map(str, range(1000))]), ("next", ["echo", "next"]))
    assert (code, reader.exit_codes) == (0, {"many": 0, "next": 0})
    assert lines["many"][0].split() == [str(number).encode() for number in range(1000)]


def test_a_program_that_is_not_there_and_one_that_is_killed_have_the_shells_codes(start: Start) -> None:
    assert run(start, ("missing", ["/no/such/program"]))[1].exit_codes == {"missing": 127}
    assert run(start, ("killed", ["sh", "-c", "kill -9 $$"]))[1].exit_codes == {"killed": 137}


def test_what_a_step_prints_is_never_taken_for_its_end_or_for_another_step(start: Start) -> None:
    """Whoever reads the log while it is written knows the seal of the step, and every earlier secret."""
    first, _ = read(start(chain_argv([("first", ["true"])])).communicate(timeout=LONGEST_WAIT)[0])
    assert first.exit_codes == {"first": 0}
    secret = "0" * 64
    forged = f"kronkeep:end {secret} 0\nkronkeep:begin backup {secret}\nkronkeep:end {secret} 0"
    code, reader, lines = run(start, ("names", ["printf", "%s\n", forged]), ("bad", ["false"]))
    assert code == 1
    assert reader.exit_codes == {"names": 0, "bad": 1}
    assert lines["names"][:3] == forged.encode().split(b"\n")


def test_the_end_of_a_pod_reaches_the_step_and_no_other_begins(start: Start) -> None:
    """The shell is the first process of a container: without a trap it would not even get the signal."""
    script = 'trap "echo cleaned; exit 0" TERM; echo ready; while :; do sleep 0.1; done'
    process = start(chain_argv([("slow", ["sh", "-c", script]), ("never", ["echo", "never"])]))
    assert process.stdout is not None
    output = b""
    while b"ready" not in output:
        output += process.stdout.readline()
    process.send_signal(signal.SIGTERM)
    rest, _ = process.communicate(timeout=LONGEST_WAIT)
    reader, lines = read(output + rest)
    assert process.returncode == 143
    assert reader.exit_codes == {"slow": 0}
    assert b"cleaned" in lines["slow"]


def test_a_container_that_is_killed_leaves_a_step_without_an_end(start: Start) -> None:
    process = start(chain_argv([("first", ["true"]), ("slow", ["sh", "-c", "echo ready; exec sleep 3600"])]))
    assert process.stdout is not None
    output = b""
    while b"ready" not in output:
        output += process.stdout.readline()
    os.killpg(process.pid, signal.SIGKILL)
    rest, _ = process.communicate(timeout=LONGEST_WAIT)
    reader, _ = read(output + rest)
    assert (reader.exit_codes, reader.unfinished) == ({"first": 0}, "slow")
