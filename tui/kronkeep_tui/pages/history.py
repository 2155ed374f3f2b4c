"""A CronJob's past at a glance: success, durations and sizes over time, nights, two runs compared."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from statistics import median, quantiles

from kronkeep_common.models import CronJob, CronJobExecution
from kronkeep_common.text import clean, duration, size
from kronkeep_tui.pages.words import STRIP, blocks, state, strip
from kronkeep_tui.store import Store, backup_of, backups_of, runs_of
from kronkeep_tui.widgets.cells import Span, Text

WEEKS = 12
_WORST = ("failed", "missed", "unknown", "cancelled", "running", "pending", "succeeded")


def figures(runs: Sequence[CronJobExecution]) -> list[Text]:
    """How many went well, and how long they take."""
    ended = [run for run in runs if run.status not in ("running", "pending")]
    if not ended:
        return [(("no run has ended yet", "quiet"),)]
    well = sum(1 for run in ended if run.status == "succeeded")
    rate = 100 * well / len(ended)
    kind = "ok" if rate >= 99 else "warn" if rate >= 90 else "bad"
    took = sorted(run.duration_seconds for run in ended if run.duration_seconds is not None)
    words: list[Span] = [(f"{rate:.1f}%", kind), (f" of {len(ended)} runs went well", "")]
    if len(took) >= 2:
        slow = quantiles(took, n=20)[-1]
        words.append(
            (f"   usually {duration(median(took))}, 95% within {duration(max(slow, took[0]))}", "quiet")
        )
    return [tuple(words)]


def sparks(store: Store, runs: Sequence[CronJobExecution], width: int) -> list[Text]:
    """Durations and sizes of the newest runs, oldest first, in blocks."""
    count = max(8, min(width - 24, 60))
    newest = list(reversed(runs[:count]))
    took = [run.duration_seconds for run in newest]
    held = [b.result.bytes_read if (b := backup_of(store, run)) and b.result else None for run in newest]
    lines: list[Text] = []
    if any(took):
        lines.append(_spark("took", took, count, duration(max(t for t in took if t is not None))))
    if any(held):
        lines.append(_spark("size", held, count, size(max(h for h in held if h is not None))))
    return lines


def _spark(name: str, values: Sequence[float | None], width: int, top: str) -> Text:
    return ((f"{name}  ", "quiet"), (blocks(values, width), "accent"), (f"  most {top}", "quiet"))


def page(cronjob: CronJob, store: Store, now: datetime, width: int) -> list[Text]:
    """The whole page."""
    runs, backups = runs_of(store, cronjob.id), backups_of(store, cronjob.id)
    lines: list[Text] = [
        ((cronjob.name, "strong"), (f"  {cronjob.schedule_text or cronjob.schedule}", "quiet")),
        (),
        (("RUNS  ", "title"), *strip([run.status for run in reversed(runs[: width - 20])], 0)),
        *figures(runs),
        *sparks(store, runs, width),
    ]
    if backups:
        well = [b for b in backups if b.result is not None]
        lines += [
            (),
            (("BACKUPS  ", "title"), *strip([b.status for b in reversed(backups[: width - 20])], 0)),
            (
                (f"{len(well)} archives of {len(backups)}", ""),
                (f"   new data in all {size(sum(b.result.bytes_added for b in well if b.result))}", "quiet"),
            ),
        ]
    return [
        *lines,
        (),
        (("NIGHTS", "title"), ("  one column a week, one row a weekday", "quiet")),
        *calendar(runs, now),
    ]


def by_day(runs: Sequence[CronJobExecution]) -> dict[date, str]:
    """The worst state of each day (UTC)."""
    found: dict[date, str] = {}
    for run in runs:
        day = (run.scheduled_at or run.started_at or run.created_at).astimezone(UTC).date()
        if day not in found or _WORST.index(run.status) < _WORST.index(found[day]):
            found[day] = run.status
    return found


def calendar(runs: Sequence[CronJobExecution], now: datetime) -> list[Text]:
    """Weekdays as rows, weeks as columns; a day without any run after the first one is a gap: `-`."""
    days = by_day(runs)
    today = now.astimezone(UTC).date()
    monday = today - timedelta(days=today.weekday(), weeks=WEEKS - 1)
    first = min(days, default=today)
    head = [f"{monday + timedelta(weeks=week):%d.%m}"[:5] if week % 2 == 0 else "" for week in range(WEEKS)]
    lines: list[Text] = [((" " * 5 + "".join(f"{text:3}" for text in head), "quiet"),)]
    for weekday in range(7):
        cells: list[Span] = [(f"{monday + timedelta(days=weekday):%a}  ", "quiet")]
        for week in range(WEEKS):
            day = monday + timedelta(days=weekday, weeks=week)
            cells.append(_day(days.get(day), first <= day <= today))
        lines.append(tuple(cells))
    signs = [
        (sign, kind) for sign, kind in dict.fromkeys(STRIP[s] for s in ("succeeded", "failed", "missed"))
    ]
    key: list[Span] = [("     ", "")]
    for (sign, kind), words in zip(signs, ("well", "failed", "missed"), strict=True):
        key += [(sign, kind), (f" {words}   ", "quiet")]
    return [*lines, (*key, ("- no run at all", "quiet"))]


def _day(status: str | None, within: bool) -> Span:
    if status is None:
        return ("-  ", "quiet") if within else ("   ", "")
    sign, kind = STRIP.get(status, ("?", "warn"))
    return f"{sign}  ", kind


def compare(one: CronJobExecution, two: CronJobExecution, store: Store, width: int) -> list[Text]:
    """Two runs, field by field; what differs is strong."""
    left, right = _fields(one, store), _fields(two, store)
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


def _fields(run: CronJobExecution, store: Store) -> dict[str, str]:
    backup = backup_of(store, run)
    result = backup.result if backup else None
    started = run.started_at
    return {
        "run": run.job or run.id,
        "state": state(run.status)[0],
        "started": f"{started:%Y-%m-%d %H:%M:%S}Z" if started else "-",
        "took": duration(run.duration_seconds),
        "by": run.trigger.value,
        "exit code": "-" if run.exit_code is None else str(run.exit_code),
        "attempts": str(run.attempts),
        "restarts": str(run.restarts),
        "node": run.node or "-",
        "reason": run.reason or "-",
        "policy": run.policy_revision or "-",
        "backup": state(backup.status)[0] if backup else "none",
        "snapshot": result.snapshot_id[:12] if result else "-",
        "files": str(result.files_total) if result else "-",
        "read": size(result.bytes_read) if result else "-",
        "new data": size(result.bytes_added) if result else "-",
        "archive took": duration(backup.duration_seconds) if backup else "-",
    }
