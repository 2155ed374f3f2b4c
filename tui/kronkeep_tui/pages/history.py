"""Content of a CronJob's history page: success, durations, sizes, bad days, and two runs compared."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta, tzinfo
from statistics import median, quantiles

from kronkeep_common.models import BackupExecution, CronJob, CronJobExecution
from kronkeep_common.text import clean, count_words, duration, size
from kronkeep_tui.pages.moments import local_time
from kronkeep_tui.pages.plots import AXIS, Point, axis, plot
from kronkeep_tui.pages.status_words import BLOCKS, STRIP, backup_state, blocks, state, strip
from kronkeep_tui.store import Store, backup_of, backups_of, runs_of
from kronkeep_tui.widgets.cells import Drawing, Span, Text, put_side_by_side

WEEKS = 26
PLOT_ROWS = 4
_WORST = ("failed", "missed", "unknown", "cancelled", "running", "pending", "succeeded")


def figures(runs: Sequence[CronJobExecution]) -> list[Text]:
    """Return how many runs succeeded and how long they take."""
    ended = [run for run in runs if run.status not in ("running", "pending")]
    if not ended:
        return [(("no run has ended yet", "quiet"),)]
    well = sum(1 for run in ended if run.status == "succeeded")
    rate = 100 * well / len(ended)
    of = f" of {count_words(len(ended), 'run')} succeeded"
    words: list[Span] = [(f"{rate:.1f}%", rate_role(rate)), (of, "")]
    took = sorted(run.duration_seconds for run in ended if run.duration_seconds is not None)
    if len(took) >= 2:
        slow = quantiles(took, n=20)[-1]
        words.append(
            (f"   usually {duration(median(took))}, 95% within {duration(max(slow, took[0]))}", "quiet")
        )
    return [tuple(words)]


def rate_role(rate: float) -> str:
    """Return the role of a success rate in percent."""
    return "ok" if rate >= 99 else "warn" if rate >= 90 else "bad"


def sparkline_rows(store: Store, runs: Sequence[CronJobExecution], width: int) -> list[Text]:
    """Return durations and sizes of the newest runs, oldest first, a line each."""
    count = max(8, min(width - 24, 60))
    newest = list(reversed(runs[:count]))
    took = [run.duration_seconds for run in newest]
    sizes = [_bytes_read(store, run) for run in newest]
    lines: list[Text] = []
    for name, values, describe in (("took", took, duration), ("size", sizes, size)):
        if known := [value for value in values if value is not None]:
            sparkline = blocks(values, count, describe)
            lines.append(
                ((f"{name}  ", "quiet"), (sparkline, "accent"), (f"  most {describe(max(known))}", "quiet"))
            )
    return lines


def _bytes_read(store: Store, run: CronJobExecution) -> float | None:
    backup = backup_of(store, run)
    return backup.result.bytes_read if backup and backup.result else None


def page(cronjob: CronJob, store: Store, now: datetime, width: int, *, plain: bool = False) -> list[Text]:
    """Return the page: runs over time at the left, days at the right (`plain`: below), backups last."""
    runs = runs_of(store, cronjob.id)
    backups = backups_of(store, cronjob.id)
    weeks = max(4, min(WEEKS, (width // 3 - 5) // 2))
    right = calendar(runs, now, weeks)
    wide = 5 + 2 * weeks
    left = over_time(store, runs, now, width - wide - 3)
    half = min(width - wide - 3, max(sum(len(words) for words, _ in line) for line in left))
    both = [*left, (), *right] if plain else put_side_by_side(left, right, half)
    return [
        (
            (store.label(cronjob.namespace, cronjob.name), "strong"),
            (f"  {cronjob.schedule_text or cronjob.schedule}", "quiet"),
        ),
        *figures(runs),
        (),
        *both,
        *_backups(backups, width),
    ]


def over_time(store: Store, runs: Sequence[CronJobExecution], now: datetime, width: int) -> list[Text]:
    """Return how long runs took and what their backups read, a column for each run, with the status below."""
    newest = list(reversed(runs[: max(8, width - AXIS - 1)]))
    if not newest:
        return [(("no run is known", "quiet"),)]
    lines: list[Text] = []
    took = [run.duration_seconds for run in newest]
    held = [_bytes_read(store, run) for run in newest]
    for name, values, said in (("TOOK", took, duration), ("BACKED UP", held, size)):
        if known := [value for value in values if value is not None]:
            points = [
                Point(value, "bad" if run.status == "failed" else "accent")
                for value, run in zip(values, newest, strict=True)
            ]
            usual = f"  usually {said(median(known))}, most {said(max(known))}, newest {said(known[-1])}"
            lines += [((name, "title"), (usual, "quiet")), *plot(points, PLOT_ROWS, said)]
    ended = strip([run.status for run in newest], 0)
    began = [run.scheduled_at or run.started_at or run.created_at for run in (newest[0], newest[-1])]
    return [
        *lines,
        ((f"{'ended':>{AXIS}} ", "quiet"), *ended),
        axis(began[0].astimezone(now.tzinfo), began[1].astimezone(now.tzinfo), len(newest)),
    ]


def _backups(backups: Sequence[BackupExecution], width: int) -> list[Text]:
    if not backups:
        return []
    well = [b for b in backups if b.result is not None]
    added = sum(b.result.bytes_added for b in well if b.result)
    return [
        (),
        (("BACKUPS  ", "title"), *strip([b.status for b in reversed(backups[: width - 20])], 0)),
        (
            (f"{count_words(len(well), 'archive')} of {len(backups)}", ""),
            (f"   new data in total {size(added)}", "quiet"),
        ),
    ]


def _day_of(run: CronJobExecution, zone: tzinfo | None) -> date:
    """Return the day of a run in a zone."""
    return (run.scheduled_at or run.started_at or run.created_at).astimezone(zone).date()


def by_day(runs: Sequence[CronJobExecution], zone: tzinfo | None) -> dict[date, str]:
    """Return the worst status of each day in a zone."""
    found: dict[date, str] = {}
    for run in runs:
        day = _day_of(run, zone)
        if day not in found or _WORST.index(run.status) < _WORST.index(found[day]):
            found[day] = run.status
    return found


def calendar(runs: Sequence[CronJobExecution], now: datetime, weeks: int = 12) -> list[Text]:
    """Return a calendar, weekdays as rows, weeks as columns; `-` is a day without a run."""
    days = by_day(runs, now.tzinfo)
    today = now.date()
    monday = today - timedelta(days=today.weekday(), weeks=weeks - 1)
    first = min(days, default=today)
    lines: list[Text] = [
        (("DAYS", "title"), (f"  by week, {now.tzname()}", "quiet")),
        ((Drawing(" " * 5 + _month_labels(monday, weeks), ""), "quiet"),),
    ]
    for weekday in range(7):
        cells: list[Span] = [(Drawing(f"{monday + timedelta(days=weekday):%a}  ", ""), "quiet")]
        for week in range(weeks):
            day = monday + timedelta(days=weekday, weeks=week)
            cells.append(_day(days.get(day), first <= day <= today))
        lines.append(tuple(cells))
    lines.append(((Drawing("ok   ", ""), "quiet"), *_weekly_rates(runs, now.tzinfo, monday, weeks)))
    return [*lines, *_calendar_legend(_bad_days(days, max(first, monday), today))]


def _month_labels(monday: date, weeks: int) -> str:
    """Return the day on which each fourth column begins, if there is space for it."""
    said = range(0, weeks - 2, 4)
    return "".join(f"{monday + timedelta(weeks=week):%d %b}".ljust(8) for week in said).rstrip()


def _day(status: str | None, within: bool) -> Span:
    if status is None:
        return (Drawing("- ", ""), "quiet") if within else ("  ", "")
    sign, kind = STRIP.get(status, ("?", "warn"))
    return Drawing(f"{sign} ", ""), kind


def _weekly_rates(runs: Sequence[CronJobExecution], zone: tzinfo | None, monday: date, weeks: int) -> Text:
    """Return the share of successful runs of each week as a block; a full block is all of them."""
    ended: list[list[bool]] = [[] for _ in range(weeks)]
    for run in runs:
        week = (_day_of(run, zone) - monday).days // 7
        if 0 <= week < weeks and run.status not in ("running", "pending"):
            ended[week].append(run.status == "succeeded")
    cells: list[Span] = []
    for found in ended:
        rate = 100 * sum(found) / len(found) if found else None
        sign = " " if rate is None else BLOCKS[min(7, int(rate * 8 / 100))]
        cells.append((Drawing(f"{sign} ", ""), rate_role(rate) if rate is not None else ""))
    return tuple(cells)


def _bad_days(days: Mapping[date, str], first: date, last: date) -> str:
    """Return the days with failures in words, the newest first."""
    every = (last - timedelta(days=ago) for ago in range((last - first).days + 1))
    bad_days = [f"{day:%d %b} {days.get(day, 'no run')}" for day in every if days.get(day) != "succeeded"]
    return ", ".join(bad_days) if bad_days else "all succeeded"


def _calendar_legend(bad_days: str) -> list[Text]:
    """Return what the signs of the calendar mean; in plain mode return `bad_days` instead."""
    well, failed, missed = (
        ((Drawing(STRIP[status][0], ""), STRIP[status][1]), (Drawing(f" {words}  ", ""), "quiet"))
        for status, words in (("succeeded", "ok"), ("failed", "failed"), ("missed", "missed"))
    )
    return [((Drawing("", bad_days), ""), *well, *failed), (*missed, (Drawing("- none", ""), "quiet"))]


def compare(
    one: CronJobExecution, two: CronJobExecution, store: Store, now: datetime, width: int
) -> list[Text]:
    """Compare two runs field by field; differing values are emphasised."""
    left = _fields(one, store, now)
    right = _fields(two, store, now)
    wide = max(10, (width - 18) // 2)
    lines: list[Text] = [_pair("", "earlier", "later", wide, "title"), ()]
    for name in left:
        kind = "quiet" if left[name] == right[name] else "warn"
        lines.append(_pair(name, left[name], right[name], wide, kind))
    took = (one.duration_seconds, two.duration_seconds)
    if took[0] and took[1]:
        lines += [(), ((f"The later run took {took[1] / took[0]:.2f} times as long.", ""),)]
    return lines


def _pair(name: str, left: str, right: str, wide: int, kind: str) -> Text:
    def part(text: str) -> str:
        return clean(text, wide - 1).ljust(wide)

    return ((f" {name:15}", "quiet"), (part(left), kind), (part(right), kind))


def _fields(run: CronJobExecution, store: Store, now: datetime) -> dict[str, str]:
    backup = backup_of(store, run)
    result = backup.result if backup else None
    started = run.started_at
    return {
        "run": run.job or run.id,
        "state": state(run.status)[0],
        "started": local_time(started, now, "%Y-%m-%d %H:%M:%S") if started else "-",
        "took": duration(run.duration_seconds),
        "by": run.trigger.value,
        "exit code": "-" if run.exit_code is None else str(run.exit_code),
        "attempts": str(run.attempts),
        "restarts": str(run.restarts),
        "node": run.node or "-",
        "reason": run.reason or "-",
        "policy": run.policy_revision or "-",
        "backup": backup_state(backup)[0] if backup else "none",
        "snapshot": result.snapshot_id[:12] if result else "-",
        "files": str(result.files_total) if result else "-",
        "read": size(result.bytes_read) if result else "-",
        "new data": size(result.bytes_added) if result else "-",
        "archive took": duration(backup.duration_seconds) if backup else "-",
    }
