"""A model of retention in a world that is not ours: 500 histories with the real rules and reconciliation.

Another tool forgets snapshots, the repository's volume and the state folder are rolled back, the state folder
is lost, another daemon continues from an older state, the CronJob is deleted and made again, the clock jumps
by up to two years. Backups without a record are recorded again, those of a policy that is gone are adopted.
"""

import random
from datetime import UTC, datetime, timedelta

import msgspec
import pytest
from tests.records import make_backup, vault

from kronkeep_common.models import BackupExecution, BackupResult, Retention
from kronkeep_common.states import BackupStatus
from kronkeep_daemon.backups import recovered_backups, retention_rules
from kronkeep_daemon.repositories import reconciliation
from kronkeep_daemon.repositories.repository import Repository
from kronkeep_daemon.restic.snapshots import ListedSnapshot, SnapshotTags

STEPS = 60
RULES = (
    Retention(keep_last=1),
    Retention(keep_last=3, min_good=2),
    Retention(keep_daily=4, keep_weekly=2),
    Retention(keep_hourly=3, keep_monthly=2, min_good=3),
)
OWN = Repository(storage=vault(settings={"path": "/srv"}))
STRANGER = ListedSnapshot(id="f" * 64, tags=("mine",))


class World:
    """A repository, the records of a daemon, the policy that a CronJob carries, and older copies of both."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.rules = self.random.choice(RULES)
        self.now = datetime(2026, 3, 1, tzinfo=UTC)
        self.count = 0
        self.policy = "p0"
        self.records: dict[str, BackupExecution] = {}
        self.snapshots = {STRANGER.id: STRANGER}
        self.was_whole: dict[str, bool] = {}
        self.old_records = [dict(self.records)]
        self.old_snapshots = [dict(self.snapshots)]

    def back_up(self) -> None:
        self.count += 1
        backup_id = f"{self.count:032x}"
        snapshot_id = f"{self.count:08x}" * 8
        status = self.random.choice((BackupStatus.SUCCEEDED, BackupStatus.SUCCEEDED, BackupStatus.PARTIAL))
        tags = SnapshotTags(
            policy=self.policy,
            run=backup_id,
            backup=backup_id,
            cluster="cluster-1",
            namespace="n",
            cronjob="j",
            cronjob_id="uid-0001",
        )
        self.was_whole[backup_id] = status is BackupStatus.SUCCEEDED
        self.snapshots[snapshot_id] = ListedSnapshot(
            id=snapshot_id, time=self.now.isoformat(), tags=tuple(tags.texts())
        )
        self.records[backup_id] = make_backup(
            id=backup_id,
            sequence=1 + max((record.sequence for record in self.records.values()), default=0),
            policy_id=self.policy,
            storage_id="vault",
            status=status,
            created_at=self.now,
            result=BackupResult(snapshot_id=snapshot_id[:8]),
        )

    def forget_behind_its_back(self) -> None:
        ours = [each for each in self.snapshots if each != STRANGER.id]
        if ours:
            del self.snapshots[self.random.choice(ours)]

    def save_copies(self) -> None:
        self.old_records.append(dict(self.records))
        self.old_snapshots.append(dict(self.snapshots))

    def roll_repository_back(self) -> None:
        self.snapshots = dict(self.random.choice(self.old_snapshots))

    def roll_state_back(self) -> None:
        self.records = dict(self.random.choice(self.old_records))

    def lose_state(self) -> None:
        self.records = {}
        self.rescan()

    def make_cronjob_again(self) -> None:
        self.policy = f"p{self.count}-{self.random.randrange(100)}"

    def adopt(self) -> None:
        for backup in list(self.records.values()):
            if backup.policy_id != self.policy:
                self.change(backup.id, policy_id=self.policy, tagged_policy_id=backup.snapshot_policy_id)

    def verify_one(self) -> None:
        """Restore a backup whose end is not known and compare it, as a person would."""
        for backup in self.existing():
            if backup.status is BackupStatus.UNKNOWN and self.was_whole[backup.id]:
                self.records[backup.id] = recovered_backups.as_good(backup)
                return

    def jump(self) -> None:
        self.now += timedelta(seconds=self.random.choice((-1, 1)) * 60 * 10 ** self.random.uniform(0, 6.02))

    def wait(self) -> None:
        self.now += timedelta(hours=self.random.randint(1, 30))

    def believed(self) -> list[BackupExecution]:
        """Return the backups of the policy, whose snapshots are there so far as is known."""
        return [
            record
            for record in self.records.values()
            if record.policy_id == self.policy
            and record.snapshot_removed_at is None
            and record.snapshot_missing_at is None
        ]

    def existing(self) -> list[BackupExecution]:
        """Return the backups whose snapshot is in the repository, whatever their records say of it."""
        listed = list(self.snapshots.values())
        return [one for one in self.records.values() if reconciliation.has_snapshot_in(one, listed)]

    def reconcile(self) -> tuple[ListedSnapshot, ...]:
        """Change the records that differ; return the snapshots that no record knows."""
        comparison = reconciliation.compare(
            list(self.records.values()), list(self.snapshots.values()), self.records
        )
        for backup_id in comparison.missing:
            self.change(backup_id, snapshot_missing_at=self.now)
        for backup_id in comparison.returned:
            self.change(backup_id, snapshot_missing_at=None, snapshot_removed_at=None)
        assert comparison.foreign == (STRANGER,)
        return comparison.unrecorded

    def rescan(self) -> None:
        recovery = recovered_backups.recover_backups(
            self.reconcile(),
            OWN,
            is_our_cluster="cluster-1".__eq__,
            policy_of=self.no_policy,
            now=self.now,
        )
        assert (recovery.elsewhere, recovery.unusable) == ((), ())
        self.records |= {backup.id: backup for backup in recovery.backups}

    def no_policy(self, _tags: SnapshotTags) -> None:
        return None

    def change(self, backup_id: str, **fields: object) -> None:
        self.records[backup_id] = msgspec.structs.replace(self.records[backup_id], **fields)

    def apply_retention(self) -> None:
        """Plan from the records, list, and forget only where all that is to stay is there."""
        plan = retention_rules.plan_retention(self.policy, self.believed(), self.rules, self.now)
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


def of_policy(world: World, backups: list[BackupExecution]) -> list[BackupExecution]:
    return [backup for backup in backups if backup.policy_id == world.policy]


def check_retention(world: World) -> None:
    before = world.existing()
    unrecorded = {each.id for each in world.snapshots.values() if each.backup not in world.records}
    orphans = {backup.id for backup in before} - {backup.id for backup in of_policy(world, before)}
    world.apply_retention()
    after = world.existing()
    forgotten = {backup.id for backup in before} - {backup.id for backup in after}
    kept = retention_rules.keeping_rules(of_policy(world, before), world.rules, world.now)
    assert not forgotten & set(kept)
    assert not forgotten & orphans
    assert bool(good_ids(before)) == bool(good_ids(after))
    assert bool(good_ids(of_policy(world, before))) == bool(good_ids(of_policy(world, after)))
    assert unrecorded <= set(world.snapshots)
    assert good_ids(world.believed()) <= good_ids(after)
    for snapshot in world.snapshots.values():
        record = world.records.get(snapshot.backup)
        assert record is None or (record.snapshot_missing_at, record.snapshot_removed_at) == (None, None)


def check_rescan(world: World) -> None:
    known = set(world.records)
    snapshots = dict(world.snapshots)
    world.rescan()
    assert world.snapshots == snapshots
    # Each of our snapshots has a record again, and what was only found is neither good nor newest.
    assert {each.backup for each in snapshots.values() if each.backup} <= set(world.records)
    recovered = [world.records[backup_id] for backup_id in set(world.records) - known]
    assert good_ids(recovered) == set()
    ordered = retention_rules.newest_first(list(world.records.values()))
    sequences = [backup.sequence > 0 for backup in ordered]
    assert sequences == sorted(sequences, reverse=True)


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
            world.lose_state,
            world.make_cronjob_again,
            *[world.adopt] * 2,
            *[world.verify_one] * 2,
            world.jump,
        ]
        for _ in range(STEPS):
            world.random.choice(actions)()
            if world.random.random() < 0.3:
                check_retention(world)
            if world.random.random() < 0.1:
                check_rescan(world)
        assert STRANGER.id in world.snapshots
