"""A PostgreSQL sink: what is written in one transaction, and where a connection goes on.

The position is a row of kronkeep.daemons that is written with the changes, so a kill of either side leaves
both or neither. psycopg is an extra of kronkeep and is imported where the first connection is made.
"""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

from kronkeep_common.api import VERSION
from kronkeep_daemon.history.shipped_pages import ChangePlace
from kronkeep_daemon.sinks import postgres_schema as schema
from kronkeep_daemon.sinks.batch import Put, TableBatch, json_of_puts, json_of_removed
from kronkeep_daemon.sinks.errors import SinkDriverMissing, SinkRefused, SinkShared, SinkTooNew
from kronkeep_daemon.sinks.position import CopiedTo, SinkPosition
from kronkeep_daemon.sinks.postgres_faults import ROW_CLASSES, translate_fault

if TYPE_CHECKING:
    from psycopg import AsyncConnection

CONNECT_SECONDS = 10
SILENT_SECONDS = 30  # after which a connection whose other side does not answer is given up
_REGISTER = (
    "INSERT INTO kronkeep.daemons AS old(history_id, name, version) VALUES(%s, %s, %s)"
    " ON CONFLICT(history_id) DO UPDATE SET name = excluded.name, version = excluded.version, seen_at = now()"
    " RETURNING number"
)
_READ = (
    "SELECT generation, sequence, checksum, copied_table, copied_number FROM kronkeep.daemons"
    " WHERE number = %s FOR UPDATE"
)
_WRITE = (
    "UPDATE kronkeep.daemons SET generation = %s, sequence = %s, checksum = %s, copied_table = %s,"
    " copied_number = %s, seen_at = now(), shipped_at = now() WHERE number = %s"
)
_SEEN = "UPDATE kronkeep.daemons SET seen_at = now() WHERE number = %s"
_REFUSE = (
    "INSERT INTO kronkeep.refused(daemon, table_name, id, sequence, fault, body)"
    " VALUES(%s, %s, %s, %s, %s, %s)"
    " ON CONFLICT(daemon, table_name, id) DO UPDATE SET sequence = excluded.sequence, fault = excluded.fault,"
    " body = excluded.body, refused_at = now()"
)


class TlsSettings(NamedTuple):
    """How the connection is secured, beyond what the URL says: libpq's sslmode, and a file of CAs."""

    sslmode: str | None
    ca_file: str | None


class PostgresSink:
    """An open connection to the database; its methods raise SinkUnreachable, SinkRefused, SinkShared."""

    def __init__(self, connection: "AsyncConnection[Any]", secrets: tuple[str, ...]) -> None:
        self._connection = connection
        self._secrets = secrets
        self._daemon = 0
        self._known: SinkPosition | None = None
        self.refused = 0  # documents that the database refused, over this connection

    async def open(self, history_id: str, name: str) -> SinkPosition | None:
        """Migrate the tables, register the daemon and return its position; None before its first copy.

        Raise SinkTooNew too.
        """
        async with self._transaction():
            await self._migrate()
        async with self._transaction():
            ((self._daemon,),) = await self._select(_REGISTER, (history_id, name, VERSION))
            self._known = await self._read_position()
        return self._known

    async def _migrate(self) -> None:
        await self._execute(f"SELECT pg_advisory_xact_lock({schema.MIGRATION_LOCK})")
        if not await self._select("SELECT 1 FROM pg_namespace WHERE nspname = %s", (schema.SCHEMA,)):
            await self._execute(f"CREATE SCHEMA {schema.SCHEMA}")
        await self._execute(
            "CREATE TABLE IF NOT EXISTS kronkeep.schema_version"
            "(version integer PRIMARY KEY, migrated_at timestamptz NOT NULL DEFAULT now())"
        )
        ((version,),) = await self._select("SELECT coalesce(max(version), 0) FROM kronkeep.schema_version")
        if version > len(schema.MIGRATIONS):
            raise SinkTooNew(f"The tables of the database are of version {version}, from a later kronkeep.")
        for number, statements in enumerate(schema.MIGRATIONS[version:], version + 1):
            for statement in statements:
                await self._execute(statement)
            await self._execute("INSERT INTO kronkeep.schema_version(version) VALUES(%s)", (number,))

    async def _read_position(self) -> SinkPosition | None:
        rows = await self._select(_READ, (self._daemon,))
        if not rows or rows[0][1] is None:
            return None
        generation, sequence, checksum, table, number = rows[0]
        return SinkPosition(
            generation, ChangePlace(sequence, checksum), CopiedTo(table, number) if table else None
        )

    async def write(self, batches: dict[str, TableBatch], position: SinkPosition) -> None:
        """Write changes and the position behind them, or nothing."""
        async with self._transaction():
            await self._check_alone()
            for table, batch in batches.items():
                if batch.puts:
                    await self._put(table, batch.puts, position.generation)
                if batch.removed:
                    sql = schema.mark_removed(schema.TABLES[table])
                    removed = json_of_removed(batch.removed)
                    await self._execute(sql, (position.generation, removed, self._daemon))
                if batch.retracted:
                    sql = schema.delete_rows(schema.TABLES[table])
                    await self._execute(sql, (self._daemon, batch.retracted))
            if position.copied_to is None and self._known is not None and self._known.copied_to is not None:
                await self._end_copy(position.generation)
            await self._write_position(position)
        self._known = position

    async def _write_position(self, position: SinkPosition) -> None:
        copied_to = position.copied_to or (None, None)
        await self._execute(_WRITE, (position.generation, *position.place, *copied_to, self._daemon))

    async def _end_copy(self, generation: int) -> None:
        for table in schema.TABLES.values():
            await self._execute(schema.mark_rest_removed(table), (self._daemon, generation))
        await self._execute(schema.DELETE_REFUTED)

    async def _check_alone(self) -> None:
        """Raise SinkShared where somebody else has moved the position since this connection last did."""
        if await self._read_position() != self._known:
            raise SinkShared("Another kronkeepd ships the same history to this database.")

    async def _put(self, table: str, puts: Sequence[Put], generation: int) -> None:
        """Put documents; what the database refuses is set aside in kronkeep.refused, one by one."""
        from psycopg import Error

        sql = schema.upsert(schema.TABLES[table])
        try:
            async with self._connection.transaction():
                await self._execute(sql, (self._daemon, generation, json_of_puts(puts)))
        except Error as fault:
            if (fault.sqlstate or "")[:2] not in ROW_CLASSES:
                raise
            if len(puts) == 1:
                await self._set_aside(table, puts[0], str(fault))
                return
            middle = len(puts) // 2
            await self._put(table, puts[:middle], generation)
            await self._put(table, puts[middle:], generation)

    async def _set_aside(self, table: str, put: Put, fault: str) -> None:
        text = fault.replace("\0", "")[:1000]
        await self._execute(_REFUSE, (self._daemon, table, put.id[:500], put.sequence, text, put.body))
        self.refused += 1

    async def mark_seen(self) -> None:
        """Tell the database that the daemon lives, and find out whether the connection does."""
        async with self._transaction():
            await self._execute(_SEEN, (self._daemon,))

    @asynccontextmanager
    async def _transaction(self) -> AsyncIterator[None]:
        from psycopg import Error

        try:
            async with self._connection.transaction():
                yield
        except Error as fault:
            raise translate_fault(str(fault), fault.sqlstate, self._secrets) from None

    async def _execute(self, sql: str, values: Sequence[object] = ()) -> None:
        await self._connection.execute(sql.encode(), values or None)

    async def _select(self, sql: str, values: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        cursor = await self._connection.execute(sql.encode(), values or None)
        return await cursor.fetchall()


@asynccontextmanager
async def connect(url: str, tls: TlsSettings) -> AsyncIterator[PostgresSink]:
    """Connect to the database of a URL, and close the connection at the end.

    Raise SinkDriverMissing, SinkUnreachable, SinkRefused.
    """
    try:
        from psycopg import AsyncConnection, Error
        from psycopg.conninfo import conninfo_to_dict
    except ImportError as fault:
        raise SinkDriverMissing("A sink of the kind postgres needs the library psycopg.") from fault
    try:
        parameters = _add_defaults(conninfo_to_dict(url), tls)
    except Error:
        raise SinkRefused(
            "The sink's URL is not one of PostgreSQL.",
            next_step="Write it as postgresql://USER:PASSWORD@HOST/DATABASE.",
        ) from None
    secrets = (url, *(str(parameters[name]) for name in ("password",) if parameters.get(name)))
    try:
        connection = await AsyncConnection.connect(**parameters, autocommit=True, prepare_threshold=None)
    except (Error, OSError) as fault:
        raise translate_fault(str(fault), getattr(fault, "sqlstate", None), secrets) from None
    try:
        yield PostgresSink(connection, secrets)
    finally:
        await connection.close()


def _add_defaults(given: dict[str, Any], tls: TlsSettings) -> dict[str, Any]:
    """Return the connection's parameters: TLS by the settings, else the URL, else for every other machine."""
    defaults: dict[str, Any] = {
        "connect_timeout": CONNECT_SECONDS,
        "application_name": "kronkeepd",
        "keepalives_idle": SILENT_SECONDS,
        "keepalives_interval": 5,
        "keepalives_count": 3,
        "tcp_user_timeout": SILENT_SECONDS * 1000,
        "gssencmode": "disable",
    }
    hosts = str(given.get("host") or given.get("hostaddr") or "").split(",")
    if not all(host in _HERE or host.startswith(("/", "@")) for host in hosts):
        defaults["sslmode"] = "require"
    secured: dict[str, Any] = {}
    if tls.ca_file is not None:
        secured = {"sslrootcert": tls.ca_file, "sslmode": "verify-full"}
    if tls.sslmode is not None:
        secured["sslmode"] = tls.sslmode
    return {**defaults, **given, **secured}


_HERE = ("", "localhost", "127.0.0.1", "::1")
