"""Receivers that hang, drip, flood, redirect or refuse TLS hurt nobody but themselves."""

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from tests.integration.alerts.alert_scene import Receiver, channel, daemon
from tests.waiting import LONGEST_WAIT, eventually

from kronkeep_daemon.alert_settings import ChannelSettings
from kronkeep_daemon.alerts import channel_sender
from kronkeep_daemon.alerts.channels import KINDS, apprise_channel

MORE_MEMORY = 5 * 1024  # KiB


@asynccontextmanager
async def hostile_server() -> AsyncIterator[tuple[int, list[str]]]:
    """The port of a process with `hostile_receiver`, and the paths of the requests that it has got so far."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, str(Path(__file__).with_name("hostile_receiver.py")), stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    port = int(await process.stdout.readline())
    paths: list[str] = []

    async def read_paths() -> None:
        assert process.stdout is not None
        async for line in process.stdout:
            paths.append(line.decode().strip())

    reading = asyncio.create_task(read_paths())
    yield port, paths
    process.kill()
    await process.wait()
    await reading


def channel_to(folder: Path, name: str, url: str, kind: str) -> ChannelSettings:
    (folder / name).mkdir()
    return channel(folder / name, url, name=name, kind=kind)


def kib_of(word: str) -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(word))


@pytest.mark.parametrize(
    ("kind", "stuck", "accepting"),
    [
        ("webhook", {"hang", "drip", "redirect", "tls"}, {"flood", "dripping"}),
        ("apprise", {"redirect"}, {"flood"}),
    ],
)
async def test_others_are_served_and_a_stuck_channel_is_reported_to_them(
    tmp_path: Path,
    receiver: Receiver,
    monkeypatch: pytest.MonkeyPatch,
    kind: str,
    stuck: set[str],
    accepting: set[str],
) -> None:
    seconds = 1.0 if kind == "webhook" else LONGEST_WAIT  # a process must start, however busy the machine is
    monkeypatch.setitem(KINDS, kind, KINDS[kind]._replace(seconds=seconds))
    monkeypatch.setattr(channel_sender, "PAUSES", (0.0,))
    good = channel_to(tmp_path, "good", receiver.url, "webhook")
    async with hostile_server() as (port, paths), daemon(tmp_path, good) as it:
        await it.service.evaluate()  # what is loaded once is loaded
        await receiver.wait_for(lambda: receiver.events == ["opened"])
        scheme = "http" if kind == "webhook" else "json"
        it.use_channels(
            good,
            *[
                channel_to(tmp_path, name, f"{scheme}{'s' * (name == 'tls')}://127.0.0.1:{port}/{name}", kind)
                for name in sorted(stuck | accepting)
            ],
        )
        it.number = 2  # one more problem, which every channel is sent
        Path("/proc/self/clear_refs").write_text("5")  # the peak of memory is measured from here
        before = kib_of("VmRSS")
        await it.service.evaluate()
        await receiver.wait_for(lambda: receiver.events[:2] == ["opened", "opened"])

        async def names_requested() -> set[str]:
            return {path.strip("/") for path in paths}

        async def objects_told() -> set[str]:
            await it.service.evaluate()
            return told_of(receiver)

        assert await eventually(objects_told, lambda objects: len(objects) >= len(stuck)) == stuck
        # The process that sends to those who accept may have begun later than the ones that are stuck.
        expected = accepting | (stuck - {"tls"})
        await eventually(names_requested, lambda names: expected <= names)
        assert kib_of("VmHWM") - before < MORE_MEMORY
    assert "/good" not in paths


async def test_apprise_is_ended_at_its_deadline(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """What the deadline of a webhook cuts off is a connection; here it is a process."""
    pid_file = tmp_path / "pid"
    program = f"import os, time; open({str(pid_file)!r}, 'w').write(str(os.getpid())); time.sleep(1000)"
    monkeypatch.setattr(apprise_channel, "PROGRAM", (sys.executable, "-c", program))
    monkeypatch.setitem(KINDS, "apprise", KINDS["apprise"]._replace(seconds=3.0))
    monkeypatch.setattr(channel_sender, "PAUSES", ())
    async with daemon(tmp_path, channel_to(tmp_path, "ops", "json://127.0.0.1/", "apprise")) as it:
        await it.service.evaluate()
        await it.wait_until_sent()
    assert "it was not delivered within 3 s" in caplog.text
    assert not pid_file.exists() or not Path(f"/proc/{pid_file.read_text()}").exists()


def told_of(receiver: Receiver) -> set[str]:
    alerts = [message["alert"] for message in receiver.messages]
    alerts += [other for message in receiver.messages for other in message["others"]]
    return {alert["object"] for alert in alerts if alert["code"] == "ChannelStuck"}
