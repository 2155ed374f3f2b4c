"""Whether a cluster from which nothing comes still answers; its watches alone would show that after 70 s.

A watch is quiet where nothing changes, and bookmarks come about once a minute. So a cluster that has sent
nothing at all for ten seconds, as one on which no Lease is renewed, is asked for its version. Where that is
not answered twice, its watches are ended and say so, 24 s after the last byte at most. A single connection
that is forgotten on its way is noticed by TCP itself, see `contact.keep_alive`.
"""

from collections.abc import Callable

from kronkeep_common.errors import ClusterUnreachable
from kronkeep_common.text import clean
from kronkeep_daemon.kube.client import Cluster

SILENT_SECONDS = 10.0
ANSWER_SECONDS = 6.0
PAUSE_SECONDS = 2.0  # between two questions: a balancer that reloads refuses connections for a moment
QUESTIONS = 2


class SilenceMonitor:
    """The monitor of one cluster.

    on_silence: called with the error where the cluster does not answer, again and again while that lasts.
    """

    def __init__(
        self,
        cluster: Cluster,
        on_silence: Callable[[ClusterUnreachable], None],
        *,
        silent_seconds: float = SILENT_SECONDS,
        answer_seconds: float = ANSWER_SECONDS,
        pause_seconds: float = PAUSE_SECONDS,
    ) -> None:
        self._cluster = cluster
        self._clock = cluster.clock
        self._on_silence = on_silence
        self._silent_seconds = silent_seconds
        self._answer_seconds = answer_seconds
        self._pause_seconds = pause_seconds

    async def run(self) -> None:
        """Look for ever, whenever nothing has come for long enough."""
        while True:
            left = self._silent_seconds - self._cluster.contact.silent_for()
            if left > 0:
                await self._clock.sleep(left)
            elif not await self._answers():
                self._on_silence(self._error())
                await self._clock.sleep(self._silent_seconds)

    async def _answers(self) -> bool:
        for number in range(QUESTIONS):
            if number:
                await self._clock.sleep(self._pause_seconds)
            if await self._cluster.answers_within(self._answer_seconds):
                return True
        return False

    def _error(self) -> ClusterUnreachable:
        seconds = self._cluster.contact.silent_for()
        return ClusterUnreachable(
            f"{clean(self._cluster.name, 80)} has sent nothing for {seconds:.0f} s and does not answer."
        )
