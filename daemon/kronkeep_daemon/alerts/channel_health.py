"""Which channels accept messages, as the deliveries since the daemon's start have shown."""

from collections.abc import Callable
from datetime import datetime
from typing import NamedTuple

STUCK_AFTER = 2  # refused attempts in a row: one alone may be a receiver that restarts


class ChannelFault(NamedTuple):
    """How many attempts in a row a channel has refused, since when, and why it refused the last one."""

    name: str
    why: str
    since: datetime
    attempts: int
    is_final: bool = False

    @property
    def is_stuck(self) -> bool:
        """Whether the channel counts as stuck: after several refusals, or one that would be repeated."""
        return self.is_final or self.attempts >= STUCK_AFTER


class ChannelHealth:
    """The faults of channels by their names; `changed` is called when a channel gets stuck or recovers."""

    def __init__(self, changed: Callable[[], None]) -> None:
        self._changed = changed
        self._faults: dict[str, ChannelFault] = {}
        self._proven: set[str] = set()  # channels of which an attempt has ended since the start

    def accept(self, name: str) -> None:
        """Note that a channel has accepted a message."""
        self._proven.add(name)
        if self._faults.pop(name, None) is not None:
            self._changed()

    def refuse(self, name: str, why: str, now: datetime, *, final: bool) -> None:
        """Note that a channel has not accepted a message."""
        self._proven.add(name)
        before = self._faults.get(name)
        since, attempts = (before.since, before.attempts + 1) if before else (now, 1)
        fault = ChannelFault(name=name, why=why, since=since, attempts=attempts, is_final=final)
        self._faults[name] = fault
        if fault.is_stuck and not (before and before.is_stuck):
            self._changed()

    def is_failing(self, name: str) -> bool:
        """Whether the channel refused the last attempt."""
        return name in self._faults

    def is_proven(self, name: str) -> bool:
        """Whether an attempt since the start has shown whether the channel works."""
        return name in self._proven

    def stuck(self) -> list[ChannelFault]:
        """Return the channels that no longer accept messages."""
        return [fault for fault in self._faults.values() if fault.is_stuck]

    def keep_only(self, names: frozenset[str]) -> None:
        """Forget channels that are no longer in the settings."""
        for name in self._faults.keys() - names:
            del self._faults[name]
        self._proven &= names
