"""Which drill is due and of which backup: once a slot, and after downtime the newest slot alone."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests.records import make_backup

from kronkeep_common import object_keys
from kronkeep_common.models import BackupExecution, Drill
from kronkeep_common.states import RestoreStatus
from kronkeep_daemon.backups.policy_annotations import PolicyCarrier
from kronkeep_daemon.copies.copy_records import CopyRecords
from kronkeep_daemon.events import Bus
from kronkeep_daemon.history import History, expiry
from kronkeep_daemon.history.expiry import ExpiryRules
from kronkeep_daemon.history.facts import drill_seen_key
from kronkeep_daemon.kube.objects import CronJobObject
from kronkeep_daemon.restores.drills import Drills, due_slot, pick_backup
from kronkeep_daemon.restores.restore_records import RestoreRecords
from kronkeep_daemon.settings import Settings
from kronkeep_daemon.testing import FakeClock

DAILY = Drill(schedule="0 3 * * *", time_zone="Europe/Berlin")
SEEN = datetime(2026, 1, 10, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("now", "slot"),
    [
        (SEEN, None),
        (datetime(2026, 1, 11, 1, 59, tzinfo=UTC), None),
        (datetime(2026, 1, 11, 2, 0, tzinfo=UTC), datetime(2026, 1, 11, 2, 0, tzinfo=UTC)),
        (datetime(2026, 2, 1, 0, 0, tzinfo=UTC), datetime(2026, 1, 31, 2, 0, tzinfo=UTC)),
    ],
)
def test_the_newest_slot_since_the_last_one(now: datetime, slot: datetime | None) -> None:
    assert due_slot(DAILY, SEEN, now, "UTC") == slot
    if slot is not None:
        assert due_slot(DAILY, slot, now, "UTC") is None


def backup(number: int) -> BackupExecution:
    return make_backup(
        id=str(number),
        created_at=SEEN - timedelta(days=number),
    )


def test_the_newest_or_one_that_asking_again_picks_again() -> None:
    good = [backup(number) for number in range(7)]
    assert pick_backup(good, "newest", "ff") is good[0]
    assert pick_backup(good, "random", "0f") is pick_backup(good, "random", "0f") is good[15 % 7]
    assert {b.id for n in range(40) if (b := pick_backup(good, "random", f"{n:02x}"))} == {b.id for b in good}
    assert pick_backup([], "newest", "00") is None


def cronjob(policy: dict[str, Any] | None, name: str = "j") -> CronJobObject:
    text = msgspec.json.encode(policy).decode()
    meta = {
        "namespace": "n",
        "name": name,
        "uid": "u",
        "annotations": {object_keys.POLICY: text} if policy else {},
    }
    return CronJobObject.from_manifest({"metadata": meta, "spec": {}}, "c")


class StubServices:
    """CronJobs and backups of a cluster: one policy with a drill, and one good backup."""

    def __init__(self) -> None:
        drill = {"schedule": "0 3 * * *"}
        self.policy = {"id": "p", "storage_id": "s", "drill": drill}
        self.cronjob = cronjob(self.policy)

    async def carriers_led_here(self) -> AsyncIterator[CronJobObject]:
        yield self.cronjob

    def with_snapshot(self, of: PolicyCarrier) -> list[BackupExecution]:
        return [backup(0)] if (of.cluster, of.namespace, of.cronjob) == ("c", "n", "j") else []


def drills_of(stub: StubServices, history: History, clock: FakeClock) -> Drills:
    return Drills(
        cronjobs=stub,  # type: ignore[arg-type]
        backups=stub,  # type: ignore[arg-type]
        copies=CopyRecords(history, Bus(), clock),
        records=RestoreRecords(history, Bus(), clock),
        history=history,
        clock=clock,
        settings=Settings,
    )


async def test_a_slot_is_drilled_once_over_restarts_and_a_long_sleep_is_caught_up_once(
    tmp_path: Path,
) -> None:
    clock = FakeClock(SEEN)
    stub = StubServices()

    async def run_daemon() -> list[datetime | None]:
        """Start a daemon, let it look for drills twice, and stop it; return the slots that it recorded."""
        history = await History.open(tmp_path, clock=clock)
        drills = drills_of(stub, history, clock)
        slots = [drill.due_at for _ in range(2) for drill in await drills.record_due()]
        await history.close()
        return slots

    assert await run_daemon() == []
    await clock.advance(15 * 3600)
    assert await run_daemon() == [datetime(2026, 1, 11, 3, 0, tzinfo=UTC)]
    assert await run_daemon() == []
    await clock.advance(10 * 86400)
    assert await run_daemon() == [datetime(2026, 1, 21, 3, 0, tzinfo=UTC)]
    assert await run_daemon() == []


async def test_a_slot_whose_record_has_expired_is_not_drilled_again(tmp_path: Path) -> None:
    clock = FakeClock(SEEN)
    stub = StubServices()
    monthly = {**stub.policy, "drill": {"schedule": "0 3 11 * *"}}
    stub.cronjob = cronjob(monthly)
    history = await History.open(tmp_path, clock=clock)
    drills = drills_of(stub, history, clock)
    assert await drills.record_due() == []
    await clock.advance(15 * 3600)
    (drill,) = await drills.record_due()
    assert drill.due_at is not None
    await RestoreRecords(history, Bus(), clock).end(drill.id, RestoreStatus.FAILED)
    await clock.advance(25 * 86400)
    await expiry.remove(history, await expiry.plan(history, ExpiryRules(days=20), clock.now()))
    assert history.restores.get(drill.id) is None
    assert await drills.record_due() == []
    seen = history.facts.get(drill_seen_key("u", "p"))
    assert seen is not None
    assert seen.created_at == drill.due_at, "else it would seem overdue"
    await clock.advance(6 * 86400)
    assert [drill.due_at for drill in await drills.record_due()] == [datetime(2026, 2, 11, 3, tzinfo=UTC)]
    await history.close()


@pytest.mark.parametrize("without", [None, {"drill": None}, {"enabled": False}])
async def test_no_drill_without_a_policy_that_asks_for_it(
    tmp_path: Path, without: dict[str, Any] | None
) -> None:
    clock = FakeClock(SEEN)
    stub = StubServices()
    policy = {"id": "p", "storage_id": "s", "drill": {"schedule": "0 3 * * *"}}
    history = await History.open(tmp_path, clock=clock)
    drills = drills_of(stub, history, clock)
    assert await drills.record_due() == []
    stub.cronjob = cronjob(policy | without if without else None)
    await clock.advance(2 * 86400)
    assert await drills.record_due() == []
    await history.close()


async def test_a_drill_takes_no_other_cronjobs_backup(tmp_path: Path) -> None:
    clock = FakeClock(SEEN)
    stub = StubServices()
    stub.cronjob = cronjob(stub.policy, name="copy")
    history = await History.open(tmp_path, clock=clock)
    drills = drills_of(stub, history, clock)
    assert await drills.record_due() == []
    await clock.advance(86400)
    (drill,) = await drills.record_due()
    assert (drill.cronjob, drill.backup_id) == ("copy", None)
    await history.close()
