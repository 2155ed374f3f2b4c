"""The newest sequence as it is kept on a cluster, so that a history that went back is noticed.

The file `newest` beside the database tells a lost tail; it goes back together with the database where a whole
volume or machine does. What the cluster keeps does not.
"""

import logging
import re

from kronkeep_common.clock import Clock
from kronkeep_daemon.history.facts import LOST_CHANGES
from kronkeep_daemon.history.history import History

log = logging.getLogger(__name__)
_NUMBER = re.compile(r"\d{1,18}", re.ASCII)


class SequenceNote:
    """The sequence of one history as text; `key` names the history."""

    def __init__(self, history: History, clock: Clock) -> None:
        self._history = history
        self._clock = clock

    @property
    def key(self) -> str:
        return self._history.history_id

    def text(self) -> str:
        """Return the sequence of the newest durable change."""
        return str(self._history.seq)

    async def compare(self, text: str) -> None:
        """Record the fact that changes are lost where an earlier text names one that was not there at start.

        Raise ReadOnlyHistory, DamagedHistory.
        """
        last = self._history.sequence_at_start
        if not _NUMBER.fullmatch(text) or int(text) <= last:
            return
        log.error("the history ends at change %d, but change %s was acknowledged", last, text)
        self._history.facts.set(LOST_CHANGES, self._clock.now(), name=f"{last} {text}")
        self._history.continue_after(int(text))
        await self._history.commit()
