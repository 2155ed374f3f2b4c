"""1,000 simulated nights with a clock that jumps: nothing irrevocable is decided by a wrong time.

This machine's clock jumps by a minute to two years at random moments, for seconds to days; the daemon
restarts meanwhile, and the cluster is away at times. What is recorded and forgotten is compared with the
truth.
"""

import random
from datetime import UTC, datetime, timedelta

import pytest
from tests.records import make_backup

from kronkeep_common.models import BackupExecution, BackupPolicy, BackupResult, Retention
from kronkeep_common.states import BackupStatus
from kronkeep_daemon.backups import planning_rules, retention_rules
from kronkeep_daemon.kube.cluster_clock import TOLERANCE_SECONDS, ClusterClock
from kronkeep_daemon.testing import FakeClock

START = datetime(2026, 1, 1, 2, 0, tzinfo=UTC)
NIGHTS = 1000
DAY = 86400
RULES = [
    Retention(keep_last=1),
    Retention(days=30),
    Retention(keep_daily=7, keep_weekly=4, keep_monthly=6),
]


class Night:
    """A machine whose clock jumps, a cluster whose clock is right, and the backups of one policy."""

    def __init__(self, rules: Retention, chance: random.Random) -> None:
        self.rules = rules
        self.chance = chance
        self.machine = FakeClock(START)
        self.wrong = 0.0
        self.clock = ClusterClock(self.machine)
        self.policy = BackupPolicy(id="p", storage_id="s", rpo_seconds=3 * DAY)
        self.backups: list[BackupExecution] = []
        self.forgotten = 0
        self.held = 0

    def truth(self) -> datetime:
        return START + timedelta(seconds=self.machine.monotonic())

    def jump(self) -> None:
        """Make the clock wrong, or right again."""
        right = -self.wrong
        if self.wrong == 0.0:
            size = self.chance.choice([60, 90, 3600, 30 * 3600, 40 * DAY, 400 * DAY, 730 * DAY])
            right = size * self.chance.choice([1.0, -1.0])
        self.machine.jump(right)
        self.wrong += right

    def restart(self) -> None:
        """Start the daemon anew; it knows nothing of the cluster's clock."""
        self.clock = ClusterClock(self.machine)

    def answer(self) -> None:
        """Have the cluster answer one request."""
        now = self.clock.monotonic()
        self.clock.observe(self.truth().replace(microsecond=0), now, now)

    def back_up(self) -> None:
        number = len(self.backups) + self.forgotten + 1
        good = self.chance.random() < 0.7
        backup = make_backup(
            id=f"b{number}",
            sequence=number,
            status=BackupStatus.SUCCEEDED if good else BackupStatus.PARTIAL,
            created_at=self.clock.now(),
            ended_at=self.clock.now(),
            result=BackupResult(snapshot_id=f"{number:08x}"),
        )
        assert abs(backup.created_at - self.truth()) <= timedelta(seconds=2)
        self.backups.append(backup)
        self.apply_retention(just_made=backup.id)

    def apply_retention(self, just_made: str | None = None) -> None:
        """Forget what no rule keeps, where that may be done now, and compare it with the true time's plan."""
        if not self.clock.is_trusted():
            self.held += 1
            return
        assert abs(self.wrong) <= TOLERANCE_SECONDS + 1
        plan = retention_rules.plan_retention(
            "p", self.backups, self.rules, self.clock.now(), just_made=just_made
        )
        removed = {verdict.backup_id for verdict in plan.remove}
        good_before = [backup for backup in self.backups if retention_rules.is_good(backup)]
        true_rules = retention_rules.keeping_rules(
            self.backups, self.rules, self.truth() + timedelta(seconds=2), just_made=just_made
        )
        assert not removed & true_rules.keys()
        if good_before:
            assert good_before[-1].id not in removed
        self.backups = [backup for backup in self.backups if backup.id not in removed]
        self.forgotten += len(removed)

    def is_overdue(self, now: datetime) -> bool:
        good = [backup.ended_at for backup in self.backups if retention_rules.is_good(backup)]
        return planning_rules.misses_recovery_point(self.policy, good[-1] if good else None, START, now)


@pytest.mark.parametrize("rules", RULES)
async def test_nothing_irrevocable_in_a_thousand_nights(rules: Retention) -> None:
    chance = random.Random(str(rules))
    night = Night(rules, chance)
    night.answer()
    for _ in range(NIGHTS):
        for _ in range(chance.randrange(1, 6)):
            await night.machine.advance(chance.choice([5.0, 25.0, 600.0, 6 * 3600.0]))
            if chance.random() < 0.4:
                night.jump()
            if chance.random() < 0.2:
                night.restart()
            night.apply_retention()
            if chance.random() < 0.8:
                night.answer()
        if chance.random() < 0.85:
            night.answer()
            night.back_up()
        else:
            await night.machine.advance(float(DAY))
        if night.wrong == 0.0 and night.clock.is_trusted():
            late = night.truth() + timedelta(seconds=2)
            assert night.is_overdue(night.clock.now()) in (
                night.is_overdue(night.truth()),
                night.is_overdue(late),
            )
    assert night.forgotten > 100
    assert night.held > 100
