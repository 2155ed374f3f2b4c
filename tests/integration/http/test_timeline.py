"""The timeline over the socket: what of the history lies in a period, and what the schedules plan."""

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from tests.command_line import run_kronkeep
from tests.daemon_process import Daemon
from tests.filled_daemon import start_on_filled_history
from tests.records import make_backup, make_run
from tests.waiting import eventually

from kronkeep_common import object_keys
from kronkeep_common.clock import SystemClock
from kronkeep_common.errors import InvalidFilter, InvalidRequest
from kronkeep_common.models import CronJobCreate
from kronkeep_common.models.timeline import TimelineRow
from kronkeep_common.states import BackupStatus, ExecutionStatus
from kronkeep_daemon.history import History
from kronkeep_daemon.kube import paths
from kronkeep_daemon.kube.objects import JsonObject

NOW = datetime.now(UTC).replace(microsecond=0)
HOUR = timedelta(hours=1)
MINUTE = timedelta(minutes=1)


async def fill(folder: Path) -> None:
    history = await History.open(folder, clock=SystemClock())

    def put_run(run_id: str, began: datetime, took: timedelta | None, **fields: object) -> None:
        ended = None if took is None else began + took
        run = make_run(id=run_id, created_at=began, started_at=began, ended_at=ended, **fields)
        history.executions.put(run)

    put_run("old", NOW - 30 * HOUR, MINUTE)
    put_run("reaches-in", NOW - 25 * HOUR, 2 * HOUR)
    put_run("in", NOW - 3 * HOUR, MINUTE)
    put_run("other", NOW - 2 * HOUR, MINUTE, namespace="m", cronjob_id="v")
    put_run("endless", NOW - 100 * HOUR, None, status=ExecutionStatus.RUNNING, cronjob_id="w")
    slot = NOW - 2 * HOUR
    history.executions.put(
        make_run(id="missed", status=ExecutionStatus.MISSED, job=None, scheduled_at=slot, created_at=slot)
    )
    begun = NOW - 3 * HOUR + MINUTE
    history.backups.put(
        make_backup(
            id="b",
            cronjob_execution_id="in",
            created_at=begun,
            started_at=begun + 5 * MINUTE,
            ended_at=begun + 7 * MINUTE,
        )
    )
    history.backups.put(
        make_backup(
            id="never", status=BackupStatus.FAILED, reason="CronJobFailed", created_at=begun, ended_at=begun
        )
    )
    await history.close()


@pytest.fixture(scope="module")
def daemon(open_folder: Path) -> Iterator[Daemon]:
    with start_on_filled_history(open_folder, fill) as process:
        yield process


async def test_a_period_has_what_lies_in_it_and_what_is_planned(daemon: Daemon) -> None:
    async with daemon.client() as client:
        spec = CronJobCreate(
            namespace="default",
            name="planned",
            image="busybox",
            schedule="*/20 * * * *",
            time_zone="Asia/Kolkata",
        )
        await client.cronjobs.create(spec)
        asleep = CronJobCreate(
            namespace="default", name="asleep", image="busybox", schedule="* * * * *", suspend=True
        )
        await client.cronjobs.create(asleep)
        timeline = await client.timeline()
        rows = {row.cronjob_id: row for row in timeline.rows}
        assert [run.id for run in rows["u"].runs] == ["reaches-in", "in", "missed"]
        assert rows["u"].runs[2].began_at == NOW - 2 * HOUR
        backup, never_begun = rows["u"].backups
        assert (backup.id, never_begun.id, never_begun.started_at) == ("b", "never", None)
        assert backup.started_at is not None
        assert (backup.run_id, backup.started_at - backup.queued_at) == ("in", 5 * MINUTE)
        assert [run.id for run in rows["w"].runs] == ["endless"], "it goes on, though it began long before"
        assert timeline.complete_since == timeline.from_at
        planned = row_named(timeline.rows, "planned").planned
        assert 36 <= len(planned) <= 37
        assert {moment.minute % 20 for moment in planned} == {10}, "by the schedule's own zone, UTC+05:30"
        assert min(planned) > timeline.now - MINUTE
        assert "asleep" not in {row.cronjob for row in timeline.rows}

        evening = await client.timeline(NOW - 2.5 * HOUR, NOW - 1 * HOUR, "m")
        assert [row.cronjob_id for row in evening.rows] == ["v"]
        assert evening.rows[0].planned == ()
        with pytest.raises(InvalidRequest, match="8 days"):
            await client.timeline(NOW - 9 * 24 * HOUR, NOW)
        with pytest.raises(InvalidRequest, match="ends before it begins"):
            await client.timeline(NOW, NOW - HOUR)
        with pytest.raises(InvalidFilter, match="no namespace 'nope'"):
            await client.timeline(namespace="nope")


async def test_a_filter_chooses_runs_archives_and_planned_runs(daemon: Daemon) -> None:
    async with daemon.client() as client:

        async def ids_of(text: str) -> set[str]:
            timeline = await client.timeline(filter=text)
            return {
                *(run.id for row in timeline.rows for run in row.runs),
                *(backup.id for row in timeline.rows for backup in row.backups),
                *(row.cronjob for row in timeline.rows if row.planned),
            }

        assert await ids_of("status:missed") == {"missed"}
        assert await ids_of("storage:s") == {"b", "never"}
        assert await ids_of("status:planned") == {"planned"}
        assert await ids_of("ns:m") == {"other"}
        with pytest.raises(InvalidFilter, match="'fialed'"):
            await client.timeline(filter="status:fialed")
        with pytest.raises(InvalidFilter, match="no namespace 'nope'"):
            await client.timeline(filter="ns:nope")


async def test_archives_by_a_schedule_of_their_own_are_planned(daemon: Daemon) -> None:
    policies: dict[str, dict[str, object]] = {
        "nightly": {"storage_id": "s", "schedule": "*/30 * * * *", "time_zone": "UTC"},
        "switched-off": {"storage_id": "s", "schedule": "*/30 * * * *", "enabled": False},
        "after-runs": {"storage_id": "s"},
    }
    cluster = await daemon.cluster()
    for name, policy in policies.items():
        await cluster.create(paths.cronjobs("default"), cronjob_with_policy(name, policy))
    await cluster.create(paths.claims("default"), claim_with_policy("data", policies["nightly"]))
    async with daemon.client() as client:
        timeline = await eventually(
            lambda: client.timeline(NOW, NOW + 6 * HOUR),
            lambda found: {"nightly", "pvc/data"} <= {row.cronjob for row in found.rows},
        )
        for name in ("nightly", "pvc/data"):
            row = row_named(timeline.rows, name)
            assert {moment.minute for moment in row.planned_backups} == {0, 30}
            assert 11 <= len(row.planned_backups) <= 12
            assert (min(row.planned_backups) >= timeline.now, row.planned_storage_id) == (True, "s")
        assert not {"switched-off", "after-runs"} & {row.cronjob for row in timeline.rows}
        chosen = await client.timeline(NOW, NOW + 6 * HOUR, filter="storage:s status:planned")
        assert {row.cronjob for row in chosen.rows} == {"nightly", "pvc/data"}
    lines = run_kronkeep(daemon, "timeline", "--filter", "storage:s").stdout.splitlines()
    assert any(re.search(r"archives +default/pvc/data +planned +to .*to s\b", line) for line in lines)
    for name in policies:
        await cluster.delete(paths.cronjobs("default", name))
    await cluster.delete(paths.claims("default", "data"))
    await cluster.close()
    async with daemon.client() as client:
        await eventually(
            lambda: client.timeline(filter="status:planned"),
            lambda found: not {"nightly", "pvc/data"} & {row.cronjob for row in found.rows},
        )


def cronjob_with_policy(name: str, policy: dict[str, object]) -> JsonObject:
    """A suspended CronJob, so that it has no planned runs."""
    pod = {"containers": [{"name": "main", "image": "busybox"}], "restartPolicy": "Never"}
    return {
        "metadata": {"name": name, "annotations": {object_keys.POLICY: json.dumps(policy)}},
        "spec": {
            "schedule": "0 2 29 2 *",
            "suspend": True,
            "jobTemplate": {"spec": {"template": {"spec": pod}}},
        },
    }


def claim_with_policy(name: str, policy: dict[str, object]) -> JsonObject:
    return {
        "metadata": {"name": name, "annotations": {object_keys.POLICY: json.dumps(policy)}},
        "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}},
    }


def test_the_command_line_tells_the_night_in_words(daemon: Daemon) -> None:
    done = run_kronkeep(daemon, "timeline", "--zone", "utc")
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0].split() == ["START", "TOOK", "WHAT", "CRONJOB", "STATUS", "NOTE"]
    archive = next(line for line in lines if " archive " in line and "succeeded" in line)
    assert archive.endswith("to s, waited 5m00s")
    assert any(" missed" in line for line in lines)
    assert any(re.search(r"3\d runs +default/planned +planned +to ", line) for line in lines)
    assert "it is " in done.stderr
    assert "2 archives: 1 failed (1 of them not begun, as the run had failed), 1 succeeded; " in done.stderr

    records = json.loads(run_kronkeep(daemon, "timeline", "-o", "json", "--filter", "status:missed").stdout)
    assert [record["id"] for record in records] == ["missed"]
    names = run_kronkeep(daemon, "timeline", "-o", "name", "--filter", "status:planned").stdout.split()
    assert names == ["default/planned"]
    wide = run_kronkeep(daemon, "timeline", "-o", "wide", "--sort", "length", "--no-headers").stdout
    assert "endless" in wide.splitlines()[0]
    nothing = run_kronkeep(daemon, "timeline", "-n", "m", "--from", "+1h", "--to", "+2h")
    assert (nothing.returncode, nothing.stdout) == (0, "")
    assert nothing.stderr.startswith("Nothing found.")
    for argv, words in (
        (("--from", "9d", "--to", "1h"), "at most 8 days"),
        (("--filter", "status:fialed"), "failed"),
        (("-n", "nope"), "no namespace 'nope'"),
        (("--sort", "colour"), "--sort"),
    ):
        refused = run_kronkeep(daemon, "timeline", *argv)
        assert refused.returncode == 2
        assert words in refused.stderr


async def test_a_schedule_of_each_minute_is_cut_and_says_so(daemon: Daemon) -> None:
    async with daemon.client() as client:
        spec = CronJobCreate(namespace="default", name="minutely", image="busybox", schedule="* * * * *")
        await client.cronjobs.create(spec)
        timeline = await client.timeline(NOW - HOUR, NOW + 12 * HOUR)
        planned = row_named(timeline.rows, "minutely").planned
        assert len(planned) == 300
        assert timeline.planned_until == planned[-1]
        await client.cronjobs.delete("default", "minutely", "minutely")


def row_named(rows: tuple[TimelineRow, ...], name: str) -> TimelineRow:
    return next(row for row in rows if row.cronjob == name)
