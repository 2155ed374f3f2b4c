"""The daemon's services over very many CronJobs and runs, with a real history and no cluster behind them."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

from kronkeep_common.clock import SystemClock
from kronkeep_common.models import BackupPolicySpec, CronJobExecution
from kronkeep_common.states import ExecutionStatus, Trigger
from kronkeep_daemon.backups import policy_annotations
from kronkeep_daemon.composition import CurrentSettings, compose
from kronkeep_daemon.history import History
from kronkeep_daemon.http.services import Services
from kronkeep_daemon.kube.client import Cluster
from kronkeep_daemon.kube.objects import CronJobObject
from kronkeep_daemon.settings import ClusterSettings, Settings
from kronkeep_daemon.supervisor import Supervisor

CLUSTER = "many"


def cronjob(number: int) -> CronJobObject:
    """Return a CronJob with a schedule that few others have; every second one has a policy."""
    pod = {
        "containers": [{"name": "c", "image": "busybox:1.36"}],
        "volumes": [{"name": "d", "persistentVolumeClaim": {"claimName": "data"}}],
    }
    policy = policy_annotations.new_policy(BackupPolicySpec(storage_id="s"))
    manifest: dict[str, Any] = {
        "metadata": {
            "name": f"job-{number}",
            "namespace": f"ns-{number % 50}",
            "uid": f"cronjob-{number}",
            "resourceVersion": str(number),
            "creationTimestamp": "2026-01-01T00:00:00Z",
            "annotations": policy_annotations.annotations_of(policy) if number % 2 else {},
        },
        "spec": {
            "schedule": f"{number % 60} {number // 60 % 24} * * *",
            "timeZone": "Europe/Berlin",
            "jobTemplate": {"spec": {"template": {"spec": pod}}},
        },
    }
    return CronJobObject.from_manifest(manifest, CLUSTER)


def runs(number: int, count: int) -> list[CronJobExecution]:
    """Return the newest runs of a CronJob, one an hour."""
    now = SystemClock().now()
    times = [now - timedelta(hours=hours, seconds=number) for hours in range(count)]
    return [
        CronJobExecution(
            id=f"run-{number}-{at:%d%H%M%S}",
            cluster=CLUSTER,
            namespace=f"ns-{number % 50}",
            cronjob=f"job-{number}",
            cronjob_id=f"cronjob-{number}",
            job=f"job-{number}-{at:%d%H%M%S}",
            status=ExecutionStatus.SUCCEEDED,
            trigger=Trigger.SCHEDULED,
            created_at=at,
            started_at=at,
            ended_at=at + timedelta(seconds=9),
            duration_seconds=9.0,
            exit_code=0,
            node="node-1",
        )
        for at in times
    ]


@asynccontextmanager
async def many(folder: Path, cronjobs: int, each: int) -> AsyncIterator[Services]:
    """Yield the daemon's services with so many CronJobs of so many runs each; no task of theirs runs."""
    history = await History.open(folder, clock=SystemClock())
    supervisor = Supervisor(SystemClock())
    cluster = Cluster(None, None, in_cluster=False, name=CLUSTER)
    cluster.id = CLUSTER
    current = CurrentSettings(Settings())
    services = compose([(cluster, ClusterSettings())], history, current, supervisor).services
    await supervisor.close()
    seen = services.cronjobs.recorders[CLUSTER].cache
    for number in range(cronjobs):
        one = cronjob(number)
        seen.cronjobs[one.ref] = one
        for run in runs(number, each):
            history.executions.put(run)
    await history.commit()
    try:
        yield services
    finally:
        await supervisor.close()
        await history.close()
