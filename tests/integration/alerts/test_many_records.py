"""Alerts among very many records: of drills among restores, and of a problem among thousands."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import msgspec
from tests.integration.alerts.alert_scene import WELL, daemon

from kronkeep_common.clock import SystemClock
from kronkeep_common.models import Alert, BackupPolicy, Drill, PolicyCopy, Restore
from kronkeep_common.states import AlertStatus, RestoreStatus

DAILY = Drill(schedule="0 3 * * *")
POLICY = BackupPolicy(
    id="p", storage_id="vault", drill=DAILY, copies=(PolicyCopy(storage_id="far", drill=DAILY),)
)


def make_restores() -> Iterator[Restore]:
    """Yield a drill of the copy that failed, 25 of the own storage that did not, and 25 verifications."""
    now = SystemClock().now()
    for number in range(51):
        at = now - timedelta(minutes=100 - number)
        yield Restore(
            id=f"r{number:02}",
            backup_id="b",
            cluster="c",
            namespace="shop",
            cronjob="dump",
            cronjob_id="j0",
            policy_id="p",
            storage_id="vault" if number else "far",
            status=RestoreStatus.COMPLETED if number else RestoreStatus.FAILED,
            purpose="drill" if number < 26 else "verify",
            created_at=at,
            ended_at=at,
        )


async def test_a_failed_drill_stays_an_alert_however_much_is_restored_after_it(tmp_path: Path) -> None:
    async with daemon(tmp_path) as it:
        it.cronjob = msgspec.structs.replace(WELL, policy=POLICY)
        for restore in make_restores():
            it.history.restores.put(restore)
            await it.history.commit()
            await it.service.evaluate()
            assert [alert.code for alert in it.service.active_alerts()] == ["DrillFailed"], restore.id


async def test_every_problem_is_known_among_more_than_ten_thousand(tmp_path: Path) -> None:
    async with daemon(tmp_path) as it:
        await it.service.evaluate()
        (first,) = it.service.active_alerts()
        for number in range(10_000):
            other = Alert(
                id=f"a{number}", code="RunFailed", severity="warning", status=AlertStatus.OPEN,
                kind="cronjob", object=f"shop/{number}", object_id=f"other-{number}", cluster="other",
                message="", next_step="", since=first.since, created_at=it.clock.now(),
            )  # fmt: skip
            it.history.alerts.put(other)
        await it.history.commit()
        it.unknown = frozenset(["other"])
        await it.service.evaluate()
        alerts = it.service.active_alerts()
        assert len(alerts) == 10_001
        assert [alert.id for alert in alerts if alert.object_id == first.object_id] == [first.id]
        assert len(it.service.active_alerts(limit=5)) == 5
