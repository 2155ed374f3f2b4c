"""The alert rules about kronkeep's own history."""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

from kronkeep_common.alert_codes import AlertCode
from kronkeep_common.models import BackupStorage
from kronkeep_common.text import clean, size
from kronkeep_daemon.alerts.rule_results import (
    AlertFinding,
    RuleResult,
    format_minute,
    history_finding,
    kept_logs_finding,
)
from kronkeep_daemon.history.facts import Fact
from kronkeep_daemon.history.log_removals import NamespaceLogRemovals, next_step_for

NAMED = 5  # namespaces in one message
ARCHIVE_DAYS = 2  # without a new copy of the history, before that is critical
TOLD_DAYS = 7  # days after which the loss is in the log and in the record of the alert alone
WENT_BACK_NEXT_STEP = (
    "Find out what put an old copy of the state folder back (a volume or a machine that was rolled back). "
    "Runs that Kubernetes still has and snapshots of the repositories are recorded again by themselves; "
    "where a later copy of the history exists, stop kronkeepd and put that in place."
)


def history_went_back(lost: Fact, now: datetime) -> RuleResult | None:
    """When the daemon started, the history lacked a change that the cluster's Lease has a note of."""
    if now >= lost.created_at + timedelta(days=TOLD_DAYS):
        return None
    last, _, acknowledged = (lost.name or "").partition(" ")
    return RuleResult(
        code=AlertCode.HISTORY_WENT_BACK,
        severity="critical",
        message=f"The history ended at change {last}, but change {acknowledged} was acknowledged before.",
        next_step=WENT_BACK_NEXT_STEP,
        since=lost.created_at,
    )


def history_findings(lost: Fact | None, now: datetime) -> list[AlertFinding]:
    """Return what is wrong with the history.

    lost: the fact about changes that are lost, if there is one.
    """
    result = history_went_back(lost, now) if lost is not None else None
    return [history_finding(result)] if result is not None else []


def log_findings(removals: Sequence[NamespaceLogRemovals]) -> Iterator[AlertFinding]:
    """Yield a finding for each namespace that passed its own limit, and one for the limit of all.

    removals: those of the last day.
    """
    of_all = [each for each in removals if each.limit == "total"]
    for each in removals:
        if each.limit == "namespace":
            yield kept_logs_finding(each.cluster, each.namespace, _logs_removed([each]))
    if of_all:
        yield kept_logs_finding("", "", _logs_removed(of_all))


def _logs_removed(removals: Sequence[NamespaceLogRemovals]) -> RuleResult:
    """Kept logs went because of a limit; `removals` are by one limit."""
    newest = max(removals, key=_removal_time)
    limit = size(newest.limit_bytes)
    names = ", ".join(clean(each.namespace, 63) for each in removals[:NAMED])
    more = f" and {len(removals) - NAMED} more namespaces" if len(removals) > NAMED else ""
    whose = f"The kept logs of {names}" if newest.limit == "namespace" else "All kept logs together"
    return RuleResult(
        code=AlertCode.LOGS_REMOVED,
        severity="warning",
        message=f"{whose} reached {limit}: the oldest of {names}{more} were removed, "
        f"the last at {newest.created_at:%Y-%m-%d %H:%M} UTC.",
        next_step=next_step_for(removals),
        since=min(each.since for each in removals),
    )


def _removal_time(removals: NamespaceLogRemovals) -> datetime:
    return removals.created_at


def history_not_archived(storage: BackupStorage, now: datetime) -> RuleResult | None:
    """The last try to archive the history into the storage made no copy."""
    archive = storage.history_archive
    if archive is None or archive.message is None:
        return None
    since = archive.archived_at
    is_old = since is None or now - since > timedelta(days=ARCHIVE_DAYS)
    last = f"The newest copy is of {format_minute(since)}." if since is not None else "There is no copy."
    return RuleResult(
        code=AlertCode.HISTORY_NOT_ARCHIVED,
        severity="critical" if is_old else "warning",
        message=f"The history was not archived into the storage. {archive.message} {last}",
        next_step=archive.next_step or f"kronkeep storage archive-history {storage.id}",
        since=since,
    )
