"""One daemon for the tests of a module, and the servers that storages are at."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from tests.e2e.conftest import Daemon
from tests.e2e.storages import servers
from tests.e2e.storages.servers import Served

from kronkeep_common.client import Client


@contextmanager
def running(folder: Path, create_seconds: int) -> Iterator[Daemon]:
    found = Daemon(folder / "s")
    (folder / "kronkeepd.toml").write_text(f"[storages]\ncreate_seconds = {create_seconds}\n")
    found.arguments = ("--config", str(folder / "kronkeepd.toml"))
    asyncio.run(found.start())
    try:
        yield found
    finally:
        asyncio.run(found.stop())


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    """One daemon for all tests here; each makes what it looks at."""
    with running(tmp_path_factory.mktemp("st", numbered=True), 120) as found:
        yield found


@pytest.fixture
def late(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    """A daemon that gives the making of a storage four seconds."""
    with running(tmp_path_factory.mktemp("late", numbered=True), 4) as found:
        yield found


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Served]]:
    """The servers, by the kind that they are for."""
    folder = tmp_path_factory.mktemp("servers", numbered=True)
    with ExitStack() as stack:
        makers = {"s3": servers.s3, "rest": servers.rest, "sftp": servers.sftp, "rclone": servers.rclone}
        yield {kind: stack.enter_context(make(folder)) for kind, make in makers.items()}


@pytest.fixture
async def there(shared: Daemon) -> AsyncIterator[Client]:
    async with shared.client() as found:
        yield found
