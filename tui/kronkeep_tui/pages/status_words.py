"""States in words with their roles, strips, bars and what is in trouble; words before colours."""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

from kronkeep_common.models import BackupStorage, CronJob, Progress
from kronkeep_common.text import age, duration, size
from kronkeep_tui.store import Store, newest_backup
from kronkeep_tui.widgets.cells import Drawn, Span, Text, wrap

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
    shown = statuses[-width:]
    well = sum(1 for status in shown if status == "succeeded")
    words = f"{well} of {len(shown)} ok" if shown else "none"
    signs = _strip(shown, width)
    return ((Drawn(signs[0][0], words), signs[0][1]), *((Drawn(sign, ""), kind) for sign, kind in signs[1:]))


def _strip(statuses: Sequence[str], width: int) -> list[Span]:
    found: list[Span] = [(" " * max(0, width - len(statuses)), "")]
    for status in statuses:
        sign, kind = STRIP.get(status, ("?", "warn"))
        if found[-1][1] == kind:
            found[-1] = (found[-1][0] + sign, kind)
        else:
            found.append((sign, kind))
    return found


def bar(percent: float, width: int) -> Drawn:
    """`[####......] 41%`."""
    full = round(width * max(0.0, min(100.0, percent)) / 100)
    return Drawn(f"[{'#' * full}{'.' * (width - full)}] {percent:.0f}%", f"{percent:.0f}%")


def blocks(values: Sequence[float | None], width: int, said: Callable[[float], str]) -> Drawn:
    """The newest values as a row of blocks, the largest full; a gap where there is none."""
    shown = list(values)[-width:]
    known = [value for value in shown if value is not None]
    top = max(known, default=0) or 1
    signs = ["·" if v is None else BLOCKS[min(7, int(7.999 * max(0.0, v) / top))] for v in shown]
    words = f"least {said(min(known))}, newest {said(known[-1])}" if known else "none"
    return Drawn("".join(signs), words)


def progress_words(progress: Progress, began: datetime | None, now: datetime, width: int) -> Drawn:
    """A bar, then how much of how much, the rate since it began, and how long the rest may take."""
    drawn = bar(progress.percent, width)
    words = f" {size(progress.bytes_done)}"
    if progress.bytes_total:
        words += f" of {size(progress.bytes_total)}"
    seconds = (now - began).total_seconds() if began else 0
    left = progress.remaining_seconds
    if seconds > 0 and progress.bytes_done:
        rate = progress.bytes_done / seconds
        words += f"  {size(rate)}/s"
        left = left or max(0, progress.bytes_total - progress.bytes_done) / rate
    words += f"  {duration(left)} left" if left else ""
    return Drawn(f"{drawn}{words}", f"{drawn.words}{words}")


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
    last = newest_backup(store, cronjob)
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


def fill(storage: BackupStorage) -> float | None:
    """The full part of a storage's place, 0 to 1, whoever filled it; None where it is not known."""
    usage = storage.usage
    capacity = (usage.capacity_bytes if usage else None) or storage.capacity_bytes
    if not usage or not capacity:
        return None
    left = usage.available_bytes
    return usage.used_bytes / capacity if left is None else 1 - left / capacity


def counted(count: int, word: str) -> str:
    """`1 snapshot`, `2 snapshots`."""
    return f"{count} {word}{'' if count == 1 else 's'}"


def good_age(cronjob: CronJob, now: datetime) -> Span:
    """How old the last good backup is."""
    if cronjob.last_good_backup_at is None:
        return "never", "bad" if cronjob.policy else "quiet"
    old = now - cronjob.last_good_backup_at
    return age(cronjob.last_good_backup_at, now), "warn" if old > timedelta(hours=36) else ""


def cause(message: str | None, step: str | None, width: int, kind: str) -> list[Text]:
    """What is wrong in the role `kind`, then what to do, on lines of its own that begin with an arrow."""
    found: list[Text] = [((part, kind),) for part in wrap(message, width)] if message else []
    for number, part in enumerate(wrap(step, width - 2) if step else []):
        found.append(((f"{'  ' if number else '→ '}{part}", ""),))
    return found
