"""The in-process event bus: services say what happened and are never called back by those who listen."""

from collections.abc import Callable
from typing import Any, Literal, TypeVar

import msgspec

from kronkeep_common.models import BackupExecution, BackupStorage, CronJobExecution, Restore
from kronkeep_daemon.kube.objects import CronJobObject

E = TypeVar("E")


class ExecutionChanged(msgspec.Struct, frozen=True):
    """A CronJobExecution was recorded durably; `old` is None for a new one."""

    old: CronJobExecution | None
    new: CronJobExecution


class CronJobChanged(msgspec.Struct, frozen=True):
    """A CronJob was added, changed or removed; `cronjob` is its last known state."""

    kind: Literal["added", "changed", "removed"]
    cronjob: CronJobObject


class BackupChanged(msgspec.Struct, frozen=True):
    """A BackupExecution was recorded durably; `old` is None for a new one."""

    old: BackupExecution | None
    new: BackupExecution


class RestoreChanged(msgspec.Struct, frozen=True):
    """A Restore was recorded durably; `old` is None for a new one."""

    old: Restore | None
    new: Restore


class StorageChanged(msgspec.Struct, frozen=True):
    """A BackupStorage was recorded durably; `new` is None for one that was deleted."""

    old: BackupStorage | None
    new: BackupStorage | None


class ActingChanged(msgspec.Struct, frozen=True):
    """What this daemon may do by itself on a cluster changed: it leads there or not, or knows it now."""

    cluster: str


class Bus:
    """Hands each event to the handlers of its type, in the order of subscription."""

    def __init__(self) -> None:
        self._handlers: dict[type, list[Callable[[Any], None]]] = {}

    def subscribe(self, event: type[E], handler: Callable[[E], None]) -> None:
        """Calls `handler` with each later event of exactly that type; it must not block or raise."""
        self._handlers.setdefault(event, []).append(handler)

    def publish(self, event: object) -> None:
        """Calls the handlers of the event's type."""
        for handler in self._handlers.get(type(event), ()):
            handler(event)
