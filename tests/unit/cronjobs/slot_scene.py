"""One CronJob, its slots and a recorder at the test's own time."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from tests.unit.cronjobs.replay import feed, make_recorder

from kronkeep_daemon.cronjobs.run_recorder import RunRecorder
from kronkeep_daemon.cronjobs.slot_tracker import SlotTracker
from kronkeep_daemon.events import Bus
from kronkeep_daemon.history import History
from kronkeep_daemon.kube.cluster_clock import ClusterClock
from kronkeep_daemon.kube.objects import JsonObject
from kronkeep_daemon.testing import FakeClock

NOON = datetime(2026, 1, 15, 12, 0, tzinfo=UTC)
GRACE = timedelta(seconds=120)
UID = "cj-uid"


def slot(minute: float) -> datetime:
    return NOON + timedelta(minutes=minute)


def stamp(at: datetime) -> str:
    return f"{at:%Y-%m-%dT%H:%M:%SZ}"


def cronjob(last: datetime | None = None, version: int = 1, **spec: Any) -> dict[str, Any]:
    status = {"lastScheduleTime": stamp(last)} if last else {}
    template: JsonObject = {"spec": {"template": {"spec": {"containers": []}}}}
    meta = {
        "name": "dump",
        "namespace": "shop",
        "uid": UID,
        "resourceVersion": str(version),
        "creationTimestamp": stamp(NOON - timedelta(days=9)),
    }
    return {
        "metadata": meta,
        "spec": {"schedule": "*/10 * * * *", "jobTemplate": template, **spec},
        "status": status,
    }


def job(slot: datetime, *, created: datetime | None = None, ended: datetime | None = None) -> dict[str, Any]:
    number = int(slot.timestamp()) // 60
    conditions = [{"type": "Complete", "status": "True", "lastTransitionTime": stamp(ended)}] if ended else []
    return {
        "metadata": {
            "name": f"dump-{number}",
            "namespace": "shop",
            "uid": f"job-{number}",
            "creationTimestamp": stamp(created or slot),
            "annotations": {"batch.kubernetes.io/cronjob-scheduled-timestamp": stamp(slot)},
            "ownerReferences": [{"kind": "CronJob", "name": "dump", "uid": UID, "controller": True}],
        },
        "status": {"startTime": stamp(created or slot), "conditions": conditions},
    }


class Scene:
    """A recorder whose watches are live, or not, at the test's own time."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.clock = FakeClock(NOON + timedelta(minutes=1))
        self.live = True
        self.cluster_clock = ClusterClock(self.clock)
        self.history: History
        self.recorder: RunRecorder
        self.tracker: SlotTracker

    async def open(self) -> None:
        self.history = await History.open(self.folder, clock=self.clock)
        self.recorder = make_recorder(self.history, self.clock)
        self.tracker = SlotTracker(
            cluster_id=lambda: "c",
            cache=self.recorder.cache,
            history=self.history,
            bus=Bus(),
            clock=self.cluster_clock,
            is_live=lambda: self.live,
            is_time_trusted=lambda: self.cluster_clock.fault() is None,
            grace=lambda: GRACE,
            controller_zone=lambda: "UTC",
        )

    def answer(self) -> None:
        """Have the cluster answer now: its time is the machine's, whatever that does afterwards."""
        now = self.clock.monotonic()
        self.cluster_clock.observe(self.clock.now(), now, now)

    async def close(self) -> None:
        await self.history.close()

    async def show(self, *objects: dict[str, Any], kind: str = "cronjobs") -> None:
        for obj in objects:
            feed(self.recorder, kind, "MODIFIED", obj)
        await self.recorder.flush()

    async def at(self, minute: float) -> None:
        """Advance to so many minutes past noon, updating the tracker every 30 seconds."""
        while (left := (NOON + timedelta(minutes=minute) - self.clock.now()).total_seconds()) > 0:
            await self.clock.advance(min(30.0, left))
            await self.tracker.update()

    def rows(self) -> list[tuple[Any, ...]]:
        """(minute past noon, status, reason) of every record, oldest first."""
        return [
            ((run.created_at - NOON).total_seconds() / 60, run.status.value, run.reason)
            for run in self.history.executions.all()
        ]

    def standing(self) -> tuple[datetime | None, datetime | None]:
        return self.tracker.open_slots_of(UID)
