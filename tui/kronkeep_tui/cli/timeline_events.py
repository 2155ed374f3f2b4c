"""What happened in a period and what is planned, one event after the other: pure functions of a timeline."""

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec

from kronkeep_common.models.timeline import Timeline, TimelineRow
from kronkeep_common.natural_order import natural_key
from kronkeep_common.reasons import Reason
from kronkeep_common.text import count_words
from kronkeep_common.timeline_records import has_waited
from kronkeep_tui.night.bars import Bar, NightRow, with_timeline

FEWEST = 3  # events of one kind after each other, from which on they are one line


class TimelineEvent(msgspec.Struct, frozen=True, kw_only=True):
    """A run, an archive, or one of both that is planned; `count` of them from `begins_at` to `last_at`.

    `id` is that of the run or backup; what is planned has NAMESPACE/NAME of its CronJob. `ends_at` is empty
    while it goes on. An archive waited `waited_seconds` for its repository. `overlaps` are other events
    that went on at the same time. `slots` are those of an interval in which kronkeep did not watch.
    """

    kind: str
    cluster: str
    namespace: str
    cronjob: str
    status: str
    begins_at: datetime
    ends_at: datetime | None = None
    seconds: float | None = None
    usual_seconds: float | None = None
    waited_seconds: float | None = None
    storage_id: str | None = None
    reason: str | None = None
    id: str
    run_id: str | None = None
    slots: int = 0
    overlaps: int = 0
    count: int = 1
    last_at: datetime | None = None

    @property
    def name(self) -> str:
        """The CronJob's name with its namespace."""
        return f"{self.namespace}/{self.cronjob}"

    @property
    def is_not_begun(self) -> bool:
        """Whether this is an archive that was given up because its run had failed."""
        return self.reason == Reason.CRONJOB_FAILED


def list_events(timeline: Timeline) -> list[TimelineEvent]:
    """Return the events of a timeline by their begin; durations of what goes on are up to now."""
    now = timeline.now.timestamp()
    rows = with_timeline({}, timeline)
    events: list[TimelineEvent] = []
    for row in timeline.rows:
        bars = rows[row.cronjob_id]
        events += _past_events(row, bars, now)
        events += _planned_events(row, bars)
    return sorted(_with_overlaps(events, timeline.now), key=_begin_order)


def _past_events(row: TimelineRow, bars: NightRow, now: float) -> Iterable[TimelineEvent]:
    """Yield the runs and archives of a CronJob, those that go on included."""
    place = _place_of(row)
    usual = bars.usual_seconds
    slots = {run.id: run.gap_slots for run in row.runs}
    for bar in bars.runs:
        yield TimelineEvent(
            kind="run", usual_seconds=usual, slots=slots.get(bar.id, 0), **place, **_times_of(bar, now)
        )
    for bar in bars.archives:
        yield TimelineEvent(
            kind="archive",
            waited_seconds=_wait_seconds(bar, now),
            storage_id=bar.storage,
            run_id=bar.run_id,
            **place,
            **_times_of(bar, now),
        )
    for backup in row.backups:
        if not has_waited(backup):
            yield TimelineEvent(
                kind="archive",
                status=backup.status,
                begins_at=backup.queued_at,
                ends_at=backup.ended_at,
                storage_id=backup.storage_id,
                reason=backup.reason,
                id=backup.id,
                run_id=backup.run_id,
                **place,
            )


def _planned_events(row: TimelineRow, bars: NightRow) -> Iterable[TimelineEvent]:
    """Yield the runs and archives of a CronJob that are planned."""
    place = _place_of(row)
    usual = bars.usual_seconds
    for moment in bars.planned:
        yield TimelineEvent(
            kind="planned",
            status="planned",
            begins_at=datetime.fromtimestamp(moment, UTC),
            usual_seconds=usual,
            id=f"{row.namespace}/{row.cronjob}",
            **place,
        )
    for bar in bars.planned_archives:
        yield TimelineEvent(
            kind="planned archive",
            status="planned",
            begins_at=datetime.fromtimestamp(bar.begin, UTC),
            usual_seconds=bar.seconds or None,
            storage_id=bar.storage,
            id=f"{row.namespace}/{row.cronjob}",
            **place,
        )


def _place_of(row: TimelineRow) -> dict[str, Any]:
    return {"cluster": row.cluster, "namespace": row.namespace, "cronjob": row.cronjob}


def _times_of(bar: Bar, now: float) -> dict[str, Any]:
    is_missed = bar.status == "missed"
    took = bar.seconds if bar.end is not None else max(0.0, now - bar.begin)
    return {
        "id": bar.id,
        "status": bar.status,
        "begins_at": datetime.fromtimestamp(bar.begin, UTC),
        "ends_at": None if bar.end is None else datetime.fromtimestamp(bar.end, UTC),
        "seconds": None if is_missed or _is_waiting(bar) else took,
        "reason": bar.reason,
    }


def _is_waiting(bar: Bar) -> bool:
    return bar.end is None and bar.status != "running"


def _wait_seconds(bar: Bar, now: float) -> float | None:
    if _is_waiting(bar):
        return max(0.0, now - bar.begin)
    return None if bar.queued is None else max(0.0, bar.begin - bar.queued)


def _with_overlaps(events: Sequence[TimelineEvent], now: datetime) -> list[TimelineEvent]:
    """Count for each run and archive the others that went on at some moment between its begin and its end."""
    lasting = [event for event in events if event.seconds is not None]
    begins = sorted(event.begins_at for event in lasting)
    ends = sorted(event.ends_at or now for event in lasting)
    counted: list[TimelineEvent] = []
    for event in events:
        if event.seconds is None:
            counted.append(event)
            continue
        end = max(event.ends_at or now, event.begins_at)
        begun = max(bisect_left(begins, end), bisect_right(begins, event.begins_at))
        others = begun - bisect_right(ends, event.begins_at) - 1
        counted.append(msgspec.structs.replace(event, overlaps=max(0, others)))
    return counted


def _begin_order(event: TimelineEvent) -> Any:
    return event.begins_at, _name_order(event), event.kind


def _name_order(event: TimelineEvent) -> Any:
    return event.cluster, natural_key(event.namespace), natural_key(event.cronjob)


def _length_order(event: TimelineEvent) -> Any:
    return -(event.seconds or 0.0), _begin_order(event)


def _overlap_order(event: TimelineEvent) -> Any:
    return -event.overlaps, _begin_order(event)


def _name_then_begin_order(event: TimelineEvent) -> Any:
    return _name_order(event), event.begins_at, event.kind


SORT_ORDERS: dict[str, Callable[[TimelineEvent], Any]] = {
    "start": _begin_order,
    "length": _length_order,
    "overlap": _overlap_order,
    "name": _name_then_begin_order,
}


def fold_events(events: Sequence[TimelineEvent]) -> list[TimelineEvent]:
    """Return events with FEWEST or more of one CronJob that ended alike, one after the other, as one.

    events: by their begin, as `list_events` returns them.
    """
    streaks: list[list[TimelineEvent]] = []
    newest: dict[object, list[TimelineEvent]] = {}
    for event in events:
        owner = (event.cluster, event.namespace, event.cronjob, event.kind)
        streak = newest.get(owner)
        if streak is None or _end_of(streak[-1]) != _end_of(event):
            streak = []
            newest[owner] = streak
            streaks.append(streak)
        streak.append(event)
    folded: list[TimelineEvent] = []
    for streak in streaks:
        folded += [_merge(streak)] if len(streak) >= FEWEST else streak
    return sorted(folded, key=_begin_order)


def _end_of(event: TimelineEvent) -> object:
    """Return what two events must have in common to be one line; what goes on is always one."""
    is_open = event.ends_at is None and event.status != "planned"
    return (event.status, event.reason, event.storage_id, event.id if is_open else "")


def _merge(streak: Sequence[TimelineEvent]) -> TimelineEvent:
    """Return several events as one, with the longest duration and wait of them."""
    return msgspec.structs.replace(
        streak[0],
        count=len(streak),
        last_at=streak[-1].begins_at,
        ends_at=streak[-1].ends_at,
        seconds=_greatest(event.seconds for event in streak),
        waited_seconds=_greatest(event.waited_seconds for event in streak),
        overlaps=max(event.overlaps for event in streak),
        slots=sum(event.slots for event in streak),
    )


def _greatest(values: Iterable[float | None]) -> float | None:
    return max((value for value in values if value is not None), default=None)


def sum_up(events: Iterable[TimelineEvent]) -> str:
    """Return how many runs and archives ended how, and how many of both are planned, in words."""
    counts: dict[str, dict[str, int]] = {"run": {}, "archive": {}, "planned": {}, "planned archive": {}}
    not_begun = 0
    for event in events:
        of_kind = counts[event.kind]
        of_kind[event.status] = of_kind.get(event.status, 0) + event.count
        not_begun += event.count if event.is_not_begun else 0
    parts = [
        _status_counts(kind, counts[kind], not_begun if kind == "archive" else 0)
        for kind in ("run", "archive")
        if counts[kind]
    ]
    planned = counts["planned"].get("planned", 0)
    parts += [f"{planned:,} planned"] if planned else []
    archives = counts["planned archive"].get("planned", 0)
    parts += [f"{count_words(archives, 'archive')} planned"] if archives else []
    return "; ".join(parts)


def _status_counts(kind: str, by_status: dict[str, int], not_begun: int) -> str:
    total = sum(by_status.values())
    counts = {status: f"{count:,} {status}" for status, count in by_status.items()}
    if not_begun:
        counts["failed"] += f" ({not_begun:,} of them not begun, as the run had failed)"
    each = ", ".join(counts[status] for status, _ in sorted(by_status.items(), key=_count_order))
    return f"{count_words(total, kind)}: {each}"


def _count_order(item: tuple[str, int]) -> tuple[int, str]:
    return -item[1], item[0]
