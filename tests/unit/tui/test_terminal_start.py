"""What the terminal needs of its tty before it starts."""

import fcntl
import os
import signal
import subprocess
import sys
import termios
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.waiting import LONGEST_WAIT

from kronkeep_tui.terminal import set_missing_size


@pytest.fixture
def pty() -> Iterator[int]:
    controller, terminal = os.openpty()
    yield terminal
    os.close(controller)
    os.close(terminal)


def test_a_pty_without_a_size_gets_one(pty: int) -> None:
    assert os.get_terminal_size(pty) == (0, 0)
    set_missing_size(pty)
    assert os.get_terminal_size(pty) == (80, 24)


@pytest.mark.parametrize("has_session", [True, False], ids=["its own session", "another's"])
def test_it_ends_when_its_tty_is_gone_although_the_hangup_signal_is_ignored(
    has_session: bool, tmp_path: Path
) -> None:
    """A terminal without a session of its own reads an end of file, one with it an error."""
    controller, terminal = os.openpty()

    def before() -> None:
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        os.setsid()
        if has_session:
            fcntl.ioctl(0, termios.TIOCSCTTY, 0)

    process = subprocess.Popen(
        [sys.executable, "-m", "kronkeep_tui", "--socket", str(tmp_path / "none"), "terminal"],
        stdin=terminal,
        stdout=terminal,
        stderr=terminal,
        preexec_fn=before,
    )
    os.close(terminal)
    try:
        shown = b""
        while b"Overview" not in shown:
            shown += os.read(controller, 65536)
        os.close(controller)
        assert process.wait(LONGEST_WAIT) != 0
    finally:
        process.kill()
        process.wait()


def test_without_a_keyboard_it_ends_with_a_sentence() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "kronkeep_tui", "terminal"],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=LONGEST_WAIT,
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert "needs a screen and a keyboard" in done.stderr
