"""Maintenance: CronJobs that are suspended together for a while, and resumed together."""

from datetime import datetime
from typing import Annotated, Literal

import msgspec

from kronkeep_common.models.base import MONTH, Moment, Record, Request
from kronkeep_common.models.silence import Why

MaintenanceStatus = Literal["starting", "active", "ending", "ended"]


class MaintenanceRequest(Request, frozen=True, kw_only=True):
    """The CronJobs that match `filter` shall be suspended for `for_seconds`, because of `because`.

    An empty filter means all CronJobs; without `for_seconds` they stay suspended until somebody ends it.
    """

    filter: Annotated[str, msgspec.Meta(max_length=500)] = ""
    for_seconds: Annotated[float, msgspec.Meta(ge=60, le=MONTH)] | None = None
    because: Why


class Maintenance(Record, frozen=True, kw_only=True):
    """CronJobs are suspended until `ends_at`, or until somebody ends it at `ended_at`.

    Each of them carries the id in the annotation kronkeep.dev/maintenance, and only those are resumed. At
    `started_at` all CronJobs that matched `filter` and were not suspended had been suspended.
    """

    id: str
    filter: str
    because: str
    created_at: Moment
    created_by: str
    started_at: Moment | None = None
    ends_at: Moment | None = None
    ended_at: Moment | None = None
    ended_by: str | None = None

    def is_over(self, now: datetime) -> bool:
        """Whether its CronJobs may run again at the time `now`."""
        return self.last_at is not None and self.last_at <= now

    @property
    def last_at(self) -> datetime | None:
        """When it ends, or ended; None while that is open."""
        ends = [end for end in (self.ends_at, self.ended_at) if end is not None]
        return min(ends, default=None)


class MaintenanceView(Maintenance, frozen=True, kw_only=True):
    """A maintenance with its `status` now, how many CronJobs it suspends, and what could not be done.

    `starting` and `ending` last while CronJobs are being suspended or resumed. `faults` are sentences about
    CronJobs that could not be (20 at most); to resume them is tried again and again.
    """

    status: MaintenanceStatus
    cronjobs: int = 0
    faults: tuple[str, ...] = ()
