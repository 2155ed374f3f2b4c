"""How many records lost their kept logs to a limit, by namespace: for alerts, the doctor and metrics."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from operator import attrgetter

from kronkeep_common.models import LogLimit, LogRemoval
from kronkeep_common.models.base import Record
from kronkeep_daemon.history.log_usage import split_folder
from kronkeep_daemon.history.records import Records
from kronkeep_daemon.history.sqlite_table import SqliteTable

SHOWN_FOR = timedelta(days=1)  # after the last removal


class NamespaceLogRemovals(Record, frozen=True, kw_only=True):
    """The removals of one namespace's kept logs because of one limit.

    records: how many runs, backups and restores have lost their logs, ever.
    since: when the series of removals began that `created_at`, the newest one, belongs to.
    """

    id: str
    cluster: str
    namespace: str
    limit: LogLimit
    limit_bytes: int
    records: int
    since: datetime
    created_at: datetime


class LogRemovals:
    """The removals of one history; changes are buffered until History.commit."""

    def __init__(self, table: SqliteTable) -> None:
        self._records: Records[NamespaceLogRemovals] = Records(table, NamespaceLogRemovals)

    def add(self, folder: str, removal: LogRemoval, records: int) -> None:
        """Take note that so many records of a namespace's folder lost their logs."""
        cluster, namespace = split_folder(folder)
        removals_id = f"{removal.limit}/{folder}"
        known = self._records.get(removals_id)
        is_new_series = known is None or removal.at - known.created_at > SHOWN_FOR
        self._records.put(
            NamespaceLogRemovals(
                id=removals_id,
                cluster=cluster,
                namespace=namespace,
                limit=removal.limit,
                limit_bytes=removal.limit_bytes,
                records=records + (known.records if known is not None else 0),
                since=removal.at if known is None or is_new_series else known.since,
                created_at=removal.at,
            )
        )

    def all(self) -> list[NamespaceLogRemovals]:
        """Return all that ever were."""
        return list(self._records.all())

    def recent(self, now: datetime) -> list[NamespaceLogRemovals]:
        """Return those of the last day, by cluster and namespace."""
        told = [each for each in self._records.all() if now - each.created_at < SHOWN_FOR]
        return sorted(told, key=attrgetter("cluster", "namespace", "limit"))


def next_step_for(removals: Sequence[NamespaceLogRemovals]) -> str:
    """Return what to do about removals because of one limit."""
    if removals[0].limit == "namespace":
        return "Let its jobs write less, or raise history.keep_log_bytes_per_namespace."
    return "Raise history.keep_log_bytes, or lower history.keep_log_bytes_per_namespace."
