"""Programs that take the screen of the terminal for a while, on a real terminal device."""

import json
from pathlib import Path

import pytest
from tests.ui.terminal import Terminal, kronkeep


def _run_command(terminal: Terminal) -> None:
    terminal.wait_for(b"FAIL")
    terminal.settle()
    terminal.type(b"\x07")  # ctrl+g
    terminal.wait_for(b"y/n")
    terminal.read_for(0.4)  # a question that changes something rests before it takes a key
    terminal.type(b"y")


def _require_keys_to_count(terminal: Terminal) -> None:
    terminal.type(b"?")
    terminal.wait_for(b"Keys in")


@pytest.mark.parametrize(
    ("program", "words"),
    [
        (["nosuchprog", "{namespace}"], b"nosuchprog: not found."),
        (["/etc/passwd"], b"/etc/passwd: permission denied."),
        (["{folder}/text"], b"text: exec format error."),
        (["/etc/passwd/x"], b"/etc/passwd/x: not a directory."),
    ],
)
def test_a_command_that_cannot_be_run_gives_the_screen_back(
    program: list[str], words: bytes, tmp_path: Path
) -> None:
    (tmp_path / "text").write_bytes(b"\0 no program")
    (tmp_path / "text").chmod(0o755)
    argv = [word.replace("{folder}", str(tmp_path)) for word in program]
    commands = json.dumps([{"key": "ctrl+g", "views": ["jobs"], "run": argv}])
    with kronkeep("failing", 220, 24, commands=commands) as terminal:
        _run_command(terminal)
        terminal.wait_for(words)
        _require_keys_to_count(terminal)


@pytest.mark.parametrize(
    ("script", "words"),
    [("exit 1", b"sh ended with 1."), ("kill -9 $$", b"sh was killed by SIGKILL.")],
)
def test_a_command_that_fails_gives_the_screen_back(script: str, words: bytes) -> None:
    commands = json.dumps([{"key": "ctrl+g", "views": ["jobs"], "run": ["sh", "-c", script]}])
    with kronkeep("failing", 220, 24, commands=commands) as terminal:
        _run_command(terminal)
        terminal.wait_for(b"enter goes back")
        terminal.type(b"\r")
        terminal.wait_for(words)
        _require_keys_to_count(terminal)


def test_ctrl_c_ends_a_command_and_not_the_terminal() -> None:
    run = ["sh", "-c", "echo ready; exec sleep 600"]
    commands = json.dumps([{"key": "ctrl+g", "views": ["jobs"], "run": run}])
    with kronkeep("failing", 220, 24, commands=commands) as terminal:
        _run_command(terminal)
        terminal.wait_for(b"ready")
        terminal.type(b"\x03")
        terminal.wait_for(b"enter goes back")
        terminal.type(b"\x03\r")
        terminal.wait_for(b"sh was killed by SIGINT.")
        _require_keys_to_count(terminal)


@pytest.mark.parametrize(
    ("editor", "words"),
    [
        ("nosuchedit", b"nosuchedit: not found. Set EDITOR"),
        ("/etc/passwd", b"/etc/passwd: permission denied. Set EDITOR"),
        ("'open", b"EDITOR cannot be read: No closing quotation."),
        ("false", b"The editor ended with 1;"),
        ("sh -c 'kill -9 $$'", b"The editor was killed by SIGKILL;"),
    ],
)
def test_an_editor_that_cannot_be_run_or_fails_gives_the_screen_back(editor: str, words: bytes) -> None:
    with kronkeep("failing", 220, 24, EDITOR=editor, VISUAL=editor) as terminal:
        terminal.wait_for(b"FAIL")
        terminal.settle()
        terminal.type(b"E")
        terminal.wait_for(words)
        _require_keys_to_count(terminal)
