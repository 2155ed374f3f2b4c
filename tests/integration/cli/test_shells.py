"""Shells complete a verb with the scripts that are printed, and as packages install them."""

import os
import pty
import shutil
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest

BIN = Path(sys.executable).parent
HELP = "usage: kronkeep restorable"
LINE = b"kronkeep restora\t--help\n"  # as one types it, with the tab key


def script_of(shell: str) -> str:
    command = [str(BIN / "kronkeep"), "completion", shell]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def read_all(terminal: int) -> str:
    """Return all that stands on a terminal once its last process has left it."""
    shown = b""
    with suppress(OSError):  # EIO is the end
        while True:
            shown += os.read(terminal, 4096)
    return shown.decode()


@pytest.mark.skipif(shutil.which("zsh") is None, reason="needs zsh")
@pytest.mark.parametrize("way", ["installed", "sourced"])
def test_zsh_completes_at_the_first_tab(tmp_path: Path, way: str) -> None:
    script = tmp_path / ("_kronkeep" if way == "installed" else "script")
    script.write_text(script_of("zsh"))
    source = f"source {script}" if way == "sourced" else ""
    settings = (
        f"fpath=({tmp_path} $fpath)\nautoload -Uz compinit && compinit -u -d {tmp_path}/dump\n{source}\n"
    )
    (tmp_path / ".zshrc").write_text(settings)
    environment = {
        "HOME": str(tmp_path),
        "ZDOTDIR": str(tmp_path),
        "TERM": "xterm",
        "PATH": f"{BIN}:/usr/bin:/bin",
    }
    terminal, child_side = pty.openpty()
    with subprocess.Popen(
        ["zsh", "-i", "-o", "noglobalrcs"],
        env=environment,
        stdin=child_side,
        stdout=child_side,
        stderr=child_side,
        start_new_session=True,
    ):
        os.close(child_side)
        os.write(terminal, LINE + b"exit\n")
        shown = read_all(terminal)
    os.close(terminal)
    assert HELP in shown


@pytest.mark.skipif(shutil.which("fish") is None, reason="needs fish")
def test_fish_completes(tmp_path: Path) -> None:
    (tmp_path / "script").write_text(script_of("fish"))
    (tmp_path / "restoration.yaml").touch()
    lines = ("kronkeep restora", "kronkeep apply -f restora", "kronkeep storage ret")
    asked = "; ".join(f"complete -C '{line}'" for line in lines)
    command = ["fish", "--no-config", "-c", f"cd {tmp_path}; source script; {asked}"]
    environment = {"HOME": str(tmp_path), "PATH": f"{BIN}:/usr/bin:/bin"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["restorable", "restoration.yaml", "retry"], "files only where no word fits"
