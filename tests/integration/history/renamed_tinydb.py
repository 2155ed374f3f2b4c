"""A stand-in for `tinydb.TinyDB` with the history's storage, for TinyDB's own tests."""

import tempfile
from pathlib import Path
from typing import Any

import tinydb
from tinydb.storages import JSONStorage, MemoryStorage

from kronkeep_daemon.history.sqlite_storage import SqliteStorage
from kronkeep_daemon.history.sqlite_table import SqliteTinyDB

StockTinyDB = tinydb.TinyDB


class TinyDB(SqliteTinyDB):
    """A SqliteTinyDB in place of a TinyDB in memory or in a file; with another storage a stock TinyDB."""

    def __new__(cls, *arguments: Any, **options: Any) -> Any:
        if options.get("storage", JSONStorage) in (JSONStorage, MemoryStorage):
            return super().__new__(cls)
        return StockTinyDB(*arguments, **options)

    def __init__(self, path: str | Path | None = None, **options: Any) -> None:
        """Open the database of a folder beside that file; options of JSON files mean nothing here."""
        folder = tempfile.mkdtemp() if path is None else f"{path}.folder"
        super().__init__(folder, storage=SqliteStorage)


def replace() -> None:
    """Let what imports TinyDB later import the stand-in."""
    tinydb.TinyDB = TinyDB  # type: ignore[misc]
