"""A morning report in words: a title of one line, and plain lines for mail and chats."""

from collections.abc import Iterator
from datetime import datetime

from kronkeep_common.models.morning_report import (
    FaultyCronJob,
    MorningReport,
    OverduePolicy,
    StorageOutlook,
    UncoveredClaim,
    UnusualBackup,
)
from kronkeep_common.schedule.zone import load_zone
from kronkeep_common.text import age, clip, count_words, days, duration, size
from kronkeep_daemon.alerts.chat_text import neutralise

_TITLE_PARTS = (
    ("failed", "run failed", "runs failed"),
    ("missed", "run missed", "runs missed"),
    ("unknown", "run unknown", "runs unknown"),
    ("backups_failed", "backup failed", "backups failed"),
    ("backups_partial", "backup partial", "backups partial"),
    ("backups_missed", "backup missed", "backups missed"),
    ("backups_unknown", "backup unknown", "backups unknown"),
    ("backups_lost", "backup lost", "backups lost"),
    ("verifications_failed", "verification failed", "verifications failed"),
    ("overdue_total", "backup overdue", "backups overdue"),
    ("unusual_total", "backup unusual", "backups unusual"),
    ("uncovered_total", "claim uncovered", "claims uncovered"),
    ("storages_faulty", "storage at fault", "storages at fault"),
    ("critical_alerts", "critical alert", "critical alerts"),
)

_UNCOVERED = {
    "stopped": "its policies make no backups now",
    "unprotected": "no policy archives it",
    "nobody": "no CronJob mounts it",
    "partly": "only some of its paths are archived",
}


def describe_title(report: MorningReport) -> str:
    """Return what is wrong in one line, or that all is well."""
    counts = [(getattr(report, field), one, many) for field, one, many in _TITLE_PARTS]
    parts = [f"{count} {one if count == 1 else many}" for count, one, many in counts if count]
    parts += [f"{neutralise(name)} is not watched" for name in report.not_watched]
    return f"kronkeep: morning report: {', '.join(parts) or 'all is well'}"


def describe_report(report: MorningReport) -> str:
    """Return the whole report; each line with a name that a tenant chose begins as a quotation."""
    return "\n".join(_lines(report))


def _lines(report: MorningReport) -> Iterator[str]:
    yield _describe_period(report)
    for name in report.not_watched:
        yield f"{neutralise(name)} is not watched now: what is said of it may be old (kronkeep doctor)."
    yield (
        f"Runs: {report.ran} ended: {report.succeeded} succeeded, {report.failed} failed, "
        f"{report.cancelled} cancelled; {report.missed} missed, {report.unknown} unknown."
    )
    yield _describe_backups(report)
    yield f"Drills and verifications: {report.verified} were good, {report.verifications_failed} failed."
    yield from _section(
        "Most faults:",
        map(_describe_faulty, report.faulty),
        report.faulty_total,
        "kronkeep get executions --filter status:failed",
    )
    yield from _section(
        f"Overdue: {report.overdue_total}.",
        (_describe_overdue(policy, report.made_at) for policy in report.overdue),
        report.overdue_total,
        "kronkeep get policies",
    )
    yield from _section(
        f"Unusual: {count_words(report.unusual_total, 'backup')}.",
        map(_describe_unusual, report.unusual),
        report.unusual_total,
        "kronkeep get backups",
    )
    for name in report.claims_unknown:
        yield f"Which claims of {neutralise(name)} no policy archives is not known (kronkeep coverage)."
    yield from _section(
        f"Uncovered: {count_words(report.uncovered_total, 'claim')} (kronkeep coverage).",
        map(_describe_uncovered, report.uncovered),
        report.uncovered_total,
        "kronkeep coverage",
    )
    yield from _section(
        "Storages by days until full:",
        map(_describe_storage, report.storages),
        report.storages_total,
        "kronkeep get storages",
    )
    warnings = count_words(report.warning_alerts, "warning")
    yield (
        f"Alerts that have not ended: {report.critical_alerts} critical, {warnings}"
        f"{' (kronkeep get alerts).' if report.critical_alerts or report.warning_alerts else '.'}"
    )


def _describe_backups(report: MorningReport) -> str:
    """Return the backups by their status, and of those that failed how many never began."""
    failed = f"{report.backups_failed} failed"
    if report.backups_not_begun:
        failed += f" ({report.backups_not_begun} not begun, as the run had failed)"
    counts = [f"{report.backups_good} good", f"{report.backups_partial} partial", failed]
    counts.append(f"{report.backups_missed} missed")
    counts.append(f"{report.backups_unknown} unknown")
    lost = f" {report.backups_lost} lost: the snapshot is missing." if report.backups_lost else ""
    return f"Backups: {', '.join(counts)}.{lost}"


def _describe_period(report: MorningReport) -> str:
    zone = load_zone(report.time_zone).tzinfo

    def moment(at: datetime) -> str:
        return f"{at.astimezone(zone):%a %d %b %H:%M}"

    where = ", ".join(map(neutralise, report.clusters)) or "no cluster"
    what = f" ({neutralise(report.filter)})" if report.filter else ""
    return (
        f"{moment(report.from_at)} to {moment(report.to_at)} {report.time_zone}, "
        f"{count_words(report.cronjobs, 'CronJob')} on {where}{what}."
    )


def _section(title: str, lines: Iterator[str], total: int, see_all: str = "") -> Iterator[str]:
    if not total:
        return
    yield title
    texts = [f"> {clip(neutralise(line), 300)}" for line in lines]
    yield from texts
    if total > len(texts):
        yield f"and {total - len(texts)} more{see_all and f' ({see_all})'}"


def _describe_faulty(cronjob: FaultyCronJob) -> str:
    counts = (
        (cronjob.failed, "failed"),
        (cronjob.missed, "missed"),
        (cronjob.unknown, "unknown"),
    )
    words = ", ".join(f"{count} {word}" for count, word in counts if count)
    return f"{cronjob.namespace}/{cronjob.cronjob}: {words}"


def _describe_overdue(policy: OverduePolicy, now: datetime) -> str:
    name = f"{policy.namespace}/{policy.cronjob}"
    limit = duration(policy.rpo_seconds)
    if policy.last_good_at is None:
        return f"{name}: no good backup yet, one each {limit} is due"
    return (
        f"{name}: the newest good backup is {age(policy.last_good_at, now)} old, at most {limit} is allowed"
    )


def _describe_unusual(backup: UnusualBackup) -> str:
    known = " (acknowledged)" if backup.is_acknowledged else ""
    return f"{backup.namespace}/{backup.cronjob}: {backup.unusual}{known}"


def _describe_uncovered(claim: UncoveredClaim) -> str:
    return f"{claim.namespace}/{claim.claim}: {_UNCOVERED[claim.status]}, {size(claim.size_bytes)}"


def _describe_storage(storage: StorageOutlook) -> str:
    parts = [days(storage.days_until_full) if storage.days_until_full is not None else "does not grow"]
    if storage.used_bytes is not None:
        parts.append(f"{size(storage.used_bytes)} of {size(storage.capacity_bytes)}")
    if storage.fault:
        parts.insert(0, storage.fault)
    return f"{storage.id}: {', '.join(parts)}"
