"""The in-process event bus, and the events that services publish after a change.

For most subscribers the bus is a level trigger (`Bus.trigger`): an event sets a flag, and the subscriber's
loop then reads the current state from the history and the cluster caches. So a burst of events costs one pass
and an event that was lost in a restart costs nothing, because each loop also runs periodically. The fields of
an event are for the few subscribers that act on one object.
"""

import asyncio
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any, Literal, TypeVar

import msgspec

from kronkeep_common.models import BackupCopy, BackupExecution, BackupStorage, CronJobExecution, Restore
from kronkeep_daemon.kube.objects import CronJobObject
from kronkeep_daemon.kube.subjects import PolicyClaim
from kronkeep_daemon.loop_turns import LoopTurn

E = TypeVar("E")


class ExecutionChanged(msgspec.Struct, frozen=True):
    """A CronJobExecution was recorded durably; `old` is None for a new one."""

    old: CronJobExecution | None
    new: CronJobExecution


class CronJobChanged(msgspec.Struct, frozen=True):
    """A CronJob was added, changed or removed; `cronjob` is its last known state."""

    kind: Literal["added", "changed", "removed"]
    cronjob: CronJobObject


class ClaimChanged(msgspec.Struct, frozen=True):
    """A claim got a policy, its policy changed, or it has none any more; `claim` is its last known state."""

    kind: Literal["added", "changed", "removed"]
    claim: PolicyClaim


class BackupChanged(msgspec.Struct, frozen=True):
    """A BackupExecution was recorded durably; `old` is None for a new one."""

    old: BackupExecution | None
    new: BackupExecution


class RestoreChanged(msgspec.Struct, frozen=True):
    """A Restore was recorded durably; `old` is None for a new one."""

    old: Restore | None
    new: Restore


class CopyChanged(msgspec.Struct, frozen=True):
    """A BackupCopy was recorded durably; `old` is None for a new one."""

    old: BackupCopy | None
    new: BackupCopy


class StorageChanged(msgspec.Struct, frozen=True):
    """A BackupStorage was recorded durably; `new` is None for one that was deleted."""

    old: BackupStorage | None
    new: BackupStorage | None


class RepositoryMade(msgspec.Struct, frozen=True):
    """A repository of a storage was recorded durably for the first time."""

    storage_id: str


class ActingChanged(msgspec.Struct, frozen=True):
    """This daemon began or stopped acting on a cluster, or has listed it for the first time."""

    cluster: str


class Bus:
    """Delivery of each event to the handlers of its type, in the order of subscription."""

    def __init__(self) -> None:
        self._handlers: dict[type, list[Callable[[Any], None]]] = {}
        self._publishing = asyncio.Lock()  # of many events, so that no later ones pass them

    def subscribe(self, event: type[E], handler: Callable[[E], None]) -> None:
        """Call `handler` with each later event of exactly that type; it must not block or raise."""
        self._handlers.setdefault(event, []).append(handler)

    def trigger(self, flag: asyncio.Event, *events: type) -> None:
        """Set `flag` after each later event of these types."""
        for event in events:
            self.subscribe(event, partial(_set, flag))

    def publish(self, event: object) -> None:
        """Call the handlers of the event's type, before this returns."""
        for handler in self._handlers.get(type(event), ()):
            handler(event)

    async def publish_all(self, events: Iterable[object]) -> None:
        """Publish events in their order, after those of earlier calls; other tasks run in between."""
        turn = LoopTurn()
        async with self._publishing:
            for event in events:
                self.publish(event)
                await turn.give_way()


def _set(flag: asyncio.Event, _: object) -> None:
    flag.set()
