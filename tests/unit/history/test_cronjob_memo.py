"""What is remembered of a CronJob's records is what they say, after any change, and is computed once."""

import resource
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest
from tests.records import make_backup

from kronkeep_common.clock import SystemClock
from kronkeep_common.errors import ReadOnlyHistory
from kronkeep_common.states import BackupStatus
from kronkeep_daemon.history import CronJobMemo, History, cronjob_memo

NOW = datetime(2026, 1, 1, tzinfo=UTC)


async def test_a_value_is_computed_again_after_a_change_of_its_cronjob_only(tmp_path: Path) -> None:
    history = await History.open(tmp_path, clock=SystemClock())
    computed: list[str] = []

    def count(cronjob_id: str) -> int:
        computed.append(cronjob_id)
        return sum(history.backups.count(cronjob_id=cronjob_id).values())

    memo = CronJobMemo(count, history.backups)
    first = make_backup(id="b1", cronjob_id="a", created_at=NOW)
    other = make_backup(id="b2", cronjob_id="b", created_at=NOW)
    assert [memo("a"), memo("a"), memo("b")] == [0, 0, 0]
    history.backups.put(first)
    assert [memo("a"), memo("b")] == [1, 0]
    await history.commit()
    history.backups.put(other)
    assert [memo("a"), memo("b")] == [1, 1]
    history.backups.put(msgspec.structs.replace(first, cronjob_id="b"))
    assert [memo("a"), memo("b")] == [0, 2]
    history.backups.remove("b1")
    assert [memo("a"), memo("b")] == [0, 1]
    history.table("backups").truncate()
    assert [memo("a"), memo("b")] == [0, 0]
    assert computed == ["a", "b", "a", "b", "a", "b", "b", "b"]
    await history.close()


async def test_a_change_that_finds_no_space_is_undone_in_what_is_remembered(tmp_path: Path) -> None:
    history = await History.open(tmp_path, clock=SystemClock())
    memo = CronJobMemo(lambda cronjob_id: history.backups.count(cronjob_id=cronjob_id), history.backups)
    backup = make_backup(id="b1", cronjob_id="a", created_at=NOW, status=BackupStatus.RUNNING)
    history.backups.put(backup)
    await history.commit()
    resource.setrlimit(resource.RLIMIT_FSIZE, (1, resource.RLIM_INFINITY))
    try:
        history.backups.remove("b1")
        assert memo("a") == {}
        with pytest.raises(ReadOnlyHistory):
            await history.commit()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY,) * 2)
    assert memo("a") == {"running": 1}
    await history.close()


async def test_a_bounded_number_of_cronjobs_is_remembered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cronjob_memo, "MOST", 3)
    history = await History.open(tmp_path, clock=SystemClock())
    computed: list[str] = []
    memo = CronJobMemo(computed.append, history.backups)
    for cronjob_id in ("a", "b", "c", "d", "d", "a"):
        memo(cronjob_id)
    assert computed == ["a", "b", "c", "d", "a"]
    await history.close()
