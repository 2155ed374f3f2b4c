"""What the line at the top counts."""

from types import SimpleNamespace
from typing import Any

import msgspec
from tests.ui.scenes import alert

from kronkeep_tui.pages.bars import count_spans
from kronkeep_tui.widgets.cells import plain


def count_line(*alerts: object) -> str:
    def newest() -> list[object]:
        return list(alerts)

    store: Any = SimpleNamespace(cronjobs=[], alerts=SimpleNamespace(newest=newest))
    return plain(tuple(count_spans(store, "")))


def test_silenced_alerts_are_counted_apart_as_acknowledged_ones_are() -> None:
    one = alert("RunFailed", "a", "web", 1)
    silenced = msgspec.structs.replace(one, silence_id="s")
    known = msgspec.structs.replace(one, status="acknowledged")
    assert count_line(one, one, silenced).split("  ")[1:3] == ["2 alerts", "+1 silenced"]
    assert count_line(silenced).split("  ")[1:2] == ["+1 silenced"]
    assert count_line(one, known).split("  ")[1:3] == ["1 alert", "+1 ack"]
