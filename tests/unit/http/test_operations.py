"""Operations of the daemon: one of a kind and target runs at a time."""

import asyncio
from pathlib import Path

import pytest

from kronkeep_common.clock import SystemClock
from kronkeep_common.errors import StorageFailed
from kronkeep_daemon.history import History
from kronkeep_daemon.http.operations import OperationService
from kronkeep_daemon.supervisor import Supervisor


async def fail() -> None:
    raise StorageFailed("It is not active.", next_step="Look at it.")


async def wait_for(event: asyncio.Event) -> None:
    await event.wait()


@pytest.mark.parametrize("is_over", [True, False])
async def test_who_has_seen_the_end_starts_another_and_who_has_not_joins(
    tmp_path: Path, is_over: bool
) -> None:
    history = await History.open(tmp_path, clock=SystemClock())
    supervisor = Supervisor(SystemClock())
    operations = OperationService(history, SystemClock(), supervisor)
    event = asyncio.Event()

    async def work() -> None:
        await (fail() if is_over else wait_for(event))

    first = await operations.start("test", "vault", work)
    while is_over and operations.get(first.id).status == "running":  # noqa: ASYNC110 - the state between two steps is what is looked for
        await asyncio.sleep(0)  # its end is recorded, and is being committed
    second = await operations.start("test", "vault", work)
    assert (second.id != first.id) is is_over
    assert second.status == "running"
    other = await operations.start("test", "other", work)
    assert other.id not in (first.id, second.id)
    event.set()
    await supervisor.close()
    await history.close()
