"""The offer to undo the last change, for some seconds."""

from collections.abc import Callable

from kronkeep_common.clock import Clock

UNDO_SECONDS = 10.0


class UndoOffer:
    """What `u` would do now."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._undo: Callable[[], None] | None = None
        self._until = 0.0

    def make(self, undo: Callable[[], None]) -> None:
        """Offer to undo a change; an earlier offer ends."""
        self._undo = undo
        self._until = self._clock.monotonic() + UNDO_SECONDS

    def take(self) -> Callable[[], None] | None:
        """Return what undoes the last change, once, and None after UNDO_SECONDS."""
        undo = self._undo if self._clock.monotonic() <= self._until else None
        self._undo = None
        return undo
