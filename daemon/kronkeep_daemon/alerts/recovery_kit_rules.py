"""The alert rule about recovery kits, and the doctor's line about each; pure."""

from datetime import datetime, timedelta

from kronkeep_common.alert_codes import AlertCode
from kronkeep_common.api import Check
from kronkeep_common.models import BackupStorage
from kronkeep_common.states import StorageStatus
from kronkeep_common.text import age, clean
from kronkeep_daemon.alerts.rule_results import RuleResult

KIT_DAYS = 90
NO_KIT = "No recovery kit of the storage was made: without the cluster its backups cannot be read."


def recovery_kit_due(storage: BackupStorage, now: datetime) -> RuleResult | None:
    """The newest recovery kit lacks something, nobody has shown it for KIT_DAYS, or none was made."""
    if storage.status is not StorageStatus.ACTIVE:
        return None
    if storage.kit_outdated is not None:
        return RuleResult(
            code=AlertCode.RECOVERY_KIT_DUE,
            severity="warning",
            message=storage.kit_outdated.sentence,
            next_step=f"Make a new one, and keep it elsewhere: kronkeep storage recovery-kit {storage.id}.",
            since=storage.kit_outdated.at,
        )
    times = (storage.kit_confirmed_at, storage.kit_made_at, storage.created_at)
    due = max(time for time in times if time is not None) + timedelta(days=KIT_DAYS)
    if now < due:
        return None
    verb = f"kronkeep storage recovery-kit {storage.id}"
    confirm = f"Look for it, then: {verb} --confirm FINGERPRINT; where it is lost: {verb}."
    is_made = storage.kit_made_at is not None
    return RuleResult(
        code=AlertCode.RECOVERY_KIT_DUE,
        severity="warning",
        message=f"Nobody has shown for {KIT_DAYS} days that the storage's recovery kit can be found."
        if is_made
        else NO_KIT,
        next_step=confirm if is_made else _step_without_kit(storage),
        since=due,
    )


def check_kit(storage: BackupStorage, now: datetime) -> Check | None:
    """Return whether the storage's kit was made, has everything and was shown; None unless it is active."""
    if storage.status is not StorageStatus.ACTIVE:
        return None
    name = f"recovery kit of {clean(storage.id, 63)}"
    verb = f"kronkeep storage recovery-kit {clean(storage.id, 63)}"
    due = recovery_kit_due(storage, now)
    if due is not None:
        return Check(name=name, status="warn", message=due.message, next_step=due.next_step)
    if storage.kit_made_at is None:
        return Check(name=name, status="warn", message=NO_KIT, next_step=_step_without_kit(storage))
    made = f"It has every repository and was made {age(storage.kit_made_at, now)} ago"
    if storage.kit_confirmed_at is None:
        return Check(
            name=name,
            status="ok",
            message=f"{made}; nobody has confirmed it yet.",
            next_step=f"Once it is kept elsewhere: {verb} --confirm FINGERPRINT.",
        )
    message = f"{made}; it was confirmed {age(storage.kit_confirmed_at, now)} ago."
    return Check(name=name, status="ok", message=message)


def _step_without_kit(storage: BackupStorage) -> str:
    return f"Make one, and keep it elsewhere: kronkeep storage recovery-kit {clean(storage.id, 63)}."
