"""Changes of the runs' records: written here (the history's own repairs aside), announced once durable."""

from kronkeep_common.errors import ReadOnlyHistory
from kronkeep_common.models import CronJobExecution
from kronkeep_daemon.events import Bus, ExecutionChanged
from kronkeep_daemon.history import History
from kronkeep_daemon.history.database_faults import FULL


class RunChanges:
    """A batch of changes that become durable in one commit; readers of the history see each at once."""

    def __init__(self, history: History, bus: Bus) -> None:
        self._history = history
        self._bus = bus
        self._events: list[ExecutionChanged] = []
        self._undone = history.undone
        self.is_empty = True

    def put(self, old: CronJobExecution | None, new: CronJobExecution) -> None:
        """Add a new or changed record; `old` is what the history has now, None for nothing."""
        if old is None:
            self._history.executions.add(new)
        else:
            self._history.executions.put(new)
        self._events.append(ExecutionChanged(old, new))
        self.is_empty = False

    def put_silently(self, new: CronJobExecution) -> None:
        """Add a changed record that is not announced, such as one with another log."""
        self._history.executions.put(new)
        self.is_empty = False

    def remove(self, run_id: str) -> None:
        """Remove a record of what was not so, if it is there; this is not announced."""
        self._history.executions.retract(run_id)
        self.is_empty = False

    async def commit(self) -> None:
        """Make the batch durable, then announce it on the bus; raise what History.commit raises.

        Where the event loop went on meanwhile, others' commits may have taken a part of the batch along: one
        that found no space has undone that part, so the whole is refused.
        """
        await self._history.commit()
        if self._history.undone != self._undone:
            raise ReadOnlyHistory(FULL)
        await self._bus.publish_all(self._events)
