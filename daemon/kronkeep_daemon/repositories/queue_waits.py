"""What waits for its turn on a repository now, and how long others have waited."""

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager


class QueueWaits:
    """The waits of all repositories, by kind of work."""

    def __init__(self, kinds: Iterable[str]) -> None:
        self._began: dict[str, dict[object, float]] = {str(kind): {} for kind in kinds}
        self._listeners: list[Callable[[str, float], None]] = []

    def subscribe(self, listener: Callable[[str, float], None]) -> None:
        """Call `listener` with the kind of work and the seconds of each wait that ended with a turn."""
        self._listeners.append(listener)

    def waiting(self) -> dict[str, list[float]]:
        """Return how many seconds each piece of work has waited so far."""
        now = time.monotonic()
        return {kind: [now - began for began in waits.values()] for kind, waits in self._began.items()}

    @contextmanager
    def measure(self, kind: str) -> Iterator[None]:
        """Count a wait while the block runs."""
        key = object()
        began = time.monotonic()
        self._began[kind][key] = began
        try:
            yield
        finally:
            del self._began[kind][key]
        for listener in self._listeners:
            listener(str(kind), time.monotonic() - began)
