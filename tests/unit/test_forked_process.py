"""A forked process is as a fresh one: streams, exit code, environment and folder; how it is killed."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from tests.forked_process import ForkedProcess

SPEAKER = """
import json, os, signal, sys
print(json.dumps({
    "argv": sys.argv[1:], "pid": os.getpid(), "folder": os.getcwd(), "word": os.environ.get("KRONKEEP_WORD"),
    "fds": len(os.listdir("/proc/self/fd")), "interrupt": str(signal.getsignal(signal.SIGINT)),
    "typed": input(),
}), flush=True)
print("an error", file=sys.stderr)
sys.exit(int(sys.argv[1]))
"""


def hear(process: "ForkedProcess | subprocess.Popen[bytes]") -> tuple[dict[str, object], int]:
    """Return what the speaker says once something was typed, and its exit code."""
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(b"typed\n")
    process.stdin.close()
    said = json.loads(process.stdout.read())
    process.stdout.close()
    assert said["pid"] == process.pid
    del said["pid"]
    return said, process.wait(60)


def test_it_says_what_a_fresh_process_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "speaker.py").write_text(SPEAKER)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("KRONKEEP_WORD", "of this test")
    words = ["speaker", "7", "two words"]
    with (tmp_path / "errors").open("wb") as errors:
        forked = hear(ForkedProcess(words, errors))
    fresh = subprocess.Popen(
        ["env", "--default-signal=INT", sys.executable, "-m", *words],  # whatever these tests inherited
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    assert forked == hear(fresh)
    assert forked[1] == 7
    assert (tmp_path / "errors").read_text() == "an error\n"


def test_one_that_is_killed_has_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "waiter.py").write_text("input()")
    monkeypatch.chdir(tmp_path)
    with (tmp_path / "errors").open("wb") as errors:
        processes = [ForkedProcess(["waiter"], errors) for _ in range(2)]
    killed, other = processes
    assert killed.poll() is None
    killed.kill()
    assert killed.wait(60) == -signal.SIGKILL
    assert not Path(f"/proc/{killed.pid}").exists()
    assert other.poll() is None
    with pytest.raises(subprocess.TimeoutExpired):
        other.wait(0.01)
    os.kill(other.pid, signal.SIGTERM)
    assert other.wait(60) == -signal.SIGTERM
    for process in processes:
        process.close_pipes()
