"""What each channel was last sent of each problem: kept in the history, read from memory."""

from kronkeep_daemon.alerts.channel_rules import SentAlert
from kronkeep_daemon.history import History, Records


class SentAlerts:
    """The last thing that channels were sent, by problem and channel; changes wait for History.commit."""

    def __init__(self, history: History) -> None:
        self._records: Records[SentAlert] = Records(history.table("sent"), SentAlert)
        self._by_id: dict[str, SentAlert] = {}
        self.reload()

    def reload(self) -> None:
        """Read the history again, after changes were undone."""
        self._by_id = {sent.id: sent for sent in self._records.all()}

    def get(self, sent_id: str) -> SentAlert | None:
        """Return what a channel was sent, or None."""
        return self._by_id.get(sent_id)

    def all(self) -> list[SentAlert]:
        """Return everything that channels were sent of problems that have not ended long ago."""
        return list(self._by_id.values())

    def put(self, sent: SentAlert) -> None:
        """Record it in place of what the channel was sent before."""
        self._by_id[sent.id] = sent
        self._records.put(sent)

    def remove(self, sent_id: str) -> None:
        """Forget what a channel was sent."""
        self._by_id.pop(sent_id, None)
        self._records.remove(sent_id)
