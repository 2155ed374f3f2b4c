"""Tests of channels that a person asks for, each over a real receiver or program."""

import sys
from pathlib import Path
from typing import Any

import pytest
from tests.integration.alerts.alert_scene import Receiver, daemon

from kronkeep_common.errors import InvalidRequest
from kronkeep_daemon.alert_settings import ChannelSettings


def webhook(folder: Path, name: str, url: str, **fields: Any) -> ChannelSettings:
    file = folder / name
    file.write_text(f"{url}\n")
    return ChannelSettings(name=name, kind="webhook", url_file=str(file), **fields)


async def test_each_channel_gets_a_message_and_says_how_that_ended(
    tmp_path: Path, receiver: Receiver
) -> None:
    channels = (
        webhook(tmp_path, "ops", receiver.url, severity="critical", filter="ns:nowhere"),
        ChannelSettings(name="pager", kind="command", command=(sys.executable, "-c", "raise SystemExit(3)")),
        webhook(tmp_path, "gone", receiver.url + "/not-there"),
    )
    async with daemon(tmp_path / "h", *channels) as it:
        trials = await it.service.trials.try_channels((), "anna")
        assert [(trial.name, trial.is_sent) for trial in trials] == [
            ("ops", True),
            ("pager", False),
            ("gone", False),
        ]
        assert trials[1].message == "the program ended with 3"
        (message,) = receiver.messages
        assert message["event"] == "test"
        assert "anna" in message["text"]
        chosen = await it.service.trials.try_channels(("ops", "ops"), "anna")
        assert [trial.name for trial in chosen] == ["ops"]
        with pytest.raises(InvalidRequest, match="There is no channel 'opps'") as refusal:
            await it.service.trials.try_channels(("opps",), "anna")
        assert "ops" in refusal.value.next_step
        await it.service.evaluate()
        assert not it.service.stuck_channels()


async def test_an_alertmanager_gets_an_alert_that_ends(tmp_path: Path, receiver: Receiver) -> None:
    channel = webhook(tmp_path, "am", f"{receiver.url}?", severity="critical")
    async with daemon(
        tmp_path / "h", ChannelSettings(name="am", kind="alertmanager", url_file=channel.url_file)
    ) as it:
        (trial,) = await it.service.trials.try_channels(("am",), "anna")
    assert trial.is_sent, trial.message
    ((alert,),) = receiver.messages
    assert alert["labels"]["alertname"] == "ChannelTest"
    assert alert["startsAt"] < alert["endsAt"]


async def test_without_channels_that_is_said(tmp_path: Path) -> None:
    async with daemon(tmp_path / "h") as it:
        with pytest.raises(InvalidRequest, match="no channels"):
            await it.service.trials.try_channels((), "anna")
