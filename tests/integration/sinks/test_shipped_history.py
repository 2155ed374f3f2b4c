"""What a PostgreSQL sink holds is what the history holds, whatever happened in between."""

import asyncio
import hashlib
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests.integration.sinks.shipped_history import (
    assert_same,
    open_history,
    put_runs,
    shipper_of,
    wait_for_fault,
    wait_until_live,
)
from tests.postgres_server import PostgresServer, rows_of
from tests.records import make_backup, make_run
from tests.waiting import eventually

from kronkeep_common.models import Alert, BackupCopy, BackupResult, Restore
from kronkeep_common.states import AlertStatus, BackupStatus, CopyStatus, ExecutionStatus, RestoreStatus
from kronkeep_daemon.history import History, change_log

NOW = datetime(2026, 11, 20, tzinfo=UTC)
RESULT = msgspec.convert({"snapshot_id": "5a5a", "bytes_read": 10**12}, BackupResult)


def backup_copy(copy_id: str, **fields: Any) -> BackupCopy:
    copy = BackupCopy(
        id=copy_id, backup_id="b1", cluster="c", namespace="n", cronjob="j", cronjob_id="u", policy_id="p1",
        from_storage_id="s", storage_id="s2", status=CopyStatus.SUCCEEDED, created_at=NOW, snapshot_id="6b6b",
    )  # fmt: skip
    return msgspec.structs.replace(copy, **fields)


async def test_old_and_new_records_changes_and_removals_are_in_the_sink(
    server: PostgresServer, history: History
) -> None:
    put_runs(history, 0, 50)
    history.backups.put(make_backup(id="b1", created_at=NOW, result=RESULT))
    await history.commit()
    async with shipper_of(history, server.url) as shipper:
        await wait_until_live(shipper, history)
        await assert_same(server, history)
        put_runs(history, 40, 20, message="changed")
        history.executions.remove("r3")
        history.alerts.put(
            Alert(
                id="a", code="RunFailed", severity="warning", status=AlertStatus.OPEN, kind="cronjob",
                object="n/j", object_id="u", since=NOW, created_at=NOW, message="It failed.",
                next_step="Look.",
            )
        )  # fmt: skip
        history.restores.put(
            Restore(
                id="x", cluster="c", namespace="n", cronjob="j", cronjob_id="u", policy_id="p",
                backup_id="b1", storage_id="s", status=RestoreStatus.COMPLETED, created_at=NOW,
            )
        )  # fmt: skip
        history.copies.put(backup_copy("k1"))
        await history.commit()
        await wait_until_live(shipper, history)
        for table in ("runs", "backups", "alerts", "restores", "copies"):
            await assert_same(server, history, table=table)
    assert server.query(
        "SELECT status, trigger, snapshot_id, bytes_read, created_at FROM kronkeep.backups"
    ) == [("succeeded", "after-run", "5a5a", 10**12, NOW)]
    assert server.query("SELECT count(*), min(id) FROM kronkeep.runs WHERE removed_at IS NOT NULL") == [
        (1, "r3")
    ]


async def test_a_second_connection_ships_only_what_is_new(server: PostgresServer, history: History) -> None:
    put_runs(history, 0, 10)
    await history.commit()
    async with shipper_of(history, server.url) as shipper:
        await wait_until_live(shipper, history)
    put_runs(history, 10, 1)
    await history.commit()
    async with shipper_of(history, server.url) as shipper:
        await wait_until_live(shipper, history)
        assert shipper.state.copied == 0
    assert server.query("SELECT generation, count(DISTINCT sequence) FROM kronkeep.runs GROUP BY 1") == [
        (1, 2)
    ]
    await assert_same(server, history)


async def test_views_answer_the_questions_of_the_manual(server: PostgresServer, history: History) -> None:
    now = datetime.now(UTC)
    put_runs(history, 0, 9, created_at=now, namespace="shop")
    put_runs(history, 100, 1, created_at=now, namespace="bank")
    good = make_backup(id="b1", policy_id="p1", created_at=NOW, result=RESULT)
    history.backups.put(good)
    history.backups.put(msgspec.structs.replace(good, id="b2", status=BackupStatus.FAILED))
    history.backups.put(msgspec.structs.replace(good, id="b3", policy_id="p2", snapshot_removed_at=NOW))
    history.copies.put(backup_copy("k1"))
    history.copies.put(backup_copy("k2", created_at=NOW + timedelta(days=1), snapshot_missing_at=NOW))
    await history.commit()
    async with shipper_of(history, server.url) as shipper:
        await wait_until_live(shipper, history)
    copies = "SELECT policy_id, storage_id, snapshot_id, created_at FROM kronkeep.last_good_copies"
    assert server.query(copies) == [("p1", "s2", "6b6b", NOW)]
    failures = (
        "SELECT namespace, runs, failed, failed_percent::float FROM kronkeep.failures_of_90_days ORDER BY 1"
    )
    assert server.query(failures) == [("bank", 1, 0, 0.0), ("shop", 9, 3, 33.33)]
    last = "SELECT policy_id, backup_id, created_at FROM kronkeep.last_good_backups ORDER BY 1"
    assert server.query(last) == [("p1", "b1", NOW), ("p2", None, None)]
    assert server.query("SELECT runs, failed FROM kronkeep.days_of_cronjobs WHERE namespace = 'shop'") == [
        (9, 3)
    ]
    assert server.query("SELECT name, is_copying, refused FROM kronkeep.fleet") == [("one", False, 0)]
    assert server.query("SELECT * FROM kronkeep.open_alerts") == []


SLOT = {"job": None, "scheduled_at": NOW, "created_at": NOW}
FAILURES = "SELECT runs, failed, missed FROM kronkeep.failures_of_90_days"
DAYS = "SELECT runs, failed FROM kronkeep.days_of_cronjobs"


async def test_what_was_taken_back_is_counted_nowhere_and_what_expired_is(
    server: PostgresServer, history: History
) -> None:
    now = datetime.now(UTC)
    slot = {**SLOT, "created_at": now}
    history.executions.put(make_run(id="m1", status=ExecutionStatus.MISSED, **slot))
    history.executions.put(make_run(id="m2", status=ExecutionStatus.MISSED, **slot))
    history.executions.put(make_run(id="f1", status=ExecutionStatus.FAILED, **slot))
    await history.commit()
    async with shipper_of(history, server.url) as shipper:
        await wait_until_live(shipper, history)
        assert server.query(FAILURES) == [(3, 1, 2)]
        history.executions.retract("m1")
        history.executions.retract("f1")
        history.executions.put(make_run(id="late", scheduled_at=NOW, created_at=now))
        history.executions.remove("m2")
        await history.commit()
        await wait_until_live(shipper, history)
        assert server.query(FAILURES) == [(2, 0, 1)]
        assert server.query(DAYS) == [(2, 0)]
        history.executions.put(make_run(id="m1", status=ExecutionStatus.MISSED, **slot))
        await history.commit()
        await wait_until_live(shipper, history)
    assert server.query(FAILURES) == [(3, 0, 2)]
    await assert_same(server, history)


async def test_what_was_taken_back_unseen_goes_with_the_next_copy_of_the_whole_history(
    server: PostgresServer, history: History, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(change_log, "MOST_ROWS", 100)
    history.executions.put(make_run(id="m1", status=ExecutionStatus.MISSED, **SLOT))
    later = {**SLOT, "scheduled_at": NOW + timedelta(days=1)}
    history.executions.put(make_run(id="m2", status=ExecutionStatus.MISSED, **later))
    await history.commit()
    async with shipper_of(history, server.url) as shipper:
        await wait_until_live(shipper, history)
    history.executions.retract("m1")
    history.executions.put(make_run(id="late", scheduled_at=NOW))
    history.executions.remove("m2")
    put_runs(history, 0, 300)
    history.release_changes()
    await history.commit()
    async with shipper_of(history, server.url) as shipper:
        await wait_until_live(shipper, history)
        assert shipper.state.copied == 301
    assert server.query("SELECT id FROM kronkeep.runs WHERE removed_at IS NOT NULL") == [("m2",)]


async def test_what_was_taken_back_before_goes_when_the_tables_are_migrated(
    server: PostgresServer, history: History
) -> None:
    history.executions.put(make_run(id="m1", status=ExecutionStatus.MISSED, **SLOT))
    history.executions.put(make_run(id="late", scheduled_at=NOW))
    await history.commit()
    async with shipper_of(history, server.url) as shipper:
        await wait_until_live(shipper, history)
    server.query("UPDATE kronkeep.runs SET removed_at = now() WHERE id = 'm1'")
    server.query("DELETE FROM kronkeep.schema_version WHERE version > 2")
    async with shipper_of(history, server.url) as shipper:
        await wait_until_live(shipper, history)
    assert server.query("SELECT id FROM kronkeep.runs") == [("late",)]


async def test_copies_from_before_their_table_was_made_come_into_it(
    server: PostgresServer, history: History
) -> None:
    put_runs(history, 0, 5)
    history.copies.put(backup_copy("k1"))
    await history.commit()
    async with shipper_of(history, server.url) as shipper:
        await wait_until_live(shipper, history)
    server.query("DROP TABLE kronkeep.copies CASCADE")
    server.query("DELETE FROM kronkeep.schema_version WHERE version > 1")
    async with shipper_of(history, server.url) as shipper:
        await wait_until_live(shipper, history)
        await assert_same(server, history, table="copies")
        assert shipper.state.copied == 1, "nothing else is copied again"
    assert server.query("SELECT count(*), min(generation) FROM kronkeep.runs WHERE removed_at IS NULL") == [
        (5, 1)
    ]


LONG = "".join(hashlib.sha256(b"%d" % number).hexdigest() for number in range(300))  # too long for an index
HOSTILE = (
    "\0",
    "a\0\\u0000\\",
    "\\\\u0000",
    "\x1b]52;c;\x07",
    "\u202egpj.exe",
    "'; DROP TABLE runs; --",
    "\U0010ffff",
)


async def test_hostile_text_arrives_and_only_nul_is_replaced(
    server: PostgresServer, history: History
) -> None:
    for number, text in enumerate(HOSTILE):
        history.executions.put(make_run(id=f"r{number}{text}", message=text, reason=text))
    await history.commit()
    async with shipper_of(history, server.url) as shipper:
        await wait_until_live(shipper, history)
        assert shipper.state.refused == 0
        history.executions.remove(f"r0{HOSTILE[0]}")
        await history.commit()
        await wait_until_live(shipper, history)
    rows = server.query("SELECT id, message, body->>'reason' FROM kronkeep.runs WHERE removed_at IS NULL")
    texts = [text.replace("\0", "\ufffd") for text in HOSTILE]
    assert {row[0] for row in rows} == {f"r{number}{text}" for number, text in enumerate(texts)} - {
        f"r0{texts[0]}"
    }
    assert all(row[1] == row[2] and row[0] == f"r{texts.index(str(row[1]))}{row[1]}" for row in rows)


async def test_a_record_that_the_database_refuses_is_set_aside_and_holds_up_no_other(
    server: PostgresServer, history: History
) -> None:
    put_runs(history, 0, 100)
    history.executions.put(make_run(id=LONG))
    history.backups.put(
        make_backup(id="b1", result=msgspec.structs.replace(RESULT, bytes_read=2**63))  # no bigint
    )
    await history.commit()
    async with shipper_of(history, server.url) as shipper:
        await wait_until_live(shipper, history)
        assert shipper.state.refused == 2
    assert server.query("SELECT count(*) FROM kronkeep.runs") == [(100,)]
    refused = server.query("SELECT table_name, body FROM kronkeep.refused ORDER BY 1")
    assert [row[0] for row in refused] == ["backups", "executions"]
    assert msgspec.json.decode(refused[0][1], type=dict)["id"] == "b1"


async def test_two_daemons_ship_into_one_database(
    server: PostgresServer, history: History, tmp_path: Path
) -> None:
    other = await open_history(tmp_path / "other")
    put_runs(history, 0, 5)
    put_runs(other, 0, 3, namespace="elsewhere")  # of the same ids
    await history.commit()
    await other.commit()
    async with (
        shipper_of(history, server.url, name="east") as first,
        shipper_of(other, server.url, name="west") as second,
    ):
        await asyncio.gather(wait_until_live(first, history), wait_until_live(second, other))
    sql = "SELECT name, count(*) FROM kronkeep.runs JOIN kronkeep.daemons ON daemon = number GROUP BY 1"
    assert dict(server.query(sql)) == {"east": 5, "west": 3}
    assert server.query("SELECT sum(runs) FROM kronkeep.failures_of_90_days") == [(8,)]
    await other.close()


async def test_when_the_backlog_was_passed_the_whole_history_is_shipped_again(
    server: PostgresServer, history: History, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(change_log, "MOST_ROWS", 100)
    put_runs(history, 0, 20)
    await history.commit()
    is_away = False
    async with shipper_of(
        history, lambda: "postgresql://@/none?host=/none" if is_away else server.url
    ) as shipper:
        await wait_until_live(shipper, history)
        is_away = True
        server.query(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'kronkeepd'"
        )
        put_runs(history, 20, 1)
        await history.commit()
        await wait_for_fault(shipper, "SinkUnreachable")
        history.hold_changes(shipper.state.place or 0, 30_000)  # bytes: the cap
        for first in range(21, 621, 20):
            put_runs(history, first, 20)
            await history.commit()
        history.executions.remove("r7")
        await history.commit()
        assert history.oldest_change > (shipper.state.place or 0) + 1
        assert history.seq - history.oldest_change > 100  # the hold kept more than readers of events need
        is_away = False
        await wait_until_live(shipper, history)
        assert shipper.state.copied == 620
    await assert_same(server, history)
    assert server.query("SELECT id FROM kronkeep.runs WHERE removed_at IS NOT NULL") == [("r7",)]
    assert server.query("SELECT generation FROM kronkeep.daemons") == [(2,)]


async def test_a_history_put_back_from_an_older_copy_is_shipped_again(
    server: PostgresServer, tmp_path: Path
) -> None:
    history = await open_history(tmp_path / "h")
    put_runs(history, 0, 5)
    await history.close()
    old = (tmp_path / "h" / "history.db").read_bytes()
    history = await open_history(tmp_path / "h")
    put_runs(history, 5, 5)
    await history.commit()
    async with shipper_of(history, server.url) as shipper:
        await wait_until_live(shipper, history)
    await history.close()
    (tmp_path / "h" / "history.db").write_bytes(old)
    (tmp_path / "h" / "newest").unlink()
    history = await open_history(tmp_path / "h")
    put_runs(history, 20, 50)  # the sink's place is in the past of this history, and is another change there
    await history.commit()
    async with shipper_of(history, server.url) as shipper:
        await wait_until_live(shipper, history)
    await assert_same(server, history)
    await history.close()


async def test_a_copy_goes_on_where_it_was_interrupted(
    server: PostgresServer, history: History, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kronkeep_daemon.sinks.shipper.MOST_CHANGES", 10)
    put_runs(history, 0, 200)
    await history.commit()
    async with shipper_of(history, server.url) as shipper:

        async def look() -> int:
            return shipper.state.copied

        await eventually(look, lambda copied: copied >= 20, 60)
    before = len(await rows_of(server))
    put_runs(history, 0, 10, message="changed during the copy")
    history.executions.remove("r199")
    await history.commit()
    async with shipper_of(history, server.url) as shipper:
        await wait_until_live(shipper, history)
        assert shipper.state.copied <= 200 - before
    await assert_same(server, history)
