"""Content of the overview: what runs, what comes next, the last day, storages, success by namespace."""

from collections import defaultdict
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from kronkeep_common.models import BackupExecution
from kronkeep_common.text import age, clean, duration, size
from kronkeep_tui.pages.moments import clock_text, local_time, time_until
from kronkeep_tui.pages.status_words import BLOCKS, CAPACITY_WARNING, bar, progress_words, used_share
from kronkeep_tui.store import Store
from kronkeep_tui.widgets.cells import Drawing, Moment, Span, Text, fit, wrap

HOURS = 24
MORE = "+"  # an hour with more failed runs than one digit says
HOUR = timedelta(hours=1)
SOON = timedelta(minutes=60)
FORTNIGHT = timedelta(days=14)
SHORTEST_SECTION = 2  # lines, with its title
Section = Callable[[Store, datetime, int], list[Text]]


def title(words: str, more: str = "") -> Text:
    """Return the title of a section."""
    return ((words, "title"), (f"  {more}" if more else "", "quiet"))


def running(store: Store, now: datetime, width: int) -> list[Text]:
    """Return the runs and backups that are in progress."""
    lines: list[Text] = [title("RUNNING")]
    for run in store.executions.newest()[:200]:
        if run.status in ("running", "pending"):
            took = duration((now - run.started_at).total_seconds() // 1) if run.started_at else "waits"
            state: Span = (f" {run.reason}", "warn") if run.reason else (f" {took:>7}", "quiet")
            name = fit(store.label(run.namespace, run.cronjob), max(10, width - 10 - len(state[0])))
            lines.append((("run    ", "run"), (name, ""), state))
    for backup in store.backups.newest()[:200]:
        if backup.status in ("running", "queued", "waiting"):
            state = _backup_state(backup, now, width)
            room = max(10, width - len("backup ") - 1 - len(state[0]))
            name = fit(store.label(backup.namespace, backup.cronjob), room)
            lines.append((("backup ", "run"), (name, ""), (" ", ""), state))
    return lines if len(lines) > 1 else [*lines, (("nothing is running", "quiet"),)]


def _backup_state(backup: BackupExecution, now: datetime, width: int) -> Span:
    """Return what holds a backup up, or its progress, of which a narrow column holds only the bar.

    Waiting for a turn is usual; one that runs and has a reason is not well: what it does is not known then.
    """
    if backup.reason is not None:
        return (backup.reason, "warn" if backup.status == "running" else "quiet")
    if backup.progress is None:
        return (backup.status, "quiet")
    if width < 60:
        return (bar(backup.progress.percent, 10), "quiet")
    return (progress_words(backup.progress, backup.started_at, now, 10), "quiet")


def upcoming(store: Store, now: datetime, width: int) -> list[Text]:
    """Return what is due within the hour, or else the next run of all."""
    due = [(c.next_at, c) for c in store.cronjobs if c.next_at is not None and not c.suspended]
    due.sort(key=lambda pair: pair[0])
    soon = [pair for pair in due if pair[0] - now <= SOON]
    lines: list[Text] = [title("NEXT", "60 minutes" if soon or not due else "nothing within 60 minutes")]
    lines += [
        (
            (fit(store.label(cronjob.namespace, cronjob.name), width - 12), ""),
            (Moment(f"{time_until(moment, now):>10}", f"{clock_text(moment, now):>10}"), "quiet"),
        )
        for moment, cronjob in (soon or due)[:6]
    ]
    return lines if len(lines) > 1 else [*lines, ((_nothing_due(store), "quiet"),)]


def _nothing_due(store: Store) -> str:
    suspended = sum(cronjob.suspended for cronjob in store.cronjobs)
    if not suspended:
        return "no CronJob is due"
    are = "is" if suspended == 1 else "are"
    is_maintenance = all(cronjob.maintenance for cronjob in store.cronjobs if cronjob.suspended)
    how = "in maintenance" if is_maintenance else "suspended"
    return f"no CronJob is due: {suspended} of {len(store.cronjobs)} {are} {how}"


def last_day(store: Store, now: datetime, width: int) -> list[Text]:
    """Return the runs of the last 24 hours: blocks for hours without failures, digits for failed runs.

    Hours whose runs were not all read are blank.
    """
    well = [0] * HOURS
    bad = [0] * HOURS
    for run in store.executions.newest():
        hour = int((now - run.created_at).total_seconds() // 3600)
        if hour >= HOURS:
            break
        place = well if run.status in ("succeeded", "running", "pending") else bad
        place[HOURS - 1 - max(0, hour)] += 1
    top = max(*well, 1)
    unread = min(HOURS, max(0, HOURS - int((now - min(now, store.complete_since)) / HOUR)))
    good = "".join("·" if n == 0 else BLOCKS[min(7, 8 * n // (top + 1))] for n in well)
    ill = "".join("·" if n == 0 else str(n) if n <= 9 else MORE for n in bad)
    good, ill = (" " * unread + signs[unread:] for signs in (good, ill))
    return [
        title(
            "LAST 24 HOURS",
            f"read since {local_time(store.complete_since, now, '%H:%M')}"
            if unread
            else f"one column an hour{', + is more than 9' if max(bad) > 9 else ''}",
        ),
        (("ok    ", "quiet"), (Drawing(good, ""), "ok"), (f"  {sum(well)}", "")),
        (
            ("not   ", "quiet"),
            (Drawing(ill, _bad_hours(bad)), "bad" if any(bad) else "quiet"),
            (f"  {sum(bad)}", "bad" if any(bad) else ""),
        ),
    ]


def _bad_hours(bad: Sequence[int]) -> str:
    """Return the newest hours with failed runs in words."""
    hours = [f"{n} {_hour_words(HOURS - 1 - at)}" for at, n in enumerate(bad) if n]
    return ", ".join(reversed(hours[-2:]))


def _hour_words(hours: int) -> str:
    return f"{hours}h ago" if hours else "in the last hour"


def storages(store: Store, now: datetime, width: int) -> list[Text]:
    """Return how full the storages are and when they were checked."""
    lines: list[Text] = [title("STORAGES", "how full, last check")]
    name = min(20, max(8, width - 27))
    for storage in store.storages.newest()[:5]:
        used = used_share(storage)
        held = size(storage.usage.used_bytes) if storage.usage else "not measured"
        words = bar(100 * used, 10 if width >= 42 else 6) if used is not None else held
        check = {True: f"check ok {age(storage.checked_at, now)}", False: "CHECK FAILED", None: "not checked"}
        kind = {True: "quiet", False: "bad", None: "quiet"}[storage.check_ok]
        has_failed = storage.status == "failed" or storage.reason is not None
        state: Span = ("FAIL", "bad") if has_failed else (words, _fill_role(used))
        checked: Span = (check[storage.check_ok], "quiet" if has_failed else kind)
        lines.append(((fit(storage.id, name), ""), (" ", ""), state, ("  ", ""), checked))
    return lines if len(lines) > 1 else [*lines, (("no storage yet", "quiet"),)]


def _fill_role(used: float | None) -> str:
    """Return the role of a storage's bar: a warning from CAPACITY_WARNING on."""
    if used is None:
        return ""
    return "warn" if used >= CAPACITY_WARNING else "accent"


def _span(begin: datetime, now: datetime) -> str:
    return (
        "14 days, every run"
        if now - begin >= FORTNIGHT
        else f"every run since {local_time(begin, now, '%d %b %H:%M')}"
    )


def success(store: Store, now: datetime, width: int) -> list[Text]:
    """Return the success rate of each namespace for a fortnight, or for the time that was read."""
    begin = max(store.complete_since, now - FORTNIGHT)
    ended: defaultdict[str, list[bool]] = defaultdict(list)
    for run in store.executions.newest():
        if run.created_at < begin:
            break
        if run.status not in ("running", "pending"):
            ended[run.namespace].append(run.status == "succeeded")
    lines: list[Text] = [title("SUCCESS", _span(begin, now))]
    for namespace in sorted(ended, key=lambda n: sum(ended[n]) / len(ended[n]))[:6]:
        rate = 100 * sum(ended[namespace]) / len(ended[namespace])
        kind = "ok" if rate >= 99 else "warn" if rate >= 90 else "bad"
        count: Span = (f"  of {len(ended[namespace])}", "quiet")
        lines.append(((fit(namespace, min(20, max(8, width // 2))), ""), (f" {rate:5.1f}%", kind), count))
    return lines if len(lines) > 1 else [*lines, (("no run has ended yet", "quiet"),)]


LEFT: tuple[Section, ...] = (running, storages)
RIGHT: tuple[Section, ...] = (upcoming, last_day, success)
COCKPIT_LEFT: tuple[Section, ...] = (running, upcoming)
COCKPIT_RIGHT: tuple[Section, ...] = (storages, last_day, success)
WITH_NIGHT = 120  # columns from which on the night is shown
COCKPIT = 160  # columns from which on attention and night stand side by side
LEAST_ALERTS = 4  # lines
LEAST_NIGHT = 6
LEAST_BELOW = 8  # lines that stay for what runs and the storages, where there is a night


class PaneHeights(NamedTuple):
    """Lines of the panes above the two columns; 0 for a pane that is not shown."""

    alerts: int
    night: int
    whole: int


def fit_panes(columns: int, lines: int, alerts: int, night: int, own: int | None = None) -> PaneHeights:
    """Return the heights of the panes in a view of a size.

    alerts, night: the lines that would show all of them.
    own: what the user has set for the alerts.
    """
    most = lines * 2 // 5
    attention = max(LEAST_ALERTS, min(alerts, most)) if own is None else own
    if columns >= COCKPIT:
        whole = max(attention, min(max(alerts, night), lines // 2)) if own is None else own
        return PaneHeights(whole, whole, whole)
    space = min(night, most, lines - attention - LEAST_BELOW)
    if columns < WITH_NIGHT or space < LEAST_NIGHT:
        return PaneHeights(attention, 0, attention)
    return PaneHeights(attention, space, attention + space)


def column(
    sections: Sequence[Section], store: Store, now: datetime, width: int, height: int = 0
) -> list[Text]:
    """Return sections below each other; the longest are cut until all fit a height (0: any)."""
    parts = [section(store, now, width) for section in sections]
    lists = [part for part, section in zip(parts, sections, strict=True) if section is not last_day]
    while height and lists and sum(len(part) + 1 for part in parts) - 1 > height:
        longest = max(lists, key=len)
        if len(longest) <= SHORTEST_SECTION:
            break
        longest.pop()
    return [line for part in parts for line in (*part, ())]


WELCOME = (
    "It records every run of your CronJobs, with its cause and log, and makes the backup that belongs to it. "
    "There is no CronJob here yet. The first one with its backup takes a minute:"
)


def welcome(store: Store, width: int) -> list[Text]:
    """Return the first steps for an empty installation."""
    names = ", ".join(clean(name) for name in store.storages.order[:3])
    steps: tuple[tuple[str, str, str, str], ...] = (
        ("1", "6 n", "creates a storage for backups  ", names),
        ("2", "2 n", "creates a CronJob with its backup policy; f4 fills in the form", ""),
        ("3", "t", "runs it; its run, backup and snapshot are one record", ""),
        ("", "?", "shows the keys of each view, and : takes commands", ""),
    )
    lines: list[Text] = [(("Welcome to kronkeep.", "strong"),), ()]
    lines += [((part, ""),) for part in wrap(WELCOME, width)]
    for number, keys, words, done in steps:
        lines += [(), ((f"  {number:3}", "quiet"), (f"{keys:5}", "accent"), (words, ""), (done, "ok"))]
    return lines
