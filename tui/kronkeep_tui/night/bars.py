"""A CronJob's night as bars in seconds since 1970, made from a timeline and kept current."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

from kronkeep_common.models import BackupExecution, CronJob, CronJobExecution
from kronkeep_common.models.timeline import Timeline, TimelineBackup, TimelineRow, TimelineRun
from kronkeep_common.timeline_records import has_waited, timeline_backup, timeline_run
from kronkeep_tui.pages.durations import median_of

MOST_BARS = 2_000  # of one CronJob and kind; older ones are dropped
OPEN_ENDED = ("pending", "running", "waiting", "queued")


class Bar(NamedTuple):
    """A run, an archive, or with a status `missed` a slot without a run; `end` is None while it goes on.

    An archive waited from `queued` to `begin` and belongs to `run_id`; it has a `storage`.
    """

    id: str
    status: str
    begin: float
    end: float | None = None
    queued: float | None = None
    run_id: str | None = None
    storage: str = ""
    reason: str | None = None

    @property
    def seconds(self) -> float | None:
        """How long it took; None while it goes on, or where it never began."""
        return None if self.end is None else max(0.0, self.end - self.begin)


class NightRow(NamedTuple):
    """The bars of one CronJob, oldest first, and when it will run and be backed up by a schedule of its own.

    A batch has several `members` in one row. `schedule` is empty for a CronJob that is gone. `last_seconds`
    is how long its last run took, which counts where no run of the night has ended.
    """

    id: str
    cluster: str
    namespace: str
    cronjob: str
    schedule: str = ""
    last_seconds: float | None = None
    runs: tuple[Bar, ...] = ()
    archives: tuple[Bar, ...] = ()
    planned: tuple[float, ...] = ()
    planned_archives: tuple[Bar, ...] = ()
    members: int = 1

    @property
    def usual_seconds(self) -> float | None:
        """The median duration of the runs that succeeded; without one that of the last run."""
        return usual_duration(self.runs) or self.last_seconds


def usual_duration(bars: Iterable[Bar]) -> float | None:
    """Return the median duration of what succeeded; None without any."""
    took = [bar.seconds for bar in bars if bar.status == "succeeded" and bar.seconds is not None]
    return median_of(took)


def seconds_of(moment: datetime | None) -> float | None:
    """Return a moment in seconds since 1970."""
    return None if moment is None else moment.timestamp()


def _bar_of_run(run: TimelineRun) -> Bar:
    begin = run.began_at.timestamp()
    end = seconds_of(run.ended_at)
    is_open = end is None and run.status in OPEN_ENDED
    return Bar(
        id=run.id,
        status=run.status,
        begin=begin,
        end=None if is_open else (begin if end is None else end),
        reason=run.reason,
    )


def _bar_of_backup(backup: TimelineBackup) -> Bar:
    queued = backup.queued_at.timestamp()
    end = seconds_of(backup.ended_at)
    begin = seconds_of(backup.started_at)
    is_open = end is None and backup.status in OPEN_ENDED
    return Bar(
        id=backup.id,
        status=backup.status,
        begin=queued if begin is None else begin,
        end=None if is_open else (queued if end is None else end),
        queued=None if begin is None and not is_open else queued,
        run_id=backup.run_id,
        storage=backup.storage_id,
        reason=backup.reason,
    )


def _with_bars(old: Sequence[Bar], fresh: Iterable[Bar]) -> tuple[Bar, ...]:
    """Return bars in order, those of the same id replaced."""
    by_id = {bar.id: bar for bar in old}
    by_id.update((bar.id, bar) for bar in fresh)
    return tuple(sorted(by_id.values(), key=_begin_of)[-MOST_BARS:])


def _begin_of(bar: Bar) -> float:
    return bar.begin


Rows = Mapping[str, NightRow]


def with_timeline(rows: Rows, timeline: Timeline) -> Rows:
    """Return rows with what a timeline has; what it has planned replaces what was known."""
    changed = {
        key: row._replace(planned=(), planned_archives=()) if row.planned or row.planned_archives else row
        for key, row in rows.items()
    }
    for each in timeline.rows:
        row = changed.get(each.cronjob_id) or _empty_row(each)
        archives = _with_bars(row.archives, map(_bar_of_backup, filter(has_waited, each.backups)))
        changed[each.cronjob_id] = row._replace(
            runs=_with_bars(row.runs, map(_bar_of_run, each.runs)),
            archives=archives,
            planned=tuple(moment.timestamp() for moment in each.planned),
            planned_archives=_list_planned_archives(each, usual_duration(archives) or 0.0),
        )
    return changed


def _list_planned_archives(row: TimelineRow, usual: float) -> tuple[Bar, ...]:
    """Return the archives to come of a row, each as long as usual (seconds)."""
    begins = [moment.timestamp() for moment in row.planned_backups]
    return tuple(
        Bar(
            id=f"planned archive {begin:.0f}",
            status="planned",
            begin=begin,
            end=begin + usual,
            storage=row.planned_storage_id or "",
        )
        for begin in begins
    )


def _empty_row(record: TimelineRow | CronJobExecution | BackupExecution) -> NightRow:
    return NightRow(
        id=record.cronjob_id, cluster=record.cluster, namespace=record.namespace, cronjob=record.cronjob
    )


def with_cronjobs(rows: Rows, cronjobs: Iterable[CronJob]) -> Rows:
    """Return rows with a row for each CronJob, with its schedule; rows of CronJobs that are gone stay."""
    changed = {key: row._replace(schedule="") if row.schedule else row for key, row in rows.items()}
    for cronjob in cronjobs:
        row = rows.get(cronjob.id) or NightRow(
            id=cronjob.id, cluster=cronjob.cluster, namespace=cronjob.namespace, cronjob=cronjob.name
        )
        is_same = (row.schedule, row.last_seconds) == (cronjob.schedule, cronjob.last_duration_seconds)
        current = row._replace(schedule=cronjob.schedule, last_seconds=cronjob.last_duration_seconds)
        changed[cronjob.id] = row if is_same else current
    return changed


def with_records(rows: Rows, runs: Iterable[CronJobExecution], backups: Iterable[BackupExecution]) -> Rows:
    """Return rows with records that are new or have changed; all other rows are the same objects."""
    changed = dict(rows)
    for run in runs:
        row = changed.get(run.cronjob_id) or _empty_row(run)
        bar = _bar_of_run(timeline_run(run))
        changed[run.cronjob_id] = row._replace(runs=_with_bars(row.runs, [bar]))
    for backup in backups:
        if not has_waited(backup):
            continue
        row = changed.get(backup.cronjob_id) or _empty_row(backup)
        bar = _bar_of_backup(timeline_backup(backup))
        changed[backup.cronjob_id] = row._replace(archives=_with_bars(row.archives, [bar]))
    return changed


def selectable_bars(row: NightRow) -> list[Bar]:
    """Return what one may select in a row, oldest first: runs, archives without a run, what is planned."""
    runs = {bar.id for bar in row.runs}
    alone = [bar for bar in row.archives if bar.run_id not in runs]
    usual = row.usual_seconds or 0.0
    planned = [
        Bar(id=f"planned {moment:.0f}", status="planned", begin=moment, end=moment + usual)
        for moment in row.planned
    ]
    return sorted([*row.runs, *alone, *planned, *row.planned_archives], key=_begin_of)


def nearest_bar(row: NightRow, moment: float) -> Bar | None:
    """Return the bar that lies at a moment, or nearest to it; the later one of two."""
    bars = selectable_bars(row)
    return min(reversed(bars), key=lambda bar: distance(bar, moment), default=None)


def distance(bar: Bar, moment: float) -> float:
    """Return how many seconds lie between a bar and a moment; 0 within it."""
    if bar.begin <= moment and (bar.end is None or moment <= bar.end):
        return 0.0
    return bar.begin - moment if moment < bar.begin else moment - (bar.end or bar.begin)


def archive_of(row: NightRow, run: Bar) -> Bar | None:
    """Return the newest archive that belongs to a run."""
    return next((bar for bar in reversed(row.archives) if bar.run_id == run.id), None)
