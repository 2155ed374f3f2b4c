"""A sink that fails: killed on either side, unreachable, refusing, of another version; and TLS."""

import asyncio
import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.integration.sinks.shipped_history import (
    assert_same,
    open_history,
    put_runs,
    shipper_of,
    wait_for_fault,
    wait_until_live,
)
from tests.postgres_server import PostgresServer

from kronkeep_daemon.history import History
from kronkeep_daemon.sinks import postgres_schema
from kronkeep_daemon.sinks.postgres import TlsSettings

SHIP = """
import asyncio, random, sys
from pathlib import Path
from tests.integration.sinks.shipped_history import open_history, put_runs, shipper_of
async def main():
    history = await open_history(Path(sys.argv[1]))
    numbers = random.Random(int(sys.argv[3]))
    async with shipper_of(history, sys.argv[2]):
        while True:
            first = numbers.randrange(5000)
            put_runs(history, first, numbers.randrange(1, 60), message=str(numbers.random()))
            history.executions.remove(f"r{numbers.randrange(5000)}")
            await history.commit()
            sys.stdout.write(".")
            sys.stdout.flush()
            await asyncio.sleep(0.002)
asyncio.run(main())
"""


@pytest.fixture
def own_server() -> Iterator[PostgresServer]:
    """A server that the test may kill; what it acknowledged is on the disk."""
    server = PostgresServer("fsync = on")
    server.start()
    yield server
    server.close()


async def kill_and_compare(server: PostgresServer, folder: Path, rounds: int) -> None:
    """Kill the daemon's side, or the database, in turn at random times; then compare by id."""
    for number in range(rounds):
        process = await asyncio.to_thread(
            subprocess.Popen,
            [sys.executable, "-c", SHIP, str(folder), server.url, str(number)],
            stdout=subprocess.PIPE,
            env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
        )
        assert process.stdout is not None
        await asyncio.to_thread(process.stdout.read, 1)
        await asyncio.sleep(random.Random(number).uniform(0, 0.8))  # the moment of the kill
        if number % 2:
            await asyncio.to_thread(server.kill)
            await asyncio.to_thread(server.start)
            await asyncio.to_thread(process.stdout.read, 20)
        process.send_signal(signal.SIGKILL)
        process.stdout.close()
        await asyncio.to_thread(process.wait)
    history = await open_history(folder)
    async with shipper_of(history, server.url) as shipper:
        await wait_until_live(shipper, history)
    assert len(history.executions) > 0
    await assert_same(server, history)
    doubled = "SELECT count(*) - count(DISTINCT id) FROM kronkeep.runs"
    assert server.query(doubled) == [(0,)]
    await history.close()


async def test_kills_of_either_side_lose_and_double_nothing(
    own_server: PostgresServer, tmp_path: Path
) -> None:
    await kill_and_compare(own_server, tmp_path / "h", 4)


@pytest.mark.torture
@pytest.mark.timeout(1800)
async def test_fifty_kills_of_either_side(own_server: PostgresServer, tmp_path: Path) -> None:
    await kill_and_compare(own_server, tmp_path / "h", 50)


async def test_a_database_that_is_stopped_costs_no_change(
    own_server: PostgresServer, history: History
) -> None:
    put_runs(history, 0, 10)
    await history.commit()
    async with shipper_of(history, own_server.url) as shipper:
        await wait_until_live(shipper, history)
        await asyncio.to_thread(own_server.stop)
        put_runs(history, 10, 10)
        began = time.monotonic()
        await history.commit()
        assert time.monotonic() - began < 5
        await wait_for_fault(shipper, "SinkUnreachable")
        await asyncio.to_thread(own_server.start)
        await wait_until_live(shipper, history)
        assert shipper.state.fault is None
    await assert_same(own_server, history)


@pytest.mark.parametrize(
    ("old", "new", "code", "step"),
    [
        ("pass%20word%2F1", "wrong-secret", "SinkRefused", "password"),
        ("@/postgres", "@/nothing", "SinkRefused", "CREATE DATABASE|Create the database"),
        ("host=", "host=/tmp/nowhere", "SinkUnreachable", "server runs"),
        ("postgresql://", "mysql://", "SinkRefused", "postgresql://USER"),
    ],
)
async def test_what_is_wrong_with_the_url_is_said_without_its_secret(
    server: PostgresServer, history: History, old: str, new: str, code: str, step: str
) -> None:
    async with shipper_of(history, server.url.replace(old, new)) as shipper:
        await wait_for_fault(shipper, code)
        fault = shipper.state.fault
    assert fault is not None
    assert any(words in fault.next_step for words in step.split("|")), fault.next_step
    for secret in ("wrong-secret", "pass word/1", "pass%20word"):
        assert secret not in f"{fault} {fault.next_step} {fault.details}"


async def test_rights_that_are_missing_are_named(server: PostgresServer, history: History) -> None:
    server.query("DROP ROLE IF EXISTS weak")
    server.query("CREATE ROLE weak LOGIN PASSWORD 'weak'")
    url = f"postgresql://weak:weak@/postgres?host={server.folder}"
    async with shipper_of(history, url) as shipper:
        await wait_for_fault(shipper, "SinkRefused")
        fault = shipper.state.fault
        assert fault is not None
        assert "GRANT CREATE ON DATABASE" in fault.next_step
        server.query("GRANT CREATE ON DATABASE postgres TO weak")
        put_runs(history, 0, 1)
        await history.commit()
        await wait_until_live(shipper, history)
    await assert_same(server, history)
    server.query("DROP OWNED BY weak")


async def test_tables_of_an_older_version_are_migrated_and_of_a_later_one_are_left_alone(
    server: PostgresServer, history: History, monkeypatch: pytest.MonkeyPatch
) -> None:
    put_runs(history, 0, 5)
    await history.commit()
    async with shipper_of(history, server.url) as shipper:
        await wait_until_live(shipper, history)
    released = postgres_schema.MIGRATIONS
    second = ("ALTER TABLE kronkeep.runs ADD COLUMN added text NOT NULL DEFAULT 'new'",)
    monkeypatch.setattr(postgres_schema, "MIGRATIONS", (*released, second))
    async with shipper_of(history, server.url) as one, shipper_of(history, server.url) as two:
        await asyncio.gather(wait_until_live(one, history), wait_until_live(two, history))
    assert server.query("SELECT DISTINCT added FROM kronkeep.runs") == [("new",)]
    versions = [(number,) for number in range(1, len(released) + 2)]
    assert server.query("SELECT version FROM kronkeep.schema_version ORDER BY 1") == versions
    monkeypatch.setattr(postgres_schema, "MIGRATIONS", released)
    put_runs(history, 5, 5)
    await history.commit()
    async with shipper_of(history, server.url) as shipper:
        await wait_for_fault(shipper, "SinkTooNew")
    assert server.query("SELECT count(*) FROM kronkeep.runs") == [(5,)]


async def test_a_failed_migration_leaves_the_tables_as_they_were(
    server: PostgresServer, history: History, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = (*postgres_schema.MIGRATIONS[0], "CREATE TABLE kronkeep.runs(id text)")
    monkeypatch.setattr(postgres_schema, "MIGRATIONS", (broken,))
    async with shipper_of(history, server.url) as shipper:
        await wait_for_fault(shipper, "SinkRefused")
    assert server.query("SELECT nspname FROM pg_namespace WHERE nspname = 'kronkeep'") == []


async def test_a_second_daemon_with_a_copy_of_the_state_folder_is_noticed(
    server: PostgresServer, history: History
) -> None:
    put_runs(history, 0, 5)
    await history.commit()
    async with shipper_of(history, server.url) as shipper:
        await wait_until_live(shipper, history)
        server.query("UPDATE kronkeep.daemons SET sequence = sequence + 1000, checksum = 1")
        put_runs(history, 5, 1)
        await history.commit()
        await wait_for_fault(shipper, "SinkShared")


@pytest.fixture
def tls_server(tmp_path: Path) -> Iterator[tuple[PostgresServer, int, Path]]:
    """A server that takes TCP with TLS only, its port, and the CA of its certificate for `localhost`."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    server = PostgresServer("ssl = on", "listen_addresses = '127.0.0.1'", f"port = {port}")
    certificate = ("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost")
    names = ("-addext", "subjectAltName=DNS:localhost")
    files = ("-keyout", str(server.data / "server.key"), "-out", str(server.data / "server.crt"))
    subprocess.run(["openssl", *certificate, *names, *files], check=True, capture_output=True)
    server.take_ownership(server.data / "server.key")
    (server.data / "pg_hba.conf").write_text(
        "local all all scram-sha-256\nhostssl all all all scram-sha-256\n"
    )
    server.start()
    yield server, port, server.data / "server.crt"
    server.close()


async def test_tls_is_required_and_verified(
    tls_server: tuple[PostgresServer, int, Path], history: History, tmp_path: Path
) -> None:
    server, port, ca = tls_server
    other_ca = tmp_path / "other.crt"
    other_ca.write_text(Path("/etc/ssl/certs/ca-certificates.crt").read_text())
    put_runs(history, 0, 3)
    await history.commit()
    url = f"postgresql://kronkeep:pass%20word%2F1@{{}}:{port}/postgres"
    for tls, host, code in (
        (TlsSettings("disable", None), "localhost", "SinkRefused"),
        (TlsSettings(None, str(other_ca)), "localhost", "SinkRefused"),
        (TlsSettings(None, str(ca)), "127.0.0.1", "SinkRefused"),  # the certificate has another name
        (TlsSettings("verify-ca", str(ca)), "127.0.0.1", ""),
        (TlsSettings(None, str(ca)), "localhost", ""),
    ):
        async with shipper_of(history, url.format(host), tls=tls) as shipper:
            if code:
                await wait_for_fault(shipper, code)
            else:
                await wait_until_live(shipper, history)
                ssl = "SELECT bool_and(ssl) FROM pg_stat_ssl JOIN pg_stat_activity USING (pid)"
                assert server.query_at(port, f"{ssl} WHERE application_name = 'kronkeepd'") == [(True,)]
    assert server.query_at(port, "SELECT count(*) FROM kronkeep.runs") == [(3,)]


async def test_the_position_is_not_ahead_of_changes_that_the_database_did_not_take(
    server: PostgresServer, history: History
) -> None:
    put_runs(history, 0, 5)
    await history.commit()
    async with shipper_of(history, server.url) as shipper:
        await wait_until_live(shipper, history)
        server.query(
            "CREATE FUNCTION kronkeep.refuse() RETURNS trigger LANGUAGE plpgsql AS"
            " $$BEGIN RAISE EXCEPTION 'stopped' USING ERRCODE = '57014'; END$$"
        )
        server.query(
            "CREATE TRIGGER refuse BEFORE INSERT ON kronkeep.runs EXECUTE FUNCTION kronkeep.refuse()"
        )
        put_runs(history, 5, 5)
        await history.commit()
        await wait_for_fault(shipper, "SinkUnreachable")
        server.query("DROP TRIGGER refuse ON kronkeep.runs")
        await wait_until_live(shipper, history)
    await assert_same(server, history)
