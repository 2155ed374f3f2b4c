"""The runs of each CronJob, grouped again only where that can have changed."""

from collections.abc import Sequence

from kronkeep_common.models import CronJobExecution
from kronkeep_tui.pages.durations import RunsByCronJob, group_runs, open_runs
from kronkeep_tui.store import Store


class RunGroups:
    """The newest runs by CronJob, for views in whose rows they are."""

    def __init__(self) -> None:
        self._grouped: tuple[object, object] = (None, None)
        self._groups: RunsByCronJob = {}

    def update(self, store: Store) -> None:
        """Group the runs again where one has come, gone or ended: each group is in many rows."""
        grouped = (store.executions.order, open_runs(store))
        if self._grouped[0] is not grouped[0] or self._grouped[1] != grouped[1]:
            self._grouped = grouped
            self._groups = group_runs(store)

    def clear(self) -> None:
        """Keep no groups while no row shows them."""
        self._grouped = (None, None)
        self._groups = {}

    def runs_of(self, cronjob_id: str) -> Sequence[CronJobExecution]:
        """Return the newest runs of a CronJob, the newest first."""
        return self._groups.get(cronjob_id, ())
