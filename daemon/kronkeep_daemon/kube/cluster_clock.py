"""The clock of a cluster, measured by the Date header of its API server's responses.

A Date header has a resolution of one second and was written between the sending of the request and the
arrival of the response, so each response bounds the difference between the cluster's time and this machine's
monotonic clock; together they bound it to milliseconds. `ClusterClock.now` is this machine's wall time where
that lies within the bounds, and the nearest time within them where it does not. So wall time may jump: the
cluster's time goes on by the monotonic clock.
"""

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import NamedTuple

from kronkeep_common.clock import Clock
from kronkeep_common.text import duration

TOLERANCE_SECONDS = 60.0  # clocks that differ by less agree
SETTLE_SECONDS = 300.0  # after a jump of the cluster's clock against the monotonic clock
HEADER_SECONDS = 1.0  # resolution of a Date header
CLOCK_NEXT_STEP = (
    "Correct the time synchronisation (chrony, systemd-timesyncd) of this machine and of the cluster's "
    "nodes: kronkeep doctor."
)


class ClockBounds(NamedTuple):
    """Between which values the cluster's time (seconds since 1970) minus the monotonic clock lies."""

    earliest: float
    latest: float

    def narrowed(self, other: "ClockBounds") -> "ClockBounds":
        """Return the bounds that both give; `earliest` is the later one where they contradict each other."""
        return ClockBounds(max(self.earliest, other.earliest), min(self.latest, other.latest))

    @property
    def is_empty(self) -> bool:
        """Whether no value lies within the bounds."""
        return self.earliest > self.latest


def bounds_of(date: datetime, sent_at: float, received_at: float) -> ClockBounds:
    """Return what one Date header tells; `sent_at` and `received_at` are of the monotonic clock."""
    seconds = date.timestamp()
    return ClockBounds(seconds - received_at, seconds + HEADER_SECONDS - sent_at)


class ClusterClock:
    """A Clock that shows a cluster's time; until the cluster has answered it shows the machine's."""

    def __init__(self, machine: Clock) -> None:
        self._machine = machine
        self._bounds: ClockBounds | None = None
        self._observed_at: float | None = None
        self._jumped_at: float | None = None
        self._jump = 0.0

    def now(self) -> datetime:
        wall = self._machine.now()
        skew = self.skew_seconds()
        return wall if skew == 0.0 else datetime.fromtimestamp(wall.timestamp() - skew, UTC)

    def monotonic(self) -> float:
        return self._machine.monotonic()

    async def sleep(self, seconds: float) -> None:
        await self._machine.sleep(seconds)

    def observe_header(self, header: str | None, sent_at: float) -> None:
        """Take the Date header of a response that has just arrived; ignore one that cannot be read."""
        try:
            date = parsedate_to_datetime(header) if header else None
        except ValueError:
            return
        if date is not None and date.tzinfo is not None:
            self.observe(date, sent_at, self._machine.monotonic())

    def observe(self, date: datetime, sent_at: float, received_at: float) -> None:
        """Take the time at which a server wrote a response, between two values of the monotonic clock."""
        observed = bounds_of(date, sent_at, received_at)
        known = self._bounds
        self._observed_at = received_at
        if known is None:
            self._bounds = observed
            return
        narrowed = known.narrowed(observed)
        if not narrowed.is_empty:
            self._bounds = narrowed
            return
        # The two clocks drift apart by a few parts in a million, so the bounds of an hour ago may contradict
        # those of now by a little. More than the tolerance is a jump.
        self._bounds = observed
        jump = narrowed.earliest - narrowed.latest
        if jump > TOLERANCE_SECONDS:
            self._jump = jump if observed.earliest > known.latest else -jump
            self._jumped_at = received_at

    def skew_seconds(self) -> float:
        """Return by how much this machine's wall time is ahead of the cluster's; negative where behind."""
        if self._bounds is None:
            return 0.0
        wall = self._machine.now().timestamp() - self._machine.monotonic()
        return wall - min(max(wall, self._bounds.earliest), self._bounds.latest)

    def seconds_since_answer(self) -> float | None:
        """Return how long ago the cluster last answered; None where it never has."""
        return None if self._observed_at is None else self._machine.monotonic() - self._observed_at

    def fault(self) -> str | None:
        """Return why the time cannot be trusted: clocks disagree, or the cluster's clock has just jumped."""
        skew = self.skew_seconds()
        if abs(skew) > TOLERANCE_SECONDS:
            side = "ahead of" if skew > 0 else "behind"
            return f"This machine's clock is {duration(abs(skew))} {side} the cluster's."
        if self._jumped_at is not None:
            if self._machine.monotonic() - self._jumped_at < SETTLE_SECONDS:
                side = "ahead" if self._jump > 0 else "back"
                return f"The cluster's clock has just jumped {side} by {duration(abs(self._jump))}."
            self._jumped_at = None
        return None

    def is_trusted(self) -> bool:
        """Return whether something irrevocable may be decided by this clock."""
        return self._bounds is not None and self.fault() is None
