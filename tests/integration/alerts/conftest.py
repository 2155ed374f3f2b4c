"""A web server that receives messages, and no pauses between attempts."""

from collections.abc import AsyncIterator

import pytest
from aiohttp import web
from tests.integration.alerts.alert_scene import Receiver

from kronkeep_daemon.alerts import channel_sender, dispatch


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    server = Receiver()
    app = web.Application()
    app.router.add_post("/secret-token", server.answer)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    server.url = f"http://127.0.0.1:{runner.addresses[0][1]}/secret-token"
    yield server
    await runner.cleanup()


@pytest.fixture(autouse=True)
def send_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(channel_sender, "PAUSES", (0.0, 0.0))
    monkeypatch.setattr(dispatch, "GATHER_SECONDS", 0.0)
    monkeypatch.setattr(dispatch, "STORM_GATHER_SECONDS", 0.0)
