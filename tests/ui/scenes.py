"""Whole pictures of a daemon at one fixed moment: empty, busy, failing; and as many runs as needed."""

from datetime import datetime, timedelta
from typing import Any, NamedTuple

import msgspec
from tests.ui.canned import NOW, cronjob, run

from kronkeep_common.models import (
    Alert,
    BackupExecution,
    BackupPolicy,
    BackupResult,
    BackupStorage,
    CronJob,
    CronJobExecution,
    Progress,
    SecretKeyRef,
    StorageUsage,
)
from kronkeep_common.states import BackupStatus, ExecutionStatus, StorageStatus

OK = ExecutionStatus.SUCCEEDED
BAD = ExecutionStatus.FAILED
MISSED = ExecutionStatus.MISSED
RUNS = ExecutionStatus.RUNNING
GIB = 1024**3


class Scene(NamedTuple):
    """What a daemon answers."""

    cronjobs: list[CronJob]
    runs: list[CronJobExecution]
    backups: list[BackupExecution]
    storages: list[BackupStorage]
    alerts: list[Alert] = []


def storage(name: str, used: float, capacity: float | None, **more: Any) -> BackupStorage:
    usage = StorageUsage(
        measured_at=NOW - timedelta(hours=1),
        used_bytes=int(used * GIB),
        capacity_bytes=int(capacity * GIB) if capacity else None,
        snapshots=412,
    )
    fields: dict[str, Any] = {
        "status": StorageStatus.ACTIVE,
        "usage": usage,
        "checked_at": NOW - timedelta(hours=6),
        "check_ok": True,
    } | more
    return BackupStorage(
        id=name,
        cluster="prod-eu",
        kind="s3" if name.startswith("s3") else "nfs",
        password=SecretKeyRef(secret=f"kronkeep-storage-{name}"),
        created_at=NOW - timedelta(days=200),
        repository=f"{name}:/backups",
        **fields,
        namespaces=("*",),
    )


def backup(of: CronJobExecution, status: BackupStatus, **more: Any) -> BackupExecution:
    result = BackupResult(
        snapshot_id=f"{abs(hash_of(of.id)):08x}{'0' * 56}",
        files_total=18_204,
        bytes_read=int(41.2 * GIB),
        bytes_added=int(0.7 * GIB),
        duration_seconds=177,
    )
    fields: dict[str, Any] = {"result": result if status == BackupStatus.SUCCEEDED else None} | more
    return BackupExecution(
        id=f"b-{of.id}",
        cluster="prod-eu",
        namespace=of.namespace,
        cronjob=of.cronjob,
        cronjob_id=of.cronjob_id,
        cronjob_execution_id=of.id,
        policy_id="p",
        storage_id="s3-eu",
        status=status,
        created_at=of.created_at + timedelta(seconds=1),
        started_at=of.created_at + timedelta(minutes=10),
        ended_at=of.created_at + timedelta(minutes=13) if status == BackupStatus.SUCCEEDED else None,
        duration_seconds=177 if status == BackupStatus.SUCCEEDED else None,
        **fields,
    )


def hash_of(text: str) -> int:
    """The same number on every machine."""
    value = 0
    for letter in text:
        value = (value * 131 + ord(letter)) & 0xFFFFFFFF
    return value


def runs_before(
    name: str, namespace: str, count: int, every: timedelta, *, bad: tuple[int, ...] = ()
) -> list[CronJobExecution]:
    """Runs of one CronJob, newest first; `bad` are those that failed."""
    runs = []
    for number in range(count):
        began = NOW - timedelta(minutes=14) - number * every
        status = BAD if number in bad else MISSED if number % 37 == 36 else OK
        runs.append(
            run_at(
                run(name, status),
                f"{name}-{number}",
                namespace,
                began,
                500 + hash_of(f"{name}{number}") % 200,
            )
        )
    return runs


def run_at(
    one: CronJobExecution, run_id: str, namespace: str, began: datetime, took: float
) -> CronJobExecution:
    return msgspec.structs.replace(
        one,
        id=run_id,
        cluster="prod-eu",
        namespace=namespace,
        job=f"{one.cronjob}-{29381000 - (NOW - began) // timedelta(minutes=1)}",
        scheduled_at=began,
        created_at=began,
        started_at=began,
        ended_at=began + timedelta(seconds=took) if one.status not in ("running", "pending") else None,
        duration_seconds=took if one.status not in ("running", "pending") else None,
    )


JOBS = (
    ("pg-main-nightly", "payments", "0 3 * * *", 1),
    ("pg-wal-hourly", "payments", "5 * * * *", 24),
    ("pg-ledger", "billing", "0 3 * * *", 1),
    ("pg-crm", "crm", "0 4 * * *", 1),
    ("pg-crm-logs", "crm", "30 4 * * *", 1),
    ("etcd-snap", "infra", "*/30 * * * *", 48),
    ("pg-old", "infra", "0 2 * * *", 1),
    ("pg-web-eu", "web", "0 5 * * *", 1),
    ("pg-web-us", "web", "0 5 * * *", 1),
    ("pg-sessions", "web", "15 * * * *", 24),
    ("pg-dwh-full", "dwh", "0 1 * * 0", 1),
    ("pg-dwh-incr", "dwh", "0 1 * * 1-6", 1),
)


def busy(*, failing: bool = False) -> Scene:
    """Twelve CronJobs with their past, two running; `failing`: one failed, one late, a full storage."""
    runs: list[CronJobExecution] = []
    backups: list[BackupExecution] = []
    cronjobs = []
    for name, namespace, schedule, a_day in JOBS:
        bad = (0, 9) if failing and name == "pg-main-nightly" else ()
        own = runs_before(name, namespace, min(60, 40 * a_day), timedelta(days=1) / a_day, bad=bad)
        runs += own
        backups += [backup(r, BackupStatus.SUCCEEDED) for r in own[:8] if r.status == OK]
        cronjobs.append(_cronjob(name, namespace, schedule, own, failing))
    _add_running(runs, backups, cronjobs)
    if failing:
        _explain(runs)
    nearly = 3.86 * 1024 if failing else 1.9 * 1024
    storages = [storage("s3-eu", 14.2 * 1024, 20 * 1024), storage("nfs-1", nearly, 4 * 1024)]
    runs.sort(key=lambda r: r.created_at, reverse=True)
    return Scene(
        cronjobs=cronjobs,
        runs=runs,
        backups=backups,
        storages=storages,
        alerts=alerts(runs, cronjobs) if failing else [],
    )


def _cronjob(name: str, namespace: str, schedule: str, own: list[CronJobExecution], failing: bool) -> CronJob:
    policy = BackupPolicy(id=f"p-{name}", storage_id="nfs-1" if name.startswith("etcd") else "s3-eu")
    made = cronjob(
        name,
        *[r.status for r in reversed(own[:20])],
        schedule=schedule,
        policy=policy,
        suspended=name == "pg-old",
        last_execution_id=own[0].id,
        last_duration_seconds=own[0].duration_seconds,
        last_good_backup_at=NOW - timedelta(hours=24),
        late_since=NOW - timedelta(minutes=9) if failing and name == "etcd-snap" else None,
    )
    minutes = 5 + hash_of(name) % 170
    return msgspec.structs.replace(
        made, cluster="prod-eu", namespace=namespace, next_at=NOW + timedelta(minutes=minutes)
    )


def _add_running(
    runs: list[CronJobExecution], backups: list[BackupExecution], cronjobs: list[CronJob]
) -> None:
    for name, minutes in (("pg-wal-hourly", 1), ("pg-ledger", 14)):
        number = next(n for n, c in enumerate(cronjobs) if c.name == name)
        began = NOW - timedelta(minutes=minutes)
        one = run_at(run(name, RUNS), f"{name}-now", cronjobs[number].namespace, began, 0)
        runs.append(one)
        recent = (*cronjobs[number].recent[1:], RUNS)
        cronjobs[number] = msgspec.structs.replace(
            cronjobs[number], recent=recent, active=1, last_execution_id=one.id, last_started_at=began
        )
    older = next(r for r in runs if r.cronjob == "pg-crm")
    progress = Progress(
        percent=61, bytes_done=25 * GIB, bytes_total=41 * GIB, files_done=11_000, remaining_seconds=180
    )
    backups.append(running(older, progress))


def running(of: CronJobExecution, progress: Progress) -> BackupExecution:
    running_backup = backup(of, BackupStatus.RUNNING, progress=progress)
    return msgspec.structs.replace(
        running_backup,
        id=f"b-now-{of.id}",
        created_at=NOW - timedelta(minutes=5),
        started_at=NOW - timedelta(minutes=5),
    )


def _explain(runs: list[CronJobExecution]) -> None:
    for number, one in enumerate(runs):
        if one.status == BAD:
            runs[number] = msgspec.structs.replace(
                one,
                exit_code=137,
                reason="OOMKilled",
                message="Container main was killed: it needed more memory than its limit of 512Mi.",
                next_step="Raise resources.limits.memory or make the run smaller.",
            )


def alerts(runs: list[CronJobExecution], cronjobs: list[CronJob]) -> list[Alert]:
    """What the failing scene's daemon says is wrong."""
    failed = next(r for r in runs if r.status == BAD)
    late = next(c for c in cronjobs if c.late_since is not None)
    return [
        alert(
            "RunFailed",
            failed.cronjob,
            failed.namespace,
            4,
            record_id=failed.id,
            cronjob_id=failed.cronjob_id,
        ),
        alert("RunLate", late.name, late.namespace, 9, severity="warning", cronjob_id=late.id),
        alert(
            "StorageNearlyFull", "nfs-1", "", 360, severity="warning", kind="storage", status="acknowledged"
        ),
    ]


def alert(code: str, name: str, namespace: str, minutes: int, **more: Any) -> Alert:
    """An alert since so many minutes."""
    since = NOW - timedelta(minutes=minutes)
    fields: dict[str, Any] = {"severity": "critical", "status": "open", "kind": "cronjob"} | more
    return Alert(
        id=f"a-{code}",
        code=code,
        object=name,
        object_id=name,
        namespace=namespace,
        since=since,
        created_at=since,
        message=f"{name}: {code} in one sentence that says what is wrong with it.",
        next_step="What a person can do about it, in one sentence.",
        **fields,
    )


def empty() -> Scene:
    """Return a daemon without any record."""
    return Scene(cronjobs=[], runs=[], backups=[], storages=[])


def many(count: int) -> list[CronJobExecution]:
    """So many runs, newest first, of twelve CronJobs."""
    runs = []
    for number in range(count):
        name, namespace, _, _ = JOBS[number % len(JOBS)]
        status = BAD if number % 97 == 0 else OK
        runs.append(
            run_at(
                run(name, status),
                f"r{number:07}",
                namespace,
                NOW - timedelta(minutes=number),
                60 + number % 300,
            )
        )
    return runs
