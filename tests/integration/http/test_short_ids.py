"""The beginnings of ids in the place of ids: API and command line, for every kind of record that has one."""

import json
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest
from tests.command_line import run_kronkeep
from tests.daemon_process import Daemon
from tests.filled_daemon import start_on_filled_history
from tests.records import make_backup, make_run

from kronkeep_common.clock import SystemClock
from kronkeep_common.models import Alert, BackupCopy, BackupResult, Restore
from kronkeep_common.states import AlertStatus, CopyStatus, RestoreStatus
from kronkeep_daemon.history import History

NOW = datetime(2026, 1, 1, tzinfo=UTC)
ONE = "abcd1111" * 4
TWO = "abcd1112" * 4
RUN = "709642a5-f1e0-4c1a-9d2e-0123456789ab"
SNAPSHOTS = {ONE: "5eed1111" * 8, TWO: "5eed2222" * 8}
DUMP = "d0d0aaaa" * 8  # the second snapshot of ONE
COPIED = "c0c0bbbb" * 8  # the snapshot of ONE's copy
COPY = "0123beef" * 4


async def fill(folder: Path) -> None:
    """Write two records of each kind whose ids begin alike, and a run."""
    history = await History.open(folder, clock=SystemClock())
    for record_id in (ONE, TWO):
        dump = DUMP if record_id == ONE else None
        result = BackupResult(snapshot_id=SNAPSHOTS[record_id], database_snapshot_id=dump)
        history.backups.put(make_backup(id=record_id, result=result))
        history.restores.put(
            Restore(
                id=record_id,
                cluster="c",
                namespace="n",
                cronjob="j",
                cronjob_id="u",
                policy_id="p",
                backup_id=ONE,
                storage_id="s",
                purpose="verify",
                status=RestoreStatus.COMPLETED,
                created_at=NOW,
                ended_at=NOW,
            )
        )
        history.alerts.put(
            Alert(
                id=record_id,
                code="BackupFailed",
                kind="cronjob",
                severity="warning",
                status=AlertStatus.RESOLVED,
                cluster="c",
                object="n/j",
                object_id=record_id,
                message="m",
                next_step="n",
                since=NOW,
                created_at=NOW,
            )
        )
    history.copies.put(
        BackupCopy(
            id=COPY,
            backup_id=ONE,
            cluster="c",
            namespace="n",
            cronjob="j",
            cronjob_id="u",
            policy_id="p",
            from_storage_id="s",
            storage_id="t",
            status=CopyStatus.SUCCEEDED,
            created_at=NOW,
            snapshot_id=COPIED,
        )
    )
    # What a backup says of itself may read like a snapshot's id.
    history.backups.put(make_backup(id="0" * 32, message='"snapshot_id":"' + SNAPSHOTS[ONE]))
    history.executions.put(make_run(id=RUN, created_at=NOW))
    await history.commit()
    await history.close()


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    with start_on_filled_history(tmp_path_factory.mktemp("short"), fill) as process:
        yield process


@pytest.fixture
async def http(daemon: Daemon) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.AsyncHTTPTransport(uds=daemon.announcement["socket"])
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
        yield client


@pytest.mark.parametrize("table", ["backups", "restores", "alerts"])
async def test_the_api_takes_the_beginning_of_an_id(http: httpx.AsyncClient, table: str) -> None:
    assert (await http.get(f"/v1/{table}/{ONE[:8]}")).json()["id"] == ONE
    ambiguous = await http.get(f"/v1/{table}/{ONE[:7]}")
    assert (ambiguous.status_code, ambiguous.json()["code"]) == (409, "AmbiguousId")
    assert ambiguous.json()["details"]["candidates"] == [ONE, TWO]
    short = await http.get(f"/v1/{table}/{ONE[:3]}")
    assert (short.status_code, short.json()["code"]) == (422, "InvalidRequest")
    assert (await http.get(f"/v1/{table}/ffffffff")).status_code == 404


@pytest.mark.parametrize(
    "snapshot", [SNAPSHOTS[ONE], SNAPSHOTS[ONE][:8], SNAPSHOTS[ONE][:5], DUMP[:8], COPIED[:12]]
)
async def test_a_snapshot_stands_for_its_backup(http: httpx.AsyncClient, snapshot: str) -> None:
    """Restic and the terminal show the ids of snapshots."""
    assert (await http.get(f"/v1/backups/{snapshot}")).json()["id"] == ONE
    assert (await http.post(f"/v1/backups/{snapshot}/pin", json={})).json()["id"] == ONE


async def test_a_beginning_that_snapshots_or_ids_share_is_refused(http: httpx.AsyncClient) -> None:
    shared = await http.get("/v1/backups/5eed")
    assert (shared.status_code, shared.json()["code"]) == (409, "AmbiguousId")
    assert sorted(shared.json()["details"]["candidates"]) == [ONE, TWO]
    assert "an id or a snapshot" in shared.json()["detail"]
    assert (await http.get("/v1/backups/5eed3")).status_code == 404
    assert (await http.get(f"/v1/copies/{COPIED[:6]}")).json()["id"] == COPY
    assert (await http.get("/v1/copies/c0c1")).status_code == 404


@pytest.mark.parametrize("text", ["a" * 300, "..%2F..%2Fhistory", "deadbeef"])
async def test_what_is_no_id_becomes_no_path(http: httpx.AsyncClient, text: str) -> None:
    for asked in (f"{text}/files", f"{text}/diff?other={ONE}"):
        answer = await http.get(f"/v1/backups/{asked}")
        assert (answer.status_code, answer.json()["code"]) == (404, "BackupNotFound"), asked
    assert (await http.get(f"/v1/backups/{ONE}/diff?other={text}")).status_code == 404


async def test_writes_take_it_too_and_the_audit_trail_has_the_whole_id(http: httpx.AsyncClient) -> None:
    assert (await http.post(f"/v1/backups/{ONE[:8]}/pin", json={})).json()["id"] == ONE
    entries = (await http.get("/v1/audit")).json()["items"]
    assert entries[0]["object"] == {"id": ONE}


@pytest.mark.parametrize(
    "argv",
    [
        ("get", "executions", RUN[:8]),
        ("describe", "execution", RUN[:12]),
        ("describe", "backup", ONE[:8]),
        ("get", "restores", ONE[:8]),
        ("describe", "backup", SNAPSHOTS[TWO][:8]),
        ("get", "snapshots", f"n/{SNAPSHOTS[TWO][:8]}"),
        ("unpin", SNAPSHOTS[TWO][:8]),
    ],
)
def test_the_command_line_takes_it(daemon: Daemon, argv: tuple[str, ...]) -> None:
    done = run_kronkeep(daemon, *argv)
    assert done.returncode == 0, done.stderr


def test_two_backups_are_compared_by_what_their_snapshots_begin_with(daemon: Daemon) -> None:
    """There is no such storage, so the refusal is about that, and names the backup."""
    done = run_kronkeep(daemon, "diff", SNAPSHOTS[ONE][:8], SNAPSHOTS[TWO][:8])
    assert "There is no backup" not in done.stderr


def test_each_of_several_ids_is_tried_and_what_has_ended_leaves_nothing_to_do(daemon: Daemon) -> None:
    done = run_kronkeep(daemon, "acknowledge", ONE[:8], "ffff0000", TWO[:8])
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.count("The alert has ended already.") == 2
    assert done.stderr.count("Nothing is left to do: ") == 2
    assert done.stderr.count("[AlertNotFound]") == 1
    for argv in (
        ("cancel", "--restore", ONE[:8]),
        ("cancel", "--backup", ONE[:8]),
        ("cancel", "--copy", COPY),
    ):
        assert "Nothing is left to stop." in run_kronkeep(daemon, *argv).stderr


def test_several_records_are_described_at_once(daemon: Daemon) -> None:
    names = run_kronkeep(daemon, "get", "backups", "-o", "name").stdout.split()
    done = run_kronkeep(daemon, "describe", "backup", *names)
    assert done.returncode == 0, done.stderr
    assert [name for name in names if name not in done.stdout] == []
    printed = json.loads(run_kronkeep(daemon, "describe", "backup", *names, "-o", "json").stdout)
    assert [record["id"] for record in printed] == names


def test_the_command_line_names_the_candidates(daemon: Daemon) -> None:
    done = run_kronkeep(daemon, "describe", "backup", "abcd")
    assert done.returncode == 1
    assert "[AmbiguousId]" in done.stderr
    assert ONE in done.stderr
    assert TWO in done.stderr


def test_tables_show_twelve_characters_and_other_formats_whole_ids(daemon: Daemon) -> None:
    table = run_kronkeep(daemon, "get", "backups").stdout
    assert ONE[:12] in table
    assert ONE[:13] not in table
    assert RUN[:12] in run_kronkeep(daemon, "get", "executions").stdout
    assert ONE in run_kronkeep(daemon, "get", "backups", "-o", "name").stdout
