"""A pressed key is followed by what it causes, not by a pause."""

import pytest
from tests.ui.idleness import wait_until_handled


@pytest.fixture(autouse=True)
def keys_without_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a Pilot wait for the end of a key's work; Textual's waits twice for 20 ms without any."""
    monkeypatch.setattr("textual.app.wait_for_idle", wait_until_handled)
    monkeypatch.setattr("textual.pilot.wait_for_idle", wait_until_handled)
