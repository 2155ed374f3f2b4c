"""Records that pages and views of the terminal show; keyword arguments change single fields."""

from datetime import UTC, datetime, timedelta
from typing import Any

from kronkeep_common.models import Alert, QueueEntry, SilenceView
from kronkeep_common.models.coverage import ClaimCoverage
from kronkeep_common.models.maintenance import MaintenanceView
from kronkeep_common.states import AlertStatus

NOW = datetime(2026, 11, 24, 3, 14, 20, tzinfo=UTC)
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
SILENCE = SilenceView(
    id="0123456789abcdef0123456789abcdef",
    filter="ns:pay code:RunFailed",
    because="database upgrade",
    created_at=NOW - timedelta(hours=1),
    created_by="eve",
    ends_at=NOW + timedelta(hours=3),
    status="active",
    alerts=2,
)
MAINTENANCE = MaintenanceView(
    id="fedcba9876543210fedcba9876543210",
    filter="",
    because="moving house",
    created_at=NOW - timedelta(minutes=1),
    created_by="bob",
    status="active",
    cronjobs=1,
    faults=("pay/a: A webhook says no.",),
)


def queue_entry(task: str, status: str = "waiting", **fields: Any) -> QueueEntry:
    """Return work that waits for a repository, by what it does."""
    values: dict[str, Any] = {
        "id": "1-archive",
        "kind": "archive",
        "task": task,
        "status": status,
        "repository": "offsite",
        "storage_id": "offsite",
        "since": NOW - timedelta(minutes=3),
    }
    return QueueEntry(**(values | fields))


def claim_coverage(name: str, **fields: Any) -> ClaimCoverage:
    """Return a claim that nobody backs up, by its name."""
    values: dict[str, Any] = {
        "id": name,
        "cluster": "c",
        "namespace": "shop",
        "name": name,
        "status": "nobody",
        "created_at": NOW,
        "size_bytes": 2**30,
        "message": "No CronJob mounts it.",
        "next_step": "Name it.",
    }
    return ClaimCoverage(**values | fields)
