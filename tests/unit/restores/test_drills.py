"""Which drill is due and of which backup: once a slot, and after downtime the newest slot alone."""

from datetime import UTC, datetime, timedelta

import pytest

from kronkeep_common.models import BackupExecution, Drill
from kronkeep_common.states import BackupStatus
from kronkeep_daemon.restores.drills import due_slot, pick

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
    return BackupExecution(
        id=str(number),
        cluster="c",
        namespace="n",
        cronjob="j",
        cronjob_id="u",
        policy_id="p",
        storage_id="s",
        status=BackupStatus.SUCCEEDED,
        created_at=SEEN - timedelta(days=number),
    )


def test_the_newest_or_one_that_asking_again_picks_again() -> None:
    good = [backup(number) for number in range(7)]
    assert pick(good, "newest", "ff") is good[0]
    assert pick(good, "random", "0f") is pick(good, "random", "0f") is good[15 % 7]
    assert {b.id for n in range(40) if (b := pick(good, "random", f"{n:02x}"))} == {b.id for b in good}
    assert pick([], "newest", "00") is None
