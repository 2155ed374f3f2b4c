"""The alert about claims that nobody backs up: which, and when."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from kronkeep_common.models.coverage import ClaimCoverage
from kronkeep_daemon.alert_settings import AlertSettings
from kronkeep_daemon.alerts.coverage_rules import coverage_findings

NOW = datetime(2026, 6, 1, 12, 0, tzinfo=UTC)
LISTED = NOW - timedelta(days=30)


def claim(days_old: float, **fields: Any) -> ClaimCoverage:
    base: dict[str, Any] = {
        "id": "u",
        "cluster": "c",
        "namespace": "shop",
        "name": "data",
        "status": "nobody",
        "created_at": NOW - timedelta(days=days_old),
        "message": "No CronJob mounts it, and no policy names it.",
    }
    return ClaimCoverage(**base | fields)


@pytest.mark.parametrize(
    ("subject", "which", "is_told"),
    [
        (claim(2), "new", True),
        (claim(2, status="partly"), "new", True),
        (claim(2, status="covered"), "new", False),
        (claim(2, status="exempt"), "all", False),
        (claim(0.5), "new", False),
        (claim(40), "new", False),
        (claim(40, last_good_at=NOW), "new", True),
        (claim(40), "all", True),
        (claim(2), "never", False),
    ],
)
def test_new_claims_and_those_that_were_protected_are_reported(
    subject: ClaimCoverage, which: Any, is_told: bool
) -> None:
    findings = coverage_findings(subject, AlertSettings(uncovered=which), LISTED, NOW)
    assert [finding.object for finding in findings] == ["shop/data"] * is_told


def test_claims_that_were_never_listed_are_not_new() -> None:
    assert coverage_findings(claim(2), AlertSettings(), None, NOW) == []
