"""One PostgreSQL for the tests of a worker, with a database of its own for each test."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from tests.integration.sinks.shipped_history import open_history
from tests.postgres_server import PostgresServer

from kronkeep_daemon.history import History


@pytest.fixture(scope="session")
def shared_server() -> Iterator[PostgresServer]:
    """A server that no test stops."""
    server = PostgresServer()
    server.start()
    yield server
    server.close()


@pytest.fixture
def server(shared_server: PostgresServer) -> PostgresServer:
    """The server without what earlier tests shipped."""
    shared_server.query("DROP SCHEMA IF EXISTS kronkeep CASCADE")
    return shared_server


@pytest.fixture
async def history(tmp_path: Path) -> AsyncIterator[History]:
    """An empty history."""
    opened = await open_history(tmp_path / "history")
    yield opened
    await opened.close()
