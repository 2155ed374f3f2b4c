"""When a morning report is due: pure functions of its settings and a time.

A person reads the report by the clock on the wall, so each time that the schedule names is one moment, also
on the nights on which clocks change: a time that the clock skips is as long after the last one as on other
days (02:30 becomes 03:30), and one that comes twice counts once. CronJobs follow Kubernetes instead, which
may skip or repeat a run then.
"""

from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from kronkeep_common.schedule import Schedule
from kronkeep_common.schedule.zone import Zone, load_zone
from kronkeep_daemon.alert_settings import ReportSettings

MARGIN = timedelta(hours=3)  # more than clocks are ever put forward or back in a night


class ReportMoments(NamedTuple):
    """The times on the wall, as if they were UTC, and the zone in which they are read."""

    walls: Schedule
    zone: Zone

    @classmethod
    def of(cls, settings: ReportSettings) -> "ReportMoments":
        """Return the moments of settings, which were checked when they were read."""
        return cls(Schedule.parse(settings.schedule, "UTC"), load_zone(settings.time_zone))

    def latest(self, now: datetime) -> datetime | None:
        """Return the newest moment that is not later than `now`; None where there is none in years."""
        wall = self.walls.previous(self._wall_of(now) + MARGIN)
        while wall is not None and self._instant_of(wall) > now:
            wall = self.walls.previous(wall)
        return None if wall is None else self._instant_of(wall)

    def before(self, moment: datetime) -> datetime | None:
        """Return the moment before a moment."""
        return self.latest(moment - timedelta(seconds=1))

    def next(self, now: datetime) -> datetime | None:
        """Return the first moment later than `now`; None where there is none in years."""
        wall = self.walls.next(self._wall_of(now) - MARGIN)
        while wall is not None and self._instant_of(wall) <= now:
            wall = self.walls.next(wall)
        return None if wall is None else self._instant_of(wall)

    def _wall_of(self, moment: datetime) -> datetime:
        return moment.astimezone(UTC) + timedelta(seconds=self.zone.offset(int(moment.timestamp())))

    def _instant_of(self, wall: datetime) -> datetime:
        # PEP 495: with fold=0 a time in a gap has the offset from before it, and of two the first is meant.
        return wall.replace(tzinfo=self.zone.tzinfo).astimezone(UTC)
