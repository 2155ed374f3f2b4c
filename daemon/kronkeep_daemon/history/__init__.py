"""The history: TinyDB's tables and queries on SQLite; acknowledged changes are durable."""

from kronkeep_daemon.history.changes import Change, ForgottenChanges
from kronkeep_daemon.history.cronjob_memo import CronJobMemo
from kronkeep_daemon.history.history import History
from kronkeep_daemon.history.records import Page, Records

__all__ = ["Change", "CronJobMemo", "ForgottenChanges", "History", "Page", "Records"]
