"""Work that outlasts a request: answered 202 with an Operation that can be asked for until it has ended."""

import uuid
from collections.abc import Awaitable, Callable

import msgspec

from kronkeep_common import api
from kronkeep_common.clock import Clock
from kronkeep_common.errors import KronkeepError, OperationNotFound
from kronkeep_common.reasons import Reason
from kronkeep_common.text import clean
from kronkeep_daemon.history import History, Records
from kronkeep_daemon.supervisor import Supervisor

MOST = 1000


class Operations:
    """The daemon's operations; those that a stop cut off are failed with the reason Interrupted."""

    def __init__(self, history: History, clock: Clock, supervisor: Supervisor) -> None:
        self._history = history
        self._clock = clock
        self._supervisor = supervisor
        self._records: Records[api.Operation] = Records(history.table("operations"), api.Operation)
        for record in list(self._records.all()):
            if record.status == "running":
                words = "The daemon stopped before this had ended."
                self._end(record, "failed", Reason.INTERRUPTED, words, "Ask for it again.")

    def get(self, operation_id: str) -> api.Operation:
        """One operation; raises OperationNotFound."""
        found = self._records.get(operation_id)
        if found is None:
            raise OperationNotFound(f"There is no operation {clean(operation_id, 80)}.")
        return found

    def newest(self, limit: int) -> list[api.Operation]:
        """The newest operations."""
        return self._records.newest(limit=limit).items

    async def start(self, kind: str, target: str, work: Callable[[], Awaitable[object]]) -> api.Operation:
        """Records an operation and begins it; where one of that kind and target runs, it is answered."""
        name = f"{kind} {target}"
        if self._supervisor.running(name):
            going = next((r for r in self.newest(MOST) if (r.kind, r.target) == (kind, target)), None)
            if going is not None:
                return going
        operation = api.Operation(
            id=uuid.uuid4().hex[:16],
            kind=kind,
            target=target,
            status="running",
            created_at=self._clock.now(),
        )
        self._records.put(operation)
        self._drop_old()
        await self._history.commit()
        self._supervisor.start(name, lambda: self._work(operation, work), death="quiet")
        return operation

    async def _work(self, operation: api.Operation, work: Callable[[], Awaitable[object]]) -> None:
        try:
            await work()
        except KronkeepError as fault:
            self._end(operation, "failed", fault.code, fault.message, fault.next_step)
        else:
            self._end(operation, "succeeded")
        await self._history.commit()

    def _end(
        self,
        operation: api.Operation,
        status: str,
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
