"""What the daemon does at signals, and how it checks its settings before a start."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from tests.daemon_process import Daemon
from tests.waiting import eventually


async def wait_for_log(daemon: Daemon, words: str) -> str:
    async def read() -> str:
        return daemon.log.read_text()

    return await eventually(read, lambda text: words in text)


async def test_signals_reload_the_settings_and_log_the_state(tmp_path: Path) -> None:
    file = tmp_path / "kronkeepd.toml"
    file.write_text("")
    daemon = Daemon(tmp_path / "state")
    daemon.arguments = ("--config", str(file), "--log-level", "warning", "--log-format", "text")
    await daemon.start()
    try:
        os.kill(daemon.pid, signal.SIGUSR1)
        text = await wait_for_log(daemon, "state of history")
        assert '"systemd watchdog"' in text
        assert '"open_files"' in text
        assert "INFO kronkeep_daemon.state_dump: state of watches" in text
        file.write_text("nonsense")
        os.kill(daemon.pid, signal.SIGHUP)
        await wait_for_log(daemon, "the old ones stay in force")
    finally:
        assert await daemon.stop() == 0


@pytest.mark.parametrize(
    ("text", "code", "said"),
    [
        ('[clusters.a]\nkubeconfig = "kubeconfig"', 0, "no fault"),
        ('[clusters.a]\nkubeconfig = "/none/at/all"', 1, "clusters.a.kubeconfig: /none/at/all: No such file"),
        ("", 1, "No cluster is configured"),
        ("[clusters.a]\nkubeconfigs = 1", 1, "kubeconfigs"),
    ],
)
def test_settings_are_checked_without_a_start(tmp_path: Path, text: str, code: int, said: str) -> None:
    file = tmp_path / "kronkeepd.toml"
    file.write_text(text)
    command = [sys.executable, "-m", "kronkeep_daemon", "--config", str(file), "--check-config"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == code
    assert said in done.stdout + done.stderr
    assert list(tmp_path.iterdir()) == [file]
