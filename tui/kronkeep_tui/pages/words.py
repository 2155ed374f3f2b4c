"""States in words with their roles, strips, bars and what is in trouble; words before colours."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from kronkeep_common.models import BackupExecution, CronJob, Progress
from kronkeep_common.states import BackupStatus, StorageStatus
from kronkeep_common.text import age, duration, size
from kronkeep_tui.store import Store
from kronkeep_tui.widgets.cells import Span, Text

WORDS = {
    "pending": "wait",
    "running": "run",
    "succeeded": "ok",
    "failed": "FAIL",
    "cancelled": "gone",
    "missed": "MISS",
    "unknown": "?",
    "waiting": "wait",
    "queued": "wait",
    "partial": "PART",
    "active": "ok",
    "creating": "wait",
    "deleting": "wait",
    "preparing": "run",
    "restoring": "run",
    "verifying": "run",
    "completed": "ok",
}
ROLES = {
    "ok": "ok",
    "FAIL": "bad",
    "PART": "warn",
    "late": "warn",
    "MISS": "warn",
    "?": "warn",
    "run": "run",
    "wait": "quiet",
    "susp": "quiet",
    "gone": "quiet",
    "new": "quiet",
    "none": "quiet",
}
STRIP = {
    "succeeded": (".", "ok"),
    "failed": ("x", "bad"),
    "running": (">", "run"),
    "pending": (">", "run"),
    "missed": ("m", "warn"),
    "cancelled": ("c", "quiet"),
    "partial": ("p", "warn"),
}
FAULTS = ("failed", "missed", "unknown", "partial")
BLOCKS = "▁▂▃▄▅▆▇█"
CAPACITY_WARNING = 0.85


def word(status: str) -> str:
    """A state in at most four letters."""
    return WORDS.get(status, status)


def role(status: str) -> str:
    """The role of a state."""
    return ROLES.get(word(status), "")


def state(status: str) -> Span:
    """A state and its role."""
    return word(status), role(status)


def strip(statuses: Sequence[str], width: int) -> Text:
    """The newest states, one character each, oldest first; equal neighbours are one span."""
    found: list[Span] = [(" " * max(0, width - len(statuses)), "")]
    for status in statuses[-width:]:
        sign, kind = STRIP.get(status, ("?", "warn"))
        if found[-1][1] == kind:
            found[-1] = (found[-1][0] + sign, kind)
        else:
            found.append((sign, kind))
    return tuple(found)


def bar(percent: float, width: int) -> str:
    """`[####......] 41%`."""
    full = round(width * max(0.0, min(100.0, percent)) / 100)
    return f"[{'#' * full}{'.' * (width - full)}] {percent:.0f}%"


def blocks(values: Sequence[float | None], width: int) -> str:
    """The newest values as a row of blocks, the largest full; a gap where there is none."""
    shown = list(values)[-width:]
    top = max((value for value in shown if value is not None), default=0) or 1
    signs = ["·" if v is None else BLOCKS[min(7, int(7.999 * max(0.0, v) / top))] for v in shown]
    return "".join(signs)


def progress_words(progress: Progress, backup: BackupExecution, now: datetime, width: int) -> str:
    """A bar, then how much of how much, the rate, and how long it may take."""
    words = f"{bar(progress.percent, width)} {size(progress.bytes_done)}"
    if progress.bytes_total:
        words += f" of {size(progress.bytes_total)}"
    seconds = (now - backup.started_at).total_seconds() if backup.started_at else 0
    if seconds > 0 and progress.bytes_done:
        words += f"  {size(progress.bytes_done / seconds)}/s"
    if progress.remaining_seconds:
        words += f"  {duration(progress.remaining_seconds)} left"
    return words


def job_state(cronjob: CronJob) -> str:
    """A CronJob's state: suspended and late before how its last run ended."""
    if cronjob.suspended:
        return "susp"
    if cronjob.late_since is not None:
        return "late"
    return word(cronjob.recent[-1]) if cronjob.recent else "new"


def backup_words(store: Store, cronjob: CronJob) -> Span:
    """How the CronJob's newest backup stands."""
    if cronjob.policy_fault:
        return "bad policy", "bad"
    if cronjob.policy is None:
        return "no policy", "quiet"
    if not cronjob.policy.enabled:
        return "off", "quiet"
    last = store.backups.get(store.latest_backup.get(cronjob.id) or cronjob.last_backup_id)
    return ("none yet", "quiet") if last is None else state(last.status)


def counts(store: Store) -> list[tuple[str, int, str]]:
    """How many CronJobs fail, are late, run."""
    states = [job_state(cronjob) for cronjob in store.cronjobs]
    running = sum(1 for cronjob in store.cronjobs if cronjob.active)
    return [
        ("FAIL", states.count("FAIL"), "bad"),
        ("late", states.count("late"), "warn"),
        ("run", running, "run"),
    ]


class Trouble(NamedTuple):
    """Something wrong now: its state, what it is about, since when, why, what to do, and the way there."""

    id: str
    status: str
    namespace: str
    name: str
    since: datetime | None
    why: str
    next_step: str
    kind: str
    of: str
    created_at: datetime


def trouble(store: Store, now: datetime) -> list[Trouble]:
    """Everything that is wrong now, the newest first within the worst."""
    found = [t for cronjob in store.cronjobs for t in _of_cronjob(store, cronjob, now)]
    found += [t for storage in store.storages.newest() for t in _of_storage(storage)]
    found += [_of_watch(watch, now) for watch in store.stale]
    order = {"FAIL": 0, "MISS": 1, "late": 2}
    return sorted(found, key=lambda t: (order.get(t.status, 3), -(t.since or now).timestamp()))


def _of_cronjob(store: Store, cronjob: CronJob, now: datetime) -> list[Trouble]:
    def one(
        status: str, what: str, since: datetime | None, why: str, step: str, of: tuple[str, str]
    ) -> Trouble:
        return Trouble(
            f"{what}/{cronjob.id}",
            status,
            cronjob.namespace,
            cronjob.name,
            since,
            why,
            step,
            *of,
            since or now,
        )

    found = []
    runs = ("runs", cronjob.id)
    last = store.executions.get(cronjob.last_execution_id)
    if cronjob.late_since is not None and not cronjob.suspended:
        why = f"No run came at {cronjob.late_since:%Y-%m-%d %H:%M}Z."
        found.append(
            one("late", "late", cronjob.late_since, why, "Look at the CronJob's events and quota.", runs)
        )
    if cronjob.recent and cronjob.recent[-1] in FAULTS:
        since = (last.ended_at if last else None) or cronjob.last_started_at
        why, step = (last.message or "", last.next_step or "") if last else ("", "")
        of = ("run", last.id) if last else runs
        found.append(one(word(cronjob.recent[-1]), "run", since, why or "The last run failed.", step, of))
    if cronjob.policy_fault:
        found.append(one("FAIL", "policy", None, cronjob.policy_fault, "Mend the annotation.", runs))
    backup = store.backups.get(store.latest_backup.get(cronjob.id))
    if cronjob.policy is not None and backup is not None and backup.status in FAULTS:
        of = ("run", backup.cronjob_execution_id) if backup.cronjob_execution_id else runs
        why = f"Backup: {backup.message or backup.reason or 'it did not succeed'}"
        found.append(one(word(backup.status), "backup", backup.ended_at, why, backup.next_step or "", of))
    return found


def _of_storage(storage: "object") -> list[Trouble]:
    from kronkeep_common.models import BackupStorage

    assert isinstance(storage, BackupStorage)
    fields = ("", storage.id, storage.checked_at or storage.created_at)
    at = storage.checked_at or storage.created_at
    if storage.status == StorageStatus.FAILED:
        why = storage.message or storage.reason or "It failed."
        return [
            Trouble(
                f"storage/{storage.id}", "FAIL", *fields, why, storage.next_step or "", "storages", "", at
            )
        ]
    if storage.check_ok is False:
        why = storage.message or "The last check found faults."
        return [
            Trouble(f"check/{storage.id}", "FAIL", *fields, why, storage.next_step or "", "storages", "", at)
        ]
    used = fill(storage)
    if used is not None and used >= CAPACITY_WARNING:
        why = f"{used:.0%} of its capacity is used."
        return [
            Trouble(
                f"full/{storage.id}", "late", *fields, why, "Keep less, or give it room.", "storages", "", at
            )
        ]
    return []


def fill(storage: "object") -> float | None:
    """The used part of a storage, 0 to 1, where both figures are known."""
    usage = getattr(storage, "usage", None)
    capacity = (usage.capacity_bytes if usage else None) or getattr(storage, "capacity_bytes", None)
    return usage.used_bytes / capacity if usage and capacity else None


def _of_watch(watch: "object", now: datetime) -> Trouble:
    name, since = str(getattr(watch, "name", "")), getattr(watch, "since", now)
    reason = getattr(watch, "why", None) or "no reason given"
    why = f"The watch of {name} is {getattr(watch, 'status', '')}: {reason}"
    step = "What is shown of the cluster may be old; see kronkeep doctor."
    return Trouble(f"watch/{name}", "late", "", name, since, why, step, "overview", "", since)


def good_age(cronjob: CronJob, now: datetime) -> Span:
    """How old the last good backup is."""
    if cronjob.last_good_backup_at is None:
        return "never", "bad" if cronjob.policy else "quiet"
    old = now - cronjob.last_good_backup_at
    return age(cronjob.last_good_backup_at, now), "warn" if old > timedelta(hours=36) else ""


def is_open(backup: BackupExecution) -> bool:
    """Whether a backup is still on its way."""
    return backup.status in (BackupStatus.WAITING, BackupStatus.QUEUED, BackupStatus.RUNNING)
