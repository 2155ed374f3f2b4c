"""What the line at the top counts."""

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import msgspec
from tests.ui.canned import cronjob
from tests.ui.scenes import alert

from kronkeep_tui.pages.bars import count_spans, status_line
from kronkeep_tui.store import Store
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


def header(*maintenances: str | None, namespace: str = "") -> str:
    """The line at the top, in a terminal of 80 columns, over CronJobs of which some are in a maintenance."""
    jobs = [
        msgspec.structs.replace(
            cronjob(f"db-{number}", suspended=held is not None, maintenance=held), namespace=f"ns-{number}"
        )
        for number, held in enumerate(maintenances)
    ]
    now = datetime(2026, 1, 1, 3, 12, tzinfo=UTC)
    reader: Any = SimpleNamespace(
        store=Store(at=now, cronjobs=tuple(jobs)),
        has_read=True,
        asked_at=None,
        live=True,
        clock_ahead=timedelta(),
    )
    return plain(status_line(reader, namespace, now, 80))


def test_a_maintenance_is_seen_in_every_view() -> None:
    """Whoever wonders at night why nothing runs looks at the first line."""
    assert "live  2 in maintenance " in header("m", None, "m")
    assert header("m", None, "m").endswith("03:12Z ")
    assert "live  1 in maintenance " in header("m", None, "m", namespace="ns-0")
    assert "maintenance" not in header("m", None, namespace="ns-1")
