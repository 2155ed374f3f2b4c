"""What the terminal needs of its tty before it starts."""

import os
import subprocess
import sys
from collections.abc import Iterator

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
