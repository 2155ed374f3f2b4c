"""One daemon for the tests of a module, and the servers that have the storages."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from tests.daemon_process import Daemon
from tests.e2e.storages import servers
from tests.e2e.storages.servers import StorageServer

from kronkeep_common.client import Client


@contextmanager
def run_daemon(folder: Path, create_seconds: int) -> Iterator[Daemon]:
    daemon = Daemon(folder / "s")
    (folder / "kronkeepd.toml").write_text(f"[storages]\ncreate_seconds = {create_seconds}\n")
    daemon.arguments = ("--config", str(folder / "kronkeepd.toml"))
    asyncio.run(daemon.start())
    try:
        yield daemon
    finally:
        asyncio.run(daemon.stop())


@pytest.fixture(scope="module")
def storage_daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    """Run one daemon for all tests of a module; each test creates what it looks at."""
    with run_daemon(tmp_path_factory.mktemp("st", numbered=True), 120) as daemon:
        yield daemon


@pytest.fixture
def impatient_daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    """Run a daemon that lets the creation of a storage take four seconds."""
    with run_daemon(tmp_path_factory.mktemp("late", numbered=True), 4) as daemon:
        yield daemon


@pytest.fixture(scope="module")
def servers_by_kind(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, StorageServer]]:
    """Run the servers, by the storage kind that they are for."""
    folder = tmp_path_factory.mktemp("servers", numbered=True)
    with ExitStack() as stack:
        s3 = stack.enter_context(servers.serve_s3(folder))
        yield {
            "s3": s3,
            "ceph": s3._replace(settings=s3.settings | {"prefix": "rados"}),  # RADOS Gateway speaks S3
            "rest": stack.enter_context(servers.serve_rest(folder)),
            "sftp": stack.enter_context(servers.serve_sftp(folder)),
            "rclone": stack.enter_context(servers.serve_rclone(folder)),
        }


@pytest.fixture
async def client(storage_daemon: Daemon) -> AsyncIterator[Client]:
    async with storage_daemon.client() as client:
        yield client
