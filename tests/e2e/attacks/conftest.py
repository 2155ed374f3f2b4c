"""The arena that all attacks share; after each of them the victims' truth is as it was before."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from tests.e2e.attacks.arena import Arena, run_arena


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def arena(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Arena]:
    async with run_arena(tmp_path_factory.mktemp("arena")) as running:
        yield running


@pytest.fixture(autouse=True)
async def unharmed(arena: Arena) -> AsyncIterator[None]:
    """Fail a test after which another namespace's truth has changed, or a snapshot is lost."""
    snapshots = arena.snapshot_ids()
    truth = await arena.read_truth()
    yield
    after = await arena.read_truth()
    assert after == truth
    assert snapshots <= arena.snapshot_ids()
