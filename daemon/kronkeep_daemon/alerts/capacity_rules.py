"""The alert rule about the capacity of storages; pure."""

from kronkeep_common.alert_codes import AlertCode
from kronkeep_common.models import BackupStorage
from kronkeep_common.reasons import Reason
from kronkeep_common.states import StorageStatus
from kronkeep_common.text import size
from kronkeep_daemon.alerts.rule_results import RuleResult


def storage_filling(storage: BackupStorage) -> RuleResult | None:
    """The storage is 85 % full; critical from 95 % on, or where restic found it full."""
    if storage.status is StorageStatus.ACTIVE and storage.reason == Reason.STORAGE_FULL:
        next_step = storage.next_step or Reason.STORAGE_FULL.next_step
        return RuleResult(
            code=AlertCode.STORAGE_FILLING,
            severity="critical",
            message=storage.message or Reason.STORAGE_FULL.meaning,
            next_step=f"{next_step} Then: kronkeep storage test {storage.id}.",
        )
    usage = storage.usage
    if usage is None or not usage.capacity_bytes:
        return None
    if usage.level == "critical" or usage.level == "warning":
        percent = 100 * usage.used_bytes / usage.capacity_bytes
        if usage.available_bytes is not None:
            percent = max(percent, 100 - 100 * usage.available_bytes / usage.capacity_bytes)
        message = f"{percent:.0f} % of {size(usage.capacity_bytes)} is used."
        return RuleResult(
            code=AlertCode.STORAGE_FILLING,
            severity=usage.level,
            message=message,
            next_step="Add space, or keep fewer backups.",
        )
    return None
