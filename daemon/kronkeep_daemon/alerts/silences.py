"""Silences: recorded in the history first, then shared with the other daemons of each cluster.

A silence ends by itself, since what counts is its end time; no timer need survive a restart.
"""

import logging
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta

import msgspec

from kronkeep_common.clock import Clock
from kronkeep_common.errors import InvalidFilter, NotAllowedNow, SilenceNotFound
from kronkeep_common.models import Alert, Silence, SilenceRequest, SilenceView
from kronkeep_common.record_filter import RecordFilter, parse_filter, write_filter
from kronkeep_common.text import clean
from kronkeep_daemon.alerts.shared_alerts import SharedAlerts
from kronkeep_daemon.alerts.shared_state import KEEP_ENDED, MOST_SILENCES, SharedState, join_silences
from kronkeep_daemon.history import History, Records
from kronkeep_daemon.history.record_ids import new_id

log = logging.getLogger(__name__)
MOST_KEPT = 300  # silences in the history; the oldest ended ones are dropped


class Silences:
    """The silences of this daemon and of those that share a cluster with it."""

    def __init__(
        self, *, history: History, clock: Clock, shared: SharedAlerts, changed: Callable[[], None]
    ) -> None:
        self._history = history
        self._clock = clock
        self._shared = shared
        self._on_change = changed
        self._unreadable: set[str] = set()  # ids of silences whose filters were reported
        self.records: Records[Silence] = Records(history.table("silences"), Silence)

    def active(self) -> list[Silence]:
        """Return the silences that hold alerts back now, sorted by their ends."""
        now = self._clock.now()
        silences = [silence for silence in self.records.all() if silence.is_active(now)]
        return sorted(silences, key=lambda silence: (silence.ends_at, silence.id))

    def newest(self) -> list[Silence]:
        """Return all silences that are kept, newest first."""
        return list(self.records.all())[::-1]

    def filters(self, clusters: Mapping[str, str]) -> list[tuple[Silence, RecordFilter]]:
        """Return the active silences with their filters; `clusters` are ids by name."""
        read = [(silence, self._read_filter(silence, clusters)) for silence in self.active()]
        return [(silence, accepted) for silence, accepted in read if accepted is not None]

    def _read_filter(self, silence: Silence, clusters: Mapping[str, str]) -> RecordFilter | None:
        """Return a silence's filter; None where it cannot be read, so that nothing is held back by it.

        A daemon of another version, which shares it, may know more keys.
        """
        try:
            return parse_filter(silence.filter, clusters)
        except InvalidFilter as fault:
            if silence.id not in self._unreadable:
                self._unreadable.add(silence.id)
                log.warning("the silence %s holds nothing back here: %s", silence.id, fault)
            return None

    def get(self, silence_id: str) -> Silence:
        """Return one silence; raise SilenceNotFound."""
        silence = self.records.get(silence_id)
        if silence is None:
            raise SilenceNotFound(f"There is no silence {clean(silence_id, 80)}.")
        return silence

    def view(self, silence: Silence, alerts: list[Alert], clusters: Mapping[str, str]) -> SilenceView:
        """Return a silence with its status, and how many of the alerts that have not ended it holds back."""
        now = self._clock.now()
        fields = {field: getattr(silence, field) for field in silence.__struct_fields__}
        if not silence.is_active(now):
            return SilenceView(**fields, status="ended")
        accepted = self._read_filter(silence, clusters)
        held = sum(accepted.matches(alert, now) for alert in alerts) if accepted is not None else 0
        return SilenceView(**fields, status="active", alerts=held)

    async def create(self, request: SilenceRequest, user: str) -> Silence:
        """Record a silence; raise InvalidFilter, and NotAllowedNow where there are too many."""
        text = write_filter(request.filter)
        parse_filter(text)
        if not text:
            raise InvalidFilter("A silence needs a filter: a blank one would hold every alert back.")
        if len(self.active()) >= MOST_SILENCES:
            raise NotAllowedNow(
                f"{MOST_SILENCES} silences are active, which is the most.",
                next_step="End some: kronkeep silence --end ID.",
            )
        now = self._clock.now()
        silence = Silence(
            id=new_id(),
            filter=text,
            because=clean(request.because, 300),
            created_at=now,
            created_by=clean(user, 100),
            ends_at=now + timedelta(seconds=request.for_seconds),
        )
        self._drop_old(now)
        await self._record(silence)
        return silence

    async def end(self, silence_id: str, user: str) -> Silence:
        """End a silence now; raise SilenceNotFound, and NotAllowedNow where it has ended."""
        silence = self.get(silence_id)
        now = self._clock.now()
        if not silence.is_active(now):
            raise NotAllowedNow(
                "The silence has ended already.",
                next_step="Nothing is left to end: kronkeep get silences --filter status:active.",
            )
        ended = msgspec.structs.replace(silence, ended_at=now, ended_by=clean(user, 100))
        await self._record(ended)
        return ended

    async def _record(self, silence: Silence) -> None:
        self.records.put(silence)
        await self._history.commit()
        self._share([silence])
        self._on_change()

    def exchange(self) -> None:
        """Share the silences of this daemon, and record those of others until the next commit."""
        now = self._clock.now()
        recent = [silence for silence in self.records.all() if silence.last_at > now - KEEP_ENDED]
        self._share(recent)
        for cluster in self._shared.all():
            for silence in cluster.state.silences.values():
                known = self.records.get(silence.id)
                self.records.put(join_silences(known, silence) if known else silence)

    def _share(self, silences: list[Silence]) -> None:
        part = SharedState(silences={silence.id: silence for silence in silences})
        for cluster in self._shared.all():
            cluster.change(part)

    def _drop_old(self, now: datetime) -> None:
        silences = sorted(self.records.all(), key=lambda silence: silence.created_at)
        for silence in silences[: max(0, len(silences) - MOST_KEPT)]:
            if not silence.is_active(now):
                self.records.remove(silence.id)
                self._unreadable.discard(silence.id)
