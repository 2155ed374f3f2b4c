"""Policies of backups are stored once a version, and each backup is read with its own."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest

from kronkeep_common.clock import SystemClock
from kronkeep_common.models import BackupExecution, BackupPolicy
from kronkeep_common.models.policy import Hook, Hooks
from kronkeep_common.states import BackupStatus
from kronkeep_daemon.history import History, backup_table, expiry
from kronkeep_daemon.history.expiry import ExpiryPlan

START = datetime(2026, 1, 1, tzinfo=UTC)


def policy(policy_id: str, letter: str) -> BackupPolicy:
    hook = Hook(name="a", image="busybox", command=(letter * 30_000,))
    return BackupPolicy(id=policy_id, storage_id="s", hooks=Hooks(pre=(hook,)))


def backup(number: int, of: BackupPolicy | None) -> BackupExecution:
    return BackupExecution(
        id=f"b{number}",
        cluster="c",
        namespace="n",
        cronjob="j",
        cronjob_id="j1",
        policy_id=of.id if of else "p",
        policy=of,
        storage_id="s",
        status=BackupStatus.FAILED,
        created_at=START,
    )


@pytest.fixture
async def history(tmp_path: Path) -> AsyncIterator[History]:
    history = await History.open(tmp_path, clock=SystemClock())
    yield history
    await history.close()


async def test_a_thousand_backups_of_one_version_have_it_once(history: History, tmp_path: Path) -> None:
    for number in range(1000):
        history.backups.put(backup(number, policy("p", "xy"[number % 2])))
    await history.commit()
    assert len(history.table("policies")) == 2
    assert sum(path.stat().st_size for path in tmp_path.iterdir()) < 12_000_000
    stored = [row.body for row in history.table("backups").rows.newest({}, limit=1000)]
    assert max(map(len, stored)) < 500
    for number in (0, 1, 999):
        assert history.backups.get(f"b{number}") == backup(number, policy("p", "xy"[number % 2]))


async def test_a_change_keeps_the_policy_and_a_backup_without_one_has_none(history: History) -> None:
    history.backups.put(backup(1, policy("p", "x")))
    history.backups.put(backup(2, None))
    await history.commit()
    first = history.backups.get("b1")
    assert first is not None
    history.backups.put(msgspec.structs.replace(first, pinned=True))
    await history.commit()
    assert [(each.pinned, each.policy) for each in history.backups.all()] == [
        (True, policy("p", "x")),
        (False, None),
    ]


async def test_what_is_decoded_is_bounded_in_bytes(history: History, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backup_table, "MOST_CACHED_BYTES", 100_000)
    for number in range(26):
        history.backups.put(backup(number, policy(f"p{number}", chr(97 + number))))
    await history.commit()
    for _ in range(2):
        for number in range(26):
            assert history.backups.get(f"b{number}") == backup(number, policy(f"p{number}", chr(97 + number)))
    assert len(history.backups.policies._decoded) == 3


async def test_a_policy_goes_with_its_last_backup(history: History) -> None:
    for number in range(4):
        history.backups.put(backup(number, policy("pq"[number % 2], "x")))
    await history.commit()
    await expiry.remove(history, ExpiryPlan(backups=("b0", "b1", "b2")))
    assert [row.policy_id for row in history.table("policies").rows.iterate()] == ["q"]
    assert history.backups.get("b3") == backup(3, policy("q", "x"))
