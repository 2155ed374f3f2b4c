"""The command channel: a program gets the message on its standard input, and is killed at the deadline."""

import json
import os
import sys
from pathlib import Path

import pytest
from tests.integration.alerts.alert_scene import daemon
from tests.waiting import eventually

from kronkeep_daemon.alert_settings import ChannelSettings
from kronkeep_daemon.alerts import channel_sender, delivery


def command(program: str, *arguments: str) -> ChannelSettings:
    return ChannelSettings(name="ops", kind="command", command=(sys.executable, "-c", program, *arguments))


async def test_a_program_gets_the_message_and_its_arguments_as_they_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", "/run/secret")
    program = (
        "import os, sys\n"
        "said = sys.stdin.read() + '\\n' + repr((sys.argv[2], dict(os.environ)))\n"
        "open(sys.argv[1], 'w').write(said)"
    )
    file = tmp_path / "said"
    async with daemon(tmp_path, command(program, str(file), "$(id); `id`")) as it:
        await it.service.evaluate()
        await it.wait_until_sent()
    message, said = file.read_text().split("\n")
    assert json.loads(message)["event"] == "opened"
    assert json.loads(message)["alert"]["object"] == "shop/dump"
    assert "'$(id); `id`'" in said
    assert "CREDENTIALS_DIRECTORY" not in said


@pytest.mark.parametrize(
    ("argv", "why"),
    [
        ((sys.executable, "-c", "raise SystemExit(3)"), "the program ended with 3"),
        (("/no/such/program",), "cannot be started (FileNotFoundError)"),
        (("/etc/passwd",), "cannot be started (PermissionError)"),
    ],
)
async def test_what_does_not_succeed_is_said_and_given_up(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, argv: tuple[str, ...], why: str
) -> None:
    async with daemon(tmp_path, ChannelSettings(name="ops", kind="command", command=argv)) as it:
        await it.service.evaluate()
        await it.wait_until_sent()
        await it.service.evaluate()
        assert "ChannelStuck" in {alert.code for alert in it.service.active_alerts()}
    assert why in caplog.text


async def test_a_program_that_hangs_is_killed_with_what_it_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(delivery, "COMMAND_SECONDS", 3.0)
    monkeypatch.setattr(channel_sender, "PAUSES", ())
    pids = tmp_path / "pids"
    program = (
        "import os, subprocess, sys, time\n"
        "child = subprocess.Popen(['sleep', '1000'])\n"
        f"open({str(pids)!r}, 'w').write(f'{{os.getpid()}} {{child.pid}}')\n"
        "time.sleep(1000)"
    )
    async with daemon(tmp_path, command(program)) as it:
        await it.service.evaluate()
        await it.wait_until_sent()

    async def running() -> list[int]:
        return [int(pid) for pid in pids.read_text().split() if is_running(int(pid))]

    assert await eventually(running, lambda left: not left) == []


def is_running(pid: int) -> bool:
    """Whether a process runs; one that has ended and was not awaited does not."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        os.kill(pid, 0)
    except (OSError, IndexError):
        return False
    return state != "Z"
