"""A history that is shipped in the test's own process, and documents of which every column is filled."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from tests.postgres_server import PostgresServer, documents_of, rows_of
from tests.records import make_run
from tests.waiting import eventually

from kronkeep_common.clock import SystemClock
from kronkeep_common.states import ExecutionStatus
from kronkeep_daemon.history import History
from kronkeep_daemon.sinks.postgres import TlsSettings
from kronkeep_daemon.sinks.shipper import Shipper

NO_TLS = TlsSettings(None, None)
START = datetime(2026, 11, 1, tzinfo=UTC)


def put_runs(history: History, first: int, count: int, **fields: Any) -> None:
    """Put runs, of which every third has failed."""
    for number in range(first, first + count):
        status = ExecutionStatus.FAILED if number % 3 == 0 else ExecutionStatus.SUCCEEDED
        time = START + timedelta(seconds=number)
        history.executions.put(
            make_run(**{"id": f"r{number}", "status": status, "created_at": time, **fields})
        )


@asynccontextmanager
async def shipper_of(
    history: History, url: str | Callable[[], str], *, tls: TlsSettings = NO_TLS, name: str = "one"
) -> AsyncIterator[Shipper]:
    """A shipper that runs beside the test."""

    async def address() -> tuple[str, TlsSettings]:
        return (url if isinstance(url, str) else url()), tls

    def hold() -> None:
        history.hold_changes(shipper.state.place or 0, 2**30)

    shipper = Shipper(
        name="fleet", history=history, clock=SystemClock(), daemon_name=name, address=address, report=hold
    )
    task = asyncio.create_task(shipper.run())
    try:
        yield shipper
    finally:
        task.cancel()
        await asyncio.wait([task])


async def wait_until_live(shipper: Shipper, history: History) -> None:
    """Wait until the sink has everything; show what is wrong otherwise."""

    async def look() -> tuple[str, int | None, object]:
        return shipper.state.status, shipper.state.place, shipper.state.fault

    await eventually(look, lambda state: state[:2] == ("live", history.seq), 60)


async def wait_for_fault(shipper: Shipper, code: str) -> None:
    """Wait until the sink takes nothing, for the reason with this code."""

    async def look() -> str:
        return shipper.state.fault.code if shipper.state.fault else ""

    await eventually(look, lambda found: found == code, 60)


async def assert_same(server: PostgresServer, history: History, *, table: str = "runs") -> None:
    """Assert that the sink has exactly the documents of the history."""
    own = {"runs": "executions"}.get(table, table)
    assert await rows_of(server, table=table) == documents_of(history, table=own)


async def open_history(folder: Path) -> History:
    """Return the history of a folder."""
    return await History.open(folder, clock=SystemClock())
