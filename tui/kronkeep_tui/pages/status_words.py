"""States in words with their roles, strips, bars and counts; colours only repeat what the words say."""

import os
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

from kronkeep_common.models import BackupExecution, BackupStorage, CronJob, Progress
from kronkeep_common.text import duration, size
from kronkeep_tui.pages.moments import age_cell
from kronkeep_tui.store import Store, newest_backup
from kronkeep_tui.widgets.cells import Drawing, Span, Text, wrap

WORDS = {
    "pending": "wait",
    "running": "run",
    "succeeded": "ok",
    "failed": "FAIL",
    "cancelled": "stop",
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
    "UNUS": "warn",
    "HOOK": "warn",
    "late": "warn",
    "MISS": "warn",
    "?": "warn",
    "run": "run",
    "wait": "quiet",
    "susp": "quiet",
    "stop": "quiet",
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
ENDS = " ▏▎▍▌▋▊▉█"  # eighths of a cell from the left
CAPACITY_WARNING = 0.85


def word(status: str) -> str:
    """Return a state in at most four letters."""
    return WORDS.get(status, status)


def role(status: str) -> str:
    """Return the role of a state."""
    return ROLES.get(word(status), "")


def state(status: str) -> Span:
    """Return a state's word and its role."""
    return word(status), role(status)


def backup_state(backup: BackupExecution) -> Span:
    """Return a backup's state and its role; one that succeeded may be unusual, or a post hook has failed."""
    if backup.is_unusual:
        return "UNUS", "warn"
    if backup.failed_post_hooks and backup.status == "succeeded":
        return "HOOK", "warn"
    return state(backup.status)


def strip(statuses: Sequence[str], width: int) -> Text:
    """Return the newest states as one character each, oldest first; equal neighbours are one span."""
    shown = statuses[-width:]
    well = sum(1 for status in shown if status == "succeeded")
    words = f"{well} of {len(shown)} ok" if shown else "none"
    signs = _strip(shown, width)
    return (
        (Drawing(signs[0][0], words), signs[0][1]),
        *((Drawing(sign, ""), kind) for sign, kind in signs[1:]),
    )


def _strip(statuses: Sequence[str], width: int) -> list[Span]:
    found: list[Span] = [(" " * max(0, width - len(statuses)), "")]
    for status in statuses:
        sign, kind = STRIP.get(status, ("?", "warn"))
        if found[-1][1] == kind:
            found[-1] = (found[-1][0] + sign, kind)
        else:
            found.append((sign, kind))
    return found


def has_few_signs() -> bool:
    """Whether the terminal's font lacks most block characters, as that of a console (console_codes(4))."""
    return os.environ.get("TERM", "") in ("linux", "vt100", "vt220", "dumb")


def bar(percent: float, width: int) -> Drawing:
    """Return a bar like `████▏░░░░░ 41%`, to an eighth of a cell where the terminal has such signs."""
    eighths = round(8 * width * max(0.0, min(100.0, percent)) / 100)
    whole = eighths // 8
    part = "" if has_few_signs() else ENDS[eighths % 8].strip()
    rest = "░" * (width - whole - len(part))
    return Drawing(f"{'█' * whole}{part}{rest} {percent:.0f}%", f"{percent:.0f}%")


def blocks(values: Sequence[float | None], width: int, said: Callable[[float], str]) -> Drawing:
    """Return the newest values as a row of blocks, the largest full; a gap where a value is missing."""
    shown = list(values)[-width:]
    known = [value for value in shown if value is not None]
    top = max(known, default=0) or 1
    signs = ["·" if v is None else BLOCKS[min(7, int(7.999 * max(0.0, v) / top))] for v in shown]
    words = f"least {said(min(known))}, newest {said(known[-1])}" if known else "none"
    return Drawing("".join(signs), words)


def progress_words(progress: Progress, began: datetime | None, now: datetime, width: int) -> Drawing:
    """Return a bar, the amount done, the rate since the start, and the remaining time."""
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
    return Drawing(f"{drawn}{words}", f"{drawn.words}{words}")


UNENDED = ("pending", "running")


def last_outcome(cronjob: CronJob) -> str:
    """Return how a CronJob's newest run that has ended did end; `new` without one, `claim` of a claim."""
    if cronjob.is_claim:
        return "claim"
    for status in reversed(cronjob.recent):
        if status not in UNENDED:
            return word(status)
    return "new"


def present_state(cronjob: CronJob) -> str:
    """Return what a CronJob does beside its last outcome: suspended, late, or running; nothing otherwise."""
    if cronjob.suspended:
        return "susp"
    if cronjob.late_since is not None:
        return "late"
    return "run" if cronjob.recent and cronjob.recent[-1] in UNENDED else ""


def job_state(cronjob: CronJob) -> str:
    """Return a CronJob's last outcome and its present state: a failure counts while it runs again."""
    outcome = last_outcome(cronjob)
    present = present_state(cronjob)
    return present if present and outcome == "new" else f"{outcome} {present}".strip()


def job_role(cronjob: CronJob) -> str:
    """Return the role of a CronJob's state: a failure comes first."""
    outcome = last_outcome(cronjob)
    present = present_state(cronjob)
    return ROLES.get(outcome if outcome == "FAIL" or not present else present, "quiet")


def backup_words(store: Store, cronjob: CronJob) -> Span:
    """Return the state of a CronJob's newest backup."""
    if cronjob.policy_fault:
        return "bad policy", "bad"
    if cronjob.policy is None:
        return "no policy", "quiet"
    if not cronjob.policy.enabled:
        return "off", "quiet"
    last = newest_backup(store, cronjob)
    return ("none yet", "quiet") if last is None else backup_state(last)


def counts(cronjobs: Sequence[CronJob]) -> list[tuple[str, int, str]]:
    """Return how many CronJobs fail or are late, and how many runs go on."""
    outcomes = [last_outcome(cronjob) for cronjob in cronjobs]
    late = sum(1 for cronjob in cronjobs if cronjob.late_since is not None)
    running = sum(cronjob.active for cronjob in cronjobs)
    return [
        ("FAIL", outcomes.count("FAIL"), "bad"),
        ("late", late, "warn"),
        ("run", running, "run"),
    ]


def used_share(storage: BackupStorage) -> float | None:
    """Return the used share of a storage, 0 to 1, or None if unknown."""
    usage = storage.usage
    capacity = (usage.capacity_bytes if usage else None) or storage.capacity_bytes
    if not usage or not capacity:
        return None
    left = usage.available_bytes
    return usage.used_bytes / capacity if left is None else 1 - left / capacity


def good_age(cronjob: CronJob, now: datetime) -> Span:
    """Return the age of the last good backup."""
    if cronjob.last_good_backup_at is None:
        return "never", "bad" if cronjob.policy else "quiet"
    old = now - cronjob.last_good_backup_at
    return age_cell(min(cronjob.last_good_backup_at, now), now), "warn" if old > timedelta(hours=36) else ""


def cause(message: str | None, step: str | None, width: int, kind: str) -> list[Text]:
    """Return what is wrong in the role `kind`, then the next step on lines that begin with an arrow."""
    found: list[Text] = [((part, kind),) for part in wrap(message, width)] if message else []
    for number, part in enumerate(wrap(step, width - 2) if step else []):
        found.append(((f"{'  ' if number else '→ '}{part}", ""),))
    return found
