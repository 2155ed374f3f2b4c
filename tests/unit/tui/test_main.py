"""`kronkeep` without arguments."""

import gc
import sys
from pathlib import Path

import pytest

from kronkeep_tui.__main__ import main


class Screen:
    """A standard stream that is a terminal."""

    def isatty(self) -> bool:
        return True


def test_wrong_settings_are_a_sentence_and_bad_input(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "kronkeep").mkdir()
    (tmp_path / "kronkeep/terminal.toml").write_text('theme = "pink"\n')
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.setattr(sys, "argv", ["kronkeep"])
    monkeypatch.setattr(sys, "stdin", Screen())
    monkeypatch.setattr(sys, "stdout", Screen())
    try:
        assert main() == 2
    finally:
        gc.enable()
    error = capsys.readouterr().err
    assert "terminal.toml: theme: it cannot be 'pink'" in error
    assert "[InvalidSettings]" in error
    assert "the terminal has not started" in error
    assert "in force" not in error
