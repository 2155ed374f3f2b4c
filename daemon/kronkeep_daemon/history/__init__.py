"""The history: TinyDB's tables and queries over an append-only journal; acknowledged changes are durable."""

from kronkeep_daemon.history.changes import Change
from kronkeep_daemon.history.history import History
from kronkeep_daemon.history.records import Page, Records

__all__ = ["Change", "History", "Page", "Records"]
