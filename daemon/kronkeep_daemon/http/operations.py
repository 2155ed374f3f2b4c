"""Operations: work that outlasts its request, which is answered with 202 and the Operation to poll."""

from collections.abc import Awaitable, Callable
from functools import partial

import msgspec

from kronkeep_common import api
from kronkeep_common.clock import Clock
from kronkeep_common.errors import KronkeepError, OperationNotFound
from kronkeep_common.reasons import Reason
from kronkeep_common.text import clean, short_id
from kronkeep_daemon.history import History, Records
from kronkeep_daemon.history.record_ids import new_id
from kronkeep_daemon.supervisor import Supervisor

MOST = 1000


class OperationService:
    """The operations of the daemon; those that an earlier process left running have failed: Interrupted."""

    def __init__(self, history: History, clock: Clock, supervisor: Supervisor) -> None:
        self._history = history
        self._clock = clock
        self._supervisor = supervisor
        self._records: Records[api.Operation] = Records(history.table("operations"), api.Operation)
        for record in list(self._records.all()):
            if record.status == "running":
                self._end(
                    record,
                    "failed",
                    reason=Reason.INTERRUPTED,
                    message="The daemon stopped before this had ended.",
                    next_step="Request it again.",
                )

    def get(self, operation_id: str) -> api.Operation:
        """Return one operation; raise OperationNotFound."""
        operation = self._records.get(operation_id)
        if operation is None:
            raise OperationNotFound(f"There is no operation {clean(operation_id, 80)}.")
        return operation

    def newest(self, limit: int) -> list[api.Operation]:
        """Return the newest operations, newest first."""
        return self._records.newest(limit=limit).items

    async def start(self, kind: str, target: str, work: Callable[[], Awaitable[object]]) -> api.Operation:
        """Record an operation and start its work, unless one of that kind and target runs; return it."""
        # The record counts too: a task has recorded the end and is still committing it when a client that has
        # seen the end asks again.
        unfinished = self._records.newest(limit=MOST, status="running").items
        running = next((each for each in unfinished if (each.kind, each.target) == (kind, target)), None)
        if running is not None and self._supervisor.running(_task_name(running)):
            return running
        operation = api.Operation(
            id=new_id(),
            kind=kind,
            target=target,
            status="running",
            created_at=self._clock.now(),
        )
        self._records.put(operation)
        self._drop_old()
        await self._history.commit()
        self._supervisor.start(_task_name(operation), partial(self._run, operation, work), death="quiet")
        return operation

    async def _run(self, operation: api.Operation, work: Callable[[], Awaitable[object]]) -> None:
        try:
            await work()
        except KronkeepError as fault:
            self._end(
                operation,
                "failed",
                reason=fault.code,
                message=fault.message,
                next_step=fault.next_step,
            )
        else:
            self._end(operation, "succeeded")
        await self._history.commit()

    def _end(
        self,
        operation: api.Operation,
        status: str,
        *,
        reason: str | None = None,
        message: str | None = None,
        next_step: str | None = None,
    ) -> None:
        ended = msgspec.structs.replace(
            operation,
            status=status,
            ended_at=self._clock.now(),
            reason=reason,
            message=message,
            next_step=next_step,
        )
        self._records.put(ended)

    def _drop_old(self) -> None:
        for record in list(self._records.all())[:-MOST]:
            self._records.remove(record.id)


def _task_name(operation: api.Operation) -> str:
    return f"{operation.kind} {operation.target} {short_id(operation.id)}"
