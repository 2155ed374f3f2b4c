"""A model of retention in a world that is not ours: 500 histories with the real rules and reconciliation.

Another tool forgets snapshots, the repository's volume and the state folder are rolled back, another daemon
continues from an older state, the clock jumps by up to two years.
"""

import random
from datetime import UTC, datetime, timedelta

import msgspec
import pytest
from tests.records import make_backup

from kronkeep_common.models import BackupExecution, BackupResult, Retention
from kronkeep_common.states import BackupStatus
from kronkeep_daemon.backups import retention_rules
from kronkeep_daemon.repositories import reconciliation
from kronkeep_daemon.restic.snapshots import ListedSnapshot

STEPS = 60
RULES = (
    Retention(keep_last=1),
    Retention(keep_last=3, min_good=2),
    Retention(keep_daily=4, keep_weekly=2),
    Retention(keep_hourly=3, keep_monthly=2, min_good=3),
)


class World:
    """A repository, the records of a daemon, and older copies of both."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.rules = self.random.choice(RULES)
        self.now = datetime(2026, 3, 1, tzinfo=UTC)
        self.count = 0
        self.records: dict[str, BackupExecution] = {}
        self.snapshots: dict[str, ListedSnapshot] = {}
        self.old_records = [dict(self.records)]
        self.old_snapshots = [dict(self.snapshots)]

    def back_up(self) -> None:
        self.count += 1
        backup_id = f"b{self.count}"
        snapshot_id = f"{self.count:08x}" * 8
        status = self.random.choice((BackupStatus.SUCCEEDED, BackupStatus.SUCCEEDED, BackupStatus.PARTIAL))
        self.snapshots[snapshot_id] = ListedSnapshot(
            id=snapshot_id, tags=("policy=p", f"backup={backup_id}", "run=r")
        )
        self.records[backup_id] = make_backup(
            id=backup_id,
            sequence=1 + max((record.sequence for record in self.records.values()), default=0),
            status=status,
            created_at=self.now,
            result=BackupResult(snapshot_id=snapshot_id[:8]),
        )

    def forget_behind_its_back(self) -> None:
        if self.snapshots:
            del self.snapshots[self.random.choice(list(self.snapshots))]

    def save_copies(self) -> None:
        self.old_records.append(dict(self.records))
        self.old_snapshots.append(dict(self.snapshots))

    def roll_repository_back(self) -> None:
        self.snapshots = dict(self.random.choice(self.old_snapshots))

    def roll_state_back(self) -> None:
        self.records = dict(self.random.choice(self.old_records))

    def jump(self) -> None:
        self.now += timedelta(seconds=self.random.choice((-1, 1)) * 60 * 10 ** self.random.uniform(0, 6.02))

    def wait(self) -> None:
        self.now += timedelta(hours=self.random.randint(1, 30))

    def believed(self) -> list[BackupExecution]:
        return [
            record
            for record in self.records.values()
            if record.snapshot_removed_at is None and record.snapshot_missing_at is None
        ]

    def existing(self) -> list[BackupExecution]:
        """Return the backups whose snapshot is in the repository, whatever their records say of it."""
        listed = list(self.snapshots.values())
        return [one for one in self.records.values() if reconciliation.has_snapshot_in(one, listed)]

    def reconcile(self) -> None:
        claimed = [record for record in self.records.values() if record.snapshot_removed_at is None]
        comparison = reconciliation.compare(claimed, list(self.snapshots.values()), self.records)
        for backup_id in comparison.missing:
            self.change(backup_id, snapshot_missing_at=self.now)
        for backup_id in comparison.returned:
            self.change(backup_id, snapshot_missing_at=None)

    def change(self, backup_id: str, **fields: object) -> None:
        self.records[backup_id] = msgspec.structs.replace(self.records[backup_id], **fields)

    def apply_retention(self) -> None:
        """Plan from the records, list, and forget only where all that is to stay is there."""
        plan = retention_rules.plan_retention("p", self.believed(), self.rules, self.now)
        self.reconcile()
        existing = {backup.id for backup in self.existing()}
        if any(verdict.backup_id not in existing for verdict in plan.keep):
            return
        for verdict in plan.remove:
            if verdict.backup_id in existing:
                self.remove_snapshot(verdict.backup_id)

    def remove_snapshot(self, backup_id: str) -> None:
        own = [each.id for each in self.snapshots.values() if each.backup == backup_id]
        for snapshot_id in own:
            del self.snapshots[snapshot_id]
        self.change(backup_id, snapshot_removed_at=self.now)


def good_ids(backups: list[BackupExecution]) -> set[str]:
    return {backup.id for backup in backups if retention_rules.is_good(backup)}


def check_retention(world: World) -> None:
    before = world.existing()
    unrecorded = {each.id for each in world.snapshots.values() if each.backup not in world.records}
    world.apply_retention()
    after = world.existing()
    forgotten = {backup.id for backup in before} - {backup.id for backup in after}
    assert not forgotten & set(retention_rules.keeping_rules(before, world.rules, world.now))
    assert bool(good_ids(before)) == bool(good_ids(after))
    assert unrecorded <= set(world.snapshots)
    assert good_ids(world.believed()) <= good_ids(after)


@pytest.mark.parametrize("first_seed", range(0, 500, 50))
def test_no_kept_snapshot_is_forgotten_and_nothing_stays_good_without_its_snapshot(first_seed: int) -> None:
    for seed in range(first_seed, first_seed + 50):
        world = World(seed)
        actions = [
            *[world.back_up] * 6,
            *[world.wait] * 4,
            world.forget_behind_its_back,
            world.save_copies,
            world.roll_repository_back,
            world.roll_state_back,
            world.jump,
        ]
        for _ in range(STEPS):
            world.random.choice(actions)()
            if world.random.random() < 0.3:
                check_retention(world)
