"""The SQL of the database: one table a TinyDB table, its indexes, and the tables of kronkeep itself.

An index of a shared field leaves out the rows without a value, so it costs nothing where a table has none.
`counts` says how many documents a table has of each status, so that this is read, not counted; it is written
with each batch (`batch_writer.py`).
"""

from functools import lru_cache

from kronkeep_common.errors import InvalidRequest
from kronkeep_daemon.history.rows import COLUMNS, SORT

APPLICATION_ID = 0x6B6B6873  # "kkhs", in the file's header
FORMAT = 4  # the file's user_version; 1 and 2 were journals, 3 had triggers that counted documents
OWN_TABLES = ("changes", "counts", "meta")
RESERVED = ("sqlite_", "kronkeep_")

# The columns of each index, in order. The queries by CronJob are asked most: its newest runs, with their
# statuses from the index alone, and its newest runs of one status.
INDEXES: tuple[tuple[str, ...], ...] = (
    ("cronjob_id", "status", SORT),
    ("cronjob_id", SORT, "number", "status"),
    ("policy_id", SORT),
    ("storage_id", SORT),
    ("status", SORT),
    ("namespace", SORT),
    ("cluster", SORT),
    (SORT,),
)
CREATE_OWN_TABLES = (
    "CREATE TABLE meta(name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID",
    "CREATE TABLE counts(table_name TEXT, status TEXT, documents INTEGER NOT NULL,"
    " PRIMARY KEY(table_name, status)) WITHOUT ROWID",
    "CREATE TABLE changes(sequence INTEGER PRIMARY KEY, table_name TEXT NOT NULL, id TEXT NOT NULL,"
    " checksum INTEGER NOT NULL, place INTEGER NOT NULL, body TEXT)",
)
_CREATE_TABLE = (
    "CREATE TABLE {table}(number INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT UNIQUE,"
    " created_at TEXT NOT NULL, cronjob_id TEXT, cronjob TEXT, namespace TEXT, status TEXT,"
    " policy_id TEXT, storage_id TEXT, cluster TEXT, checksum INTEGER NOT NULL, body TEXT NOT NULL)"
)


@lru_cache(maxsize=1000)
def quote(table: str) -> str:
    """Return a table's name as SQL; raise InvalidRequest for one that SQLite or kronkeep reserves."""
    lower = table.lower()
    if lower in OWN_TABLES or lower.startswith(RESERVED) or "\0" in table:
        raise InvalidRequest(f"A table of the history cannot be called {table!r}.", field="table")
    return quote_name(table)


def quote_name(name: str) -> str:
    """Return any name as SQL."""
    return '"' + name.replace('"', '""') + '"'


def index_name(table: str, columns: tuple[str, ...]) -> str:
    """Return the name of an index as SQL."""
    return quote_name("_".join(("kronkeep", table, "by", *columns)))


def create_table(name: str) -> list[str]:
    """Return the statements that create a TinyDB table with its indexes."""
    return [
        _CREATE_TABLE.format(table=quote(name)),
        *(_create_index(name, columns) for columns in INDEXES),
    ]


def _create_index(table: str, columns: tuple[str, ...]) -> str:
    sql = f"CREATE INDEX {index_name(table, columns)} ON {quote(table)}({', '.join(columns)})"
    return sql if columns[0] == SORT else f"{sql} WHERE {columns[0]} IS NOT NULL"


@lru_cache(maxsize=1000)
def put_row(table: str) -> str:
    """Return the statement that adds a row, or replaces the one of its number."""
    columns = ("number", *COLUMNS, "checksum", "body")
    updates = ", ".join(f"{column}=excluded.{column}" for column in columns[1:])
    return (
        f"INSERT INTO {quote(table)}({', '.join(columns)}) VALUES({', '.join('?' * len(columns))})"
        f" ON CONFLICT(number) DO UPDATE SET {updates}"
    )


@lru_cache(maxsize=1000)
def update_status(table: str) -> str:
    """Return the statement that replaces JSON and status of a row of which no other column differs."""
    return f"UPDATE {quote(table)} SET checksum = ?, body = ?, status = ? WHERE number = ?"


@lru_cache(maxsize=1000)
def update_body(table: str) -> str:
    """Return the statement that replaces the JSON of a row of which no column differs."""
    return f"UPDATE {quote(table)} SET checksum = ?, body = ? WHERE number = ?"
