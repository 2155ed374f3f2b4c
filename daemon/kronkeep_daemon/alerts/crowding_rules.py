"""The alert rule about repositories that have too many snapshots."""

from kronkeep_common.alert_codes import AlertCode
from kronkeep_common.models import BackupStorage
from kronkeep_common.text import duration
from kronkeep_daemon.alerts.rule_results import RuleResult


def repository_crowded(storage: BackupStorage) -> RuleResult | None:
    """Archives in a repository take long before they begin to read, by the settings."""
    if not storage.crowded:
        return None
    slowest = storage.crowded[0]
    more = f", and in {len(storage.crowded) - 1} others" if len(storage.crowded) > 1 else ""
    return RuleResult(
        code=AlertCode.REPOSITORY_CROWDED,
        severity="warning",
        message=f"In {slowest.id} restic reads the first file only after "
        f"{duration(slowest.first_byte_seconds)}{more}: it has too many snapshots, or too large an index.",
        next_step=f"Keep fewer snapshots and prune (kronkeep storage prune {storage.id}), or divide it: "
        f"kronkeep storage move {storage.id} --layout namespace, or policy.",
    )
