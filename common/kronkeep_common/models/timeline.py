"""What a timeline of CronJobs is drawn from: their runs, archives and what is planned in a period."""

from kronkeep_common.models.base import Moment, Record
from kronkeep_common.states import BackupStatus, ExecutionStatus


class TimelineRun(Record, frozen=True, kw_only=True):
    """A run: from `began_at` (of a missed one its slot) to `ended_at`, which is empty while it goes on.

    A period in which kronkeep did not watch is one run that was missed, of `gap_slots` slots up to its end.
    """

    id: str
    status: ExecutionStatus
    began_at: Moment
    ended_at: Moment | None = None
    reason: str | None = None
    gap_slots: int = 0


class TimelineBackup(Record, frozen=True, kw_only=True):
    """A backup: it waited from `queued_at` to `started_at` and was archived up to `ended_at`.

    `run_id` is the run that it belongs to. One that never started has no `started_at`.
    """

    id: str
    run_id: str | None = None
    storage_id: str
    status: BackupStatus
    queued_at: Moment
    started_at: Moment | None = None
    ended_at: Moment | None = None
    reason: str | None = None


class TimelineRow(Record, frozen=True, kw_only=True):
    """What happened to one CronJob, oldest first, and when it will run by its schedule (`planned`).

    `planned_backups` are those by a schedule that its policy has of its own, to `planned_storage_id`; backups
    that follow runs are not planned before these have ended.
    """

    cluster: str
    namespace: str
    cronjob: str
    cronjob_id: str
    runs: tuple[TimelineRun, ...] = ()
    backups: tuple[TimelineBackup, ...] = ()
    planned: tuple[Moment, ...] = ()
    planned_backups: tuple[Moment, ...] = ()
    planned_storage_id: str | None = None


class Timeline(Record, frozen=True, kw_only=True):
    """Runs, backups and what is planned of a period by CronJob; a CronJob without any has no row.

    Of a period with more records than are shown the newest are there: none is missing since
    `complete_since`, which is `from_at` where all are there. Nothing planned is missing before
    `planned_until`. `clusters` are names by id where there are several.
    """

    from_at: Moment
    until_at: Moment
    now: Moment
    complete_since: Moment
    planned_until: Moment
    clusters: dict[str, str] = {}
    rows: tuple[TimelineRow, ...] = ()
