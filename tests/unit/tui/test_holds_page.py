"""The view of silences and maintenances, and the line in which one is written."""

import msgspec
import pytest
from tests.unit.tui.page_records import MAINTENANCE, NOW, SILENCE

from kronkeep_common.errors import InvalidFilter, InvalidRequest
from kronkeep_tui import hold_line
from kronkeep_tui.pages import holds as page


def test_what_holds_comes_first_then_the_newest() -> None:
    ended = msgspec.structs.replace(SILENCE, id="e", status="ended", created_at=NOW)
    holds = page.list_holds([ended, SILENCE], [MAINTENANCE])
    assert [hold.id for hold in holds] == [MAINTENANCE.id, SILENCE.id, "e"]
    cells = [page.row(hold, NOW).cells for hold in holds]
    assert [row[3] for row in cells] == ["1 CronJob", "2 alerts", "2 alerts"]
    assert [row[5] for row in cells] == ["all", "ns:pay code:RunFailed", "ns:pay code:RunFailed"]
    assert [row[2] for row in cells] == ["open", "in 3h", "in 3h"]
    assert page.end_order(holds[0]) > page.end_order(holds[1])


def test_the_details_say_who_why_and_what_went_wrong() -> None:
    lines = page.detail(page.Hold("maintenance", MAINTENANCE), NOW, 60)
    text = " ".join(span[0] for line in lines for span in line)
    assert text.startswith("maintenance fedcba987654 by bob, 1m ago")
    assert "because moving house" in text
    assert "pay/a: A webhook says no." in text


def test_a_line_is_a_silence_or_a_maintenance() -> None:
    silence = hold_line.parse_silence("  ns:pay  !name:for for 1h30m because the upgrade for all ")
    assert (silence.filter, silence.for_seconds, silence.because) == (
        "ns:pay  !name:for",
        5400,
        "the upgrade for all",
    )
    everything = hold_line.parse_maintenance("all because we move")
    assert (everything.filter, everything.for_seconds) == ("", None)
    some = hold_line.parse_maintenance("ns:pay for 4h because x")
    assert (some.filter, some.for_seconds) == ("ns:pay", 14400)


@pytest.mark.parametrize(
    ("line", "error"),
    [
        ("", InvalidRequest),
        ("ns:pay for 4h", InvalidRequest),
        ("ns:pay because x", InvalidRequest),
        ("for 4h because x", InvalidRequest),
        ("ns:pay for ever because x", InvalidRequest),
        ("nse:pay for 4h because x", InvalidFilter),
    ],
)
def test_what_a_silence_cannot_be_is_refused(line: str, error: type[Exception]) -> None:
    with pytest.raises(error):
        hold_line.parse_silence(line)
