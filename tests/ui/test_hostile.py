"""Hostile text in every field of every record, through every view: nothing raw on the screen, no crash."""

from datetime import datetime
from typing import Any

import msgspec
import pytest
from rich.cells import cell_len
from tests.ui.canned import CannedClient
from tests.ui.driving import HOSTILE, a_way_to_every_view, app_of, screen, until
from tests.ui.idleness import settle
from tests.ui.scenes import Scene, busy

RAW = set("\x1b\x07\x9b\u202e\r\U000e0041\t")
SAFE = (
    "id",
    "cluster",
    "cronjob_id",
    "cronjob_execution_id",
    "last_execution_id",
    "namespace",
    "policy_id",
    "record_id",
)
SENTENCES = ("reason", "message", "next_step", "node", "job")


def hostile(record: Any, text: str = HOSTILE) -> Any:
    """The record with `text` in every field that holds text; what identifies it stays."""
    changed: dict[str, Any] = {}
    for field in msgspec.structs.fields(record):
        value = getattr(record, field.name)
        if field.name in SAFE or isinstance(value, datetime):
            continue
        if type(value) is str or (value is None and field.name in SENTENCES):
            changed[field.name] = text
        elif isinstance(value, tuple) and field.name in ("policy_findings", "warnings", "claims"):
            changed[field.name] = (text,) * 3
        elif isinstance(value, msgspec.Struct):
            changed[field.name] = hostile(value, text)
    return msgspec.structs.replace(record, **changed)


def scene(text: str) -> Scene:
    whole = busy(failing=True)
    cronjobs = [hostile(c, text) for c in whole.cronjobs]
    cronjobs[0] = msgspec.structs.replace(cronjobs[0], policy_fault=text)
    return Scene(
        cronjobs=cronjobs,
        runs=[hostile(r, text) for r in whole.runs],
        backups=[hostile(b, text) for b in whole.backups],
        storages=[hostile(s, text) for s in whole.storages],
        alerts=[hostile(a, text) for a in whole.alerts],
    )


@pytest.mark.parametrize(
    ("text", "width"),
    [(HOSTILE, 80), (HOSTILE, 200), ("a" * 100_000 + "\x1b[2J", 80), ("\u202e\u0300" * 4000, 200)],
    ids=["mixed", "wide", "long", "bidi"],
)
async def test_nothing_raw_reaches_the_screen_of_any_view(text: str, width: int) -> None:
    client = CannedClient(*scene(text))
    client.why = text
    client.log_text = (text + "\n").encode() * 20
    app = app_of(client)
    async with app.run_test(size=(width, 40)) as pilot:
        await until(pilot, lambda: app.reader.has_read)
        for way in a_way_to_every_view(app.reader.store):
            app.frame.go(way)
            await until(pilot, lambda: app.frame.view.ready)
            await settle(app)
            text = screen(pilot)
            assert not set(text) & RAW, way
            assert all(cell_len(line) <= width for line in text.split("\n")), way
            app.frame.message_line.cancel()
            await pilot.press("end", "home", "w")
        app.frame.tell(text)
        await settle(app)
        assert not set(screen(pilot)) & RAW
