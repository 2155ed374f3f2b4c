"""Reasons: every code has its texts and is given somewhere, and no code is written as a loose string."""

import re
from pathlib import Path

from kronkeep_common.alert_codes import AlertCode
from kronkeep_common.reason_texts import TEXTS
from kronkeep_common.reasons import Reason

ROOT = Path(__file__).parents[3]


def source_text() -> str:
    """The sources of the daemon, without the small Kubernetes, which gives Kubernetes' own reasons."""
    paths = (ROOT / "daemon").rglob("*.py")
    return "\n".join(path.read_text() for path in paths if "embedded" not in path.parts)


def test_every_text_is_of_a_reason_and_is_a_sentence() -> None:
    assert set(TEXTS) == set(Reason)
    assert [text for text in TEXTS.values() if not all(part.endswith(".") for part in text)] == []


def test_every_reason_and_alert_code_is_given_somewhere() -> None:
    used = set(re.findall(r"\b(?:Reason|AlertCode)\.([A-Z_]+)", source_text()))
    raised_as_errors = {"NAME_TAKEN", "CONFIGURATION_TOO_LARGE"}
    assert {code.name for code in (*Reason, *AlertCode)} - used == raised_as_errors


def test_no_code_is_written_as_a_loose_string() -> None:
    loose = set(re.findall(r'(?:reason|code)(?:=| == | != )"(\w+)"', source_text()))
    assert loose & {*Reason, *AlertCode} == {"OOMKilled"}  # Kubernetes' own word for a container's end


def test_a_code_of_nobody_is_no_reason() -> None:
    assert Reason.parse("Denied") is None
    assert Reason.parse(None) is None
    assert Reason.parse("Gap") is Reason.GAP


def test_restic_may_leave_a_lock_only_where_a_snapshot_is_doubtful_too() -> None:
    assert {reason for reason in Reason if reason.killed} < {reason for reason in Reason if reason.doubtful}
    assert {reason for reason in Reason if reason.doubtful and not reason.killed} == {
        Reason.NO_SUMMARY,
        Reason.NAME_TAKEN,
        Reason.PODS_DISAGREE,
    }


def test_a_repository_that_is_not_there_is_looked_for_before_another_is_made() -> None:
    step = Reason.REPOSITORY_MISSING.next_step
    assert step.startswith("Is its volume mounted")
    assert "create" not in step
