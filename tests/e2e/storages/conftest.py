"""One daemon for all tests of a module, and the servers that hold their storages."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from tests.daemon_process import Daemon
from tests.e2e.storages import servers
from tests.e2e.storages.servers import Served

from kronkeep_common.client import Client


@contextmanager
def run_daemon(folder: Path, create_seconds: int) -> Iterator[Daemon]:
    """Run a daemon that gives the creation of a storage so many seconds, until the block ends."""
    daemon = Daemon(folder / "s")
    (folder / "kronkeepd.toml").write_text(f"[storages]\ncreate_seconds = {create_seconds}\n")
    daemon.arguments = ("--config", str(folder / "kronkeepd.toml"))
    asyncio.run(daemon.start())
    try:
        yield daemon
    finally:
        asyncio.run(daemon.stop())


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    """One daemon for all tests of a module; each creates what it looks at."""
    with run_daemon(tmp_path_factory.mktemp("st", numbered=True), 120) as daemon:
        yield daemon


@pytest.fixture
def late(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    """A daemon that gives the creation of a storage four seconds."""
    with run_daemon(tmp_path_factory.mktemp("late", numbered=True), 4) as daemon:
        yield daemon


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Served]]:
    """The running servers by the kind of storage that they serve."""
    folder = tmp_path_factory.mktemp("servers", numbered=True)
    with ExitStack() as stack:
        starters = {"s3": servers.s3, "rest": servers.rest, "sftp": servers.sftp, "rclone": servers.rclone}
        yield {kind: stack.enter_context(start(folder)) for kind, start in starters.items()}


@pytest.fixture
async def there(shared: Daemon) -> AsyncIterator[Client]:
    async with shared.client() as client:
        yield client
