"""A PostgreSQL of the tests' own, on a socket of its own; never as root, which initdb refuses."""

import asyncio
import os
import select
import shutil
import signal
import subprocess
import tempfile
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from kronkeep_daemon.history import History

ACCOUNT = "nobody"  # runs the server where the tests run as root
PASSWORD = "pass word/1"
PROGRAMS = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: int(path.parent.name))


@cache
def require_postgres() -> Path:
    """Return the folder of PostgreSQL's programs; skip the test where there is none, or no psycopg."""
    pytest.importorskip("psycopg")
    if not PROGRAMS:
        pytest.skip("PostgreSQL is not installed (make servers)")
    return PROGRAMS[-1]


class PostgresServer:
    """One server, whose cluster is created at its first start; its superuser is `kronkeep`.

    settings: lines of postgresql.conf. TCP is off unless a port is given there.
    """

    def __init__(self, *settings: str) -> None:
        self._programs = require_postgres()
        self.folder = Path(tempfile.mkdtemp(prefix="kk-pg-", dir="/tmp"))  # a socket's path is short
        own = ["fsync = off", "listen_addresses = ''", f"unix_socket_directories = '{self.folder}'"]
        self._settings = [*own, "max_connections = 20", "shared_buffers = 32MB", *settings]
        self._process: subprocess.Popen[bytes] | None = None
        self._create()

    @property
    def url(self) -> str:
        """The URL of the database, with the password."""
        return f"postgresql://kronkeep:pass%20word%2F1@/postgres?host={self.folder}"

    def _command(self, program: str, *arguments: str) -> list[str]:
        command = [str(self._programs / program), *arguments]
        return ["setpriv", f"--reuid={ACCOUNT}", "--clear-groups", *command] if os.getuid() == 0 else command

    def _create(self) -> None:
        password = self.folder / "password"
        password.write_text(PASSWORD)
        self.take_ownership(self.folder)
        self.take_ownership(password)
        arguments = ("-D", str(self.data), "-U", "kronkeep", "-A", "scram-sha-256", "--pwfile", str(password))
        subprocess.run(
            self._command("initdb", *arguments, "-N", "-E", "UTF8", "--locale=C"),
            check=True,
            capture_output=True,
        )
        with (self.data / "postgresql.conf").open("a") as file:
            file.write("\n".join(self._settings) + "\n")

    def take_ownership(self, path: Path) -> None:
        """Let a file or folder be the server's alone."""
        path.chmod(0o700 if path.is_dir() else 0o600)
        if os.getuid() == 0:
            shutil.chown(path, ACCOUNT)

    @property
    def data(self) -> Path:
        """The folder of the cluster."""
        return self.folder / "data"

    def start(self) -> None:
        """Start the server and wait until it takes connections."""
        (self.data / "postmaster.pid").unlink(missing_ok=True)
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                self._command("postgres", "-D", str(self.data)),
                stderr=log,
                stdout=log,
                start_new_session=True,
            )
        port = next((line.split("= ")[1] for line in self._settings if line.startswith("port")), "5432")
        ready = self._command("pg_isready", "-q", "-h", str(self.folder), "-p", port, "-t", "60")
        while subprocess.run(ready, check=False).returncode:
            assert self._process.poll() is None, (self.folder / "log").read_text()[-3000:]

    def kill(self) -> None:
        """End the server and all its processes with SIGKILL."""
        assert self._process is not None
        group = [self._process.pid, *_children(self._process.pid)]
        ends = []
        for pid in group:
            with suppress(ProcessLookupError):  # a child that has ended meanwhile
                ends.append(os.pidfd_open(pid))
                os.kill(pid, signal.SIGKILL)
        self._process.wait()
        for end in ends:  # a process that still runs holds the shared memory: no new server would start
            select.select([end], [], [])
            os.close(end)

    def stop(self) -> None:
        """Stop the server at once, if it runs."""
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(signal.SIGINT)
            self._process.wait(60)

    def close(self) -> None:
        """Stop the server and remove it."""
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def query(self, sql: str) -> list[tuple[Any, ...]]:
        """Return the rows of a query."""
        return self.query_at(5432, sql)

    def query_at(self, port: int, sql: str) -> list[tuple[Any, ...]]:
        """Return the rows of a query, where the server has another port."""
        import psycopg

        with psycopg.connect(f"{self.url}&port={port}") as connection:
            cursor = connection.execute(sql.encode())
            return cursor.fetchall() if cursor.description else []


def _children(pid: int) -> list[int]:
    text = Path(f"/proc/{pid}/task/{pid}/children").read_text()
    return [int(word) for word in text.split()]


def documents_of(history: History, *, table: str = "executions") -> dict[str, object]:
    """Return the documents of a table of the history by id."""
    return {str(document["id"]): dict(document) for document in history.table(table).all()}


async def rows_of(server: PostgresServer, *, table: str = "runs") -> dict[str, object]:
    """Return the documents that are in a sink's table by id, without those that were removed."""
    sql = f"SELECT id, body FROM kronkeep.{table} WHERE removed_at IS NULL"
    return dict(await asyncio.to_thread(server.query, sql))
