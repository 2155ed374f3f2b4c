"""How one sink is now, whatever its kind."""

from datetime import datetime

import msgspec

from kronkeep_common.api import SinkStatus
from kronkeep_common.errors import KronkeepError


class SinkState(msgspec.Struct, kw_only=True):
    """How a sink is now.

    since: when its status began.
    place: the sequence up to which it has everything; None until that is known.
    was_passed: changes that it needs were removed to make place, so that it gets the whole history again.
    fault: what keeps it from taking changes.
    """

    status: SinkStatus = "starting"
    since: datetime
    place: int | None = None
    copied: int = 0
    refused: int = 0
    shipped_at: datetime | None = None
    was_passed: bool = False
    fault: KronkeepError | None = None

    def set_status(self, status: SinkStatus, now: datetime) -> None:
        """Note a status, and since when it is so where it is another one."""
        if self.status != status:
            self.status = status
            self.since = now
