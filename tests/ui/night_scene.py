"""A night as it is in a real cluster: runs at their slots, archives one after the other on each storage."""

from datetime import datetime, timedelta
from itertools import count
from typing import NamedTuple

import msgspec
from tests.ui.canned import NOW, cronjob, run
from tests.ui.scenes import BAD, GIB, MISSED, OK, RUNS, Scene, alert, backup, hash_of, run_at, storage

from kronkeep_common.models import Alert, BackupExecution, BackupPolicy, CronJob, CronJobExecution, Progress
from kronkeep_common.schedule import Schedule
from kronkeep_common.states import BackupStatus, ExecutionStatus

DAY = timedelta(hours=27)


class NightlyJob(NamedTuple):
    """A CronJob with the minutes that it usually takes, and those of its archive (0: without a policy)."""

    name: str
    namespace: str
    schedule: str
    minutes: float
    archive: float = 0
    storage: str = "s3-eu"
    zone: str | None = None


JOBS = (
    NightlyJob("pg-main-nightly", "payments", "0 3 * * *", 34, 12),
    NightlyJob("pg-wal-hourly", "payments", "5 * * * *", 6, 3),
    NightlyJob("pg-ledger", "billing", "0 1 * * *", 52, 25),
    NightlyJob("invoices-pdf", "billing", "30 22 * * *", 41),
    NightlyJob("pg-crm", "crm", "0 23 * * *", 75, 40),
    NightlyJob("pg-crm-logs", "crm", "30 23 * * *", 35, 22),
    NightlyJob("etcd-snap", "infra", "*/30 * * * *", 2, 1.5, "nfs-1"),
    NightlyJob("registry-gc", "infra", "0 20 * * *", 95),
    NightlyJob("cert-renew", "infra", "15 */6 * * *", 1),
    NightlyJob("pg-web-eu", "web", "0 5 * * *", 38, 20),
    NightlyJob("pg-web-us", "web", "0 5 * * *", 44, 24),
    NightlyJob("sitemap", "web", "*/10 * * * *", 3),
    NightlyJob("sessions-trim", "web", "15 * * * *", 11),
    NightlyJob("pg-dwh-full", "dwh", "0 21 * * 1", 160, 70, "nfs-1"),
    NightlyJob("pg-dwh-incr", "dwh", "30 2 * * 2-6", 55, 30, "nfs-1"),
    NightlyJob("mail-archive", "office", "45 0 * * *", 28, 18, "nfs-1"),
)


def night() -> Scene:
    """Sixteen CronJobs: one failed, one slot was missed, three run, archives wait for each other."""
    runs: list[CronJobExecution] = []
    cronjobs: list[CronJob] = []
    for job in JOBS:
        own = _runs_of(job)
        runs += own
        cronjobs.append(_cronjob_of(job, own))
    runs.sort(key=_begin_of, reverse=True)
    storages = [storage("s3-eu", 14.2 * 1024, 20 * 1024), storage("nfs-1", 3.86 * 1024, 4 * 1024)]
    return Scene(
        cronjobs=cronjobs,
        runs=runs,
        backups=_archives_of(runs),
        storages=storages,
        alerts=_alerts_of(runs),
    )


def _alerts_of(runs: list[CronJobExecution]) -> list[Alert]:
    failed = next(each for each in runs if each.status == BAD)
    missed = next(each for each in runs if each.status == MISSED)
    texts = {
        "RunFailed": f"The newest run failed. {failed.message}",
        "RunMissed": "No run started at 01:30.",
        "StorageNearlyFull": "It is 96 % full, and by its growth full in 4 days.",
    }
    open_alerts = [
        alert(
            "RunFailed",
            failed.cronjob,
            failed.namespace,
            5,
            record_id=failed.id,
            cronjob_id=failed.cronjob_id,
        ),
        alert(
            "RunMissed",
            missed.cronjob,
            missed.namespace,
            104,
            severity="warning",
            cronjob_id=missed.cronjob_id,
        ),
        alert("StorageNearlyFull", "nfs-1", "", 360, severity="warning", kind="storage"),
    ]
    return [msgspec.structs.replace(each, message=texts[each.code]) for each in open_alerts]


def _begin_of(one: CronJobExecution) -> float:
    return one.created_at.timestamp()


def _runs_of(job: NightlyJob) -> list[CronJobExecution]:
    schedule = Schedule.parse(job.schedule, job.zone)
    own = []
    for number, slot in zip(count(), schedule.between(NOW - DAY, NOW), strict=False):
        took = 60 * job.minutes * (0.85 + hash_of(f"{job.name}{number}") % 30 / 100)
        status = OK if slot + timedelta(seconds=took) < NOW else RUNS
        status, took = _fault_of(job, slot.strftime("%H:%M"), status, took)
        began = slot + timedelta(seconds=0 if status == MISSED else 4)
        one = run_at(run(job.name, status), f"{job.name}-{number}", job.namespace, began, took)
        own.append(_explained(one))
    return own


def _fault_of(
    job: NightlyJob, slot: str, status: ExecutionStatus, took: float
) -> tuple[ExecutionStatus, float]:
    if (job.name, slot) == ("pg-main-nightly", "03:00"):
        return BAD, 500
    if (job.name, slot) == ("etcd-snap", "01:30"):
        return MISSED, 0
    return status, took


def _explained(one: CronJobExecution) -> CronJobExecution:
    if one.status != BAD:
        return one
    return msgspec.structs.replace(
        one,
        exit_code=137,
        reason="OOMKilled",
        message="Container main was killed: it needed more memory than its limit of 512Mi.",
        next_step="Raise resources.limits.memory or make the run smaller.",
    )


def _cronjob_of(job: NightlyJob, own: list[CronJobExecution]) -> CronJob:
    policy = BackupPolicy(id=f"p-{job.name}", storage_id=job.storage) if job.archive else None
    made = cronjob(
        job.name,
        *[each.status for each in own[-20:]],
        schedule=job.schedule,
        policy=policy,
        last_execution_id=own[-1].id if own else None,
        last_duration_seconds=own[-1].duration_seconds if own else 60 * job.minutes,
        last_good_backup_at=NOW - timedelta(hours=hash_of(job.name) % 24) if policy else None,
        active=sum(1 for each in own if each.status == RUNS),
    )
    following = Schedule.parse(job.schedule, job.zone).next(NOW)
    return msgspec.structs.replace(made, cluster="prod-eu", namespace=job.namespace, next_at=following)


def _archives_of(runs: list[CronJobExecution]) -> list[BackupExecution]:
    """Archives of the runs that succeeded, in the order of their ends, one at a time on a storage."""
    jobs = {job.name: job for job in JOBS}
    free_at = dict.fromkeys(("s3-eu", "nfs-1"), NOW - DAY)
    archives = []
    for one in sorted((r for r in runs if r.status == OK), key=lambda r: r.ended_at or NOW):
        job = jobs[one.cronjob]
        queued = one.ended_at or NOW
        if not job.archive:
            continue
        began = max(queued, free_at[job.storage])
        took = timedelta(minutes=job.archive)
        free_at[job.storage] = began + took
        archives.append(_archive(one, job, began, took))
    return sorted(archives, key=lambda each: each.created_at, reverse=True)


def _archive(of: CronJobExecution, job: NightlyJob, began: datetime, took: timedelta) -> BackupExecution:
    made = backup(of, BackupStatus.SUCCEEDED)
    status = BackupStatus.SUCCEEDED
    started = began
    ended = began + took
    if ended > NOW:
        status = BackupStatus.RUNNING if started <= NOW else BackupStatus.QUEUED
    progress = Progress(percent=61, bytes_done=25 * GIB, bytes_total=41 * GIB, files_done=11_000)
    is_over = status == BackupStatus.SUCCEEDED
    return msgspec.structs.replace(
        made,
        storage_id=job.storage,
        status=status,
        created_at=of.ended_at,
        started_at=started if started <= NOW else None,
        ended_at=ended if is_over else None,
        duration_seconds=took.total_seconds() if is_over else None,
        result=made.result if is_over else None,
        progress=progress if status == BackupStatus.RUNNING else None,
    )


def _is_of_a_later_job(one: CronJobExecution) -> bool:
    """Sort the newest runs of the first twenty CronJobs first: those are changed."""
    return one.id not in {f"job-{number:03}-0" for number in range(20)}


def thousand() -> Scene:
    """A thousand CronJobs of a hundred schedules, with ten runs and three archives each, in one night."""
    cronjobs = []
    runs = []
    for number in range(1000):
        name = f"job-{number:03}"
        slot = NOW - timedelta(minutes=3 * (number % 100))
        schedule = f"{slot.minute} {slot.hour} * * *"
        own = [
            run_at(
                run(name, BAD if (number + n) % 97 == 0 else OK),
                f"{name}-{n}",
                "default",
                slot - n * timedelta(minutes=70),
                120 + hash_of(f"{name}{n}") % 900,
            )
            for n in range(10)
        ]
        runs += own
        cronjobs.append(cronjob(name, OK, schedule=schedule, last_duration_seconds=300.0))
    runs.sort(key=_begin_of, reverse=True)
    runs.sort(key=_is_of_a_later_job)
    backups = [backup(one, BackupStatus.SUCCEEDED) for one in runs[:3000] if one.status == OK]
    return Scene(cronjobs=cronjobs, runs=runs, backups=backups, storages=[])
