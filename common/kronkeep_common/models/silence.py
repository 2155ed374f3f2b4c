"""Silences: alerts that are not sent for a while, and why."""

from datetime import datetime, timedelta
from typing import Annotated, Literal

import msgspec

from kronkeep_common.models.base import MONTH, Moment, Record, Request

CLOCKS_DIFFER = timedelta(minutes=5)  # that the clocks of two daemons may differ
FilterText = Annotated[str, msgspec.Meta(min_length=1, max_length=500)]
Why = Annotated[str, msgspec.Meta(min_length=1, max_length=300)]


class SilenceRequest(Request, frozen=True, kw_only=True):
    """Alerts that match `filter` shall not be sent for `for_seconds`, because of `because`."""

    filter: FilterText
    for_seconds: Annotated[float, msgspec.Meta(ge=60, le=MONTH)]
    because: Why


class Silence(Record, frozen=True, kw_only=True):
    """Alerts that match `filter` are not sent until `ends_at`, or until somebody ends it at `ended_at`.

    The alerts stay visible. Those that are still open when the silence ends are sent then.
    """

    id: str
    filter: str
    because: str
    created_at: Moment
    created_by: str
    ends_at: Moment
    ended_at: Moment | None = None
    ended_by: str | None = None

    def is_active(self, now: datetime) -> bool:
        """Whether it holds alerts back at the time `now`; one of a clock that was ahead does not."""
        return self.ended_at is None and self.created_at - CLOCKS_DIFFER <= now < self.ends_at

    @property
    def last_at(self) -> datetime:
        """When it ends, or ended."""
        return min(self.ends_at, self.ended_at or self.ends_at)


class SilenceView(Silence, frozen=True, kw_only=True):
    """A silence with its `status` now, and how many open alerts it holds back."""

    status: Literal["active", "ended"]
    alerts: int = 0
