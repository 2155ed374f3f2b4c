"""What is computed from the records of one CronJob, remembered until one of them changes.

Lists show of thousands of CronJobs the last run, the last statuses and the last good backup, while few of
them change between two lists. The bodies stay on the disk; what is remembered is small.
"""

from collections.abc import Callable
from typing import Any, Generic, TypeVar

from kronkeep_daemon.history.records import Records

V = TypeVar("V")
MOST = 50_000  # CronJobs


class CronJobMemo(Generic[V]):
    """The values of a function of a CronJob's id, which depends on nothing but its records in some tables."""

    def __init__(self, compute: Callable[[str], V], *tables: Records[Any]) -> None:
        self._compute = compute
        self._tables = tables
        self._values: dict[str, tuple[tuple[tuple[int, int], ...], V]] = {}

    def __call__(self, cronjob_id: str) -> V:
        """Return the value for a CronJob as its records are now."""
        versions = tuple(records.version_of(cronjob_id) for records in self._tables)
        remembered = self._values.get(cronjob_id)
        if remembered is not None and remembered[0] == versions:
            return remembered[1]
        value = self._compute(cronjob_id)
        if len(self._values) >= MOST and cronjob_id not in self._values:
            del self._values[next(iter(self._values))]
        self._values[cronjob_id] = (versions, value)
        return value
