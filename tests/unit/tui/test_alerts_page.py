"""The Alerts page: what a silence holds back stays visible, below what nobody knows of."""

import msgspec
import pytest
from tests.unit.tui.page_records import ALERT, NOW

from kronkeep_common.states import AlertStatus
from kronkeep_tui.pages import alerts as page

SILENCED = msgspec.structs.replace(ALERT, silence_id="0123456789abcdef0123456789abcdef")


def test_a_silenced_alert_says_so_and_names_its_silence() -> None:
    assert page.state(ALERT) == ("CRIT", "bad")
    assert page.state(SILENCED) == ("sil", "quiet")
    lines = page.detail(SILENCED, NOW, 90)
    text = " ".join(span[0] if isinstance(span, tuple) else span for line in lines for span in line)
    assert "held back by silence 0123456789ab: M shows it" in text
    acknowledged = msgspec.structs.replace(SILENCED, status=AlertStatus.ACKNOWLEDGED)
    assert page.state(acknowledged)[0] == "ack"


def test_failures_of_one_cause_are_one_row_with_their_number() -> None:
    failed = [
        msgspec.structs.replace(
            ALERT, id=f"a{n}", code="RunFailed", object=f"shop/job-{n}", message=f"job-{n}: no space left."
        )
        for n in range(5)
    ]
    others = [
        msgspec.structs.replace(
            ALERT, id="x", code="RunFailed", object="shop/other", message="other: it was killed."
        ),
        msgspec.structs.replace(ALERT, id="y", code="RunMissed", object="shop/late", message="late: no run."),
    ]
    groups = page.fold_alerts([*failed, *others])
    assert sorted((page.subject_of_group(group), group.members) for group in groups) == [
        ("5 × RunFailed", 5),
        ("shop/late", 1),
        ("shop/other", 1),
    ]
    assert sum(group.members for group in groups) == 7
    assert [group.members for group in page.fold_alerts(failed[:2])] == [1, 1], "two are no crowd"
    leads = ("The newest run failed.", "The last 2 runs failed.", "The last 9 runs failed.")
    alike = [
        msgspec.structs.replace(ALERT, id=f"b{n}", object=name, message=f"{lead} Container main ended.")
        for n, (name, lead) in enumerate(zip("abi", leads, strict=True))
    ]
    assert [group.members for group in page.fold_alerts(alike)] == [3], "how often it failed is no cause"
    known = [
        msgspec.structs.replace(
            ALERT, id=f"k{n}", code="RunFailed", object="o", status=AlertStatus.ACKNOWLEDGED
        )
        for n in range(3)
    ]
    assert [group.members for group in page.fold_alerts([*failed, *known])] == [5, 3]


@pytest.mark.parametrize(
    ("message", "shown"),
    [
        ("The newest run failed. Killed: no memory.", "Killed: no memory. The newest run failed."),
        ("The last 3 runs failed. Exit code 1.", "Exit code 1. The last 3 runs failed."),
        ("The newest backup failed. No space.", "No space. The newest backup failed."),
        ("The last 2 runs failed. Its last line: gone", "Its last line: gone. The last 2 runs failed."),
        ("The newest run failed. Is it there?", "Is it there? The newest run failed."),
        ("The newest run failed.", "The newest run failed."),
        ("No run has started.", "No run has started."),
    ],
)
def test_the_cause_stands_first_where_a_line_may_be_cut(message: str, shown: str) -> None:
    assert page.cause_first(message) == shown
