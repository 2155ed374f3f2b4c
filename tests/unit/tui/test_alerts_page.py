"""The Alerts page: what a silence holds back stays visible, below what nobody knows of."""

from datetime import UTC, datetime

import msgspec

from kronkeep_common.models import Alert
from kronkeep_common.states import AlertStatus
from kronkeep_tui.pages import alerts as page

NOW = datetime(2026, 6, 1, tzinfo=UTC)
ALERT = Alert(
    id="a",
    code="RunFailed",
    severity="critical",
    status=AlertStatus.OPEN,
    kind="cronjob",
    object="shop/dump",
    object_id="j",
    namespace="shop",
    since=NOW,
    created_at=NOW,
    message="It failed.",
    next_step="Look.",
)
SILENCED = msgspec.structs.replace(ALERT, silence_id="0123456789abcdef0123456789abcdef")


def test_a_silenced_alert_says_so_and_names_its_silence() -> None:
    assert page.state(ALERT) == ("CRIT", "bad")
    assert page.state(SILENCED) == ("sil", "quiet")
    lines = page.detail(SILENCED, NOW, 90)
    text = " ".join(span[0] if isinstance(span, tuple) else span for line in lines for span in line)
    assert "held back by silence 0123456789ab: M shows it" in text
    acknowledged = msgspec.structs.replace(SILENCED, status=AlertStatus.ACKNOWLEDGED)
    assert page.state(acknowledged)[0] == "ack"
