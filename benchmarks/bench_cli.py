"""`kronkeep get executions` with a history of 100,000 runs, to `kubectl get jobs -A`, as whole processes."""

import asyncio
import shutil
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

from tests.daemon_process import Daemon

from kronkeep_common.clock import SystemClock
from kronkeep_common.models import CronJobCreate, CronJobExecution
from kronkeep_common.states import ExecutionStatus, Trigger
from kronkeep_daemon.history import History

RUNS = 100_000
ROUNDS = 7
JOBS = 50
START = datetime(2026, 1, 1, tzinfo=UTC)


def _build_run(number: int) -> CronJobExecution:
    start = START + timedelta(seconds=30 * number)
    return CronJobExecution(
        id=f"uid-{number}",
        cluster="bench",
        namespace=f"team-{number % 20}",
        cronjob=f"job-{number % 200}",
        cronjob_id=f"c{number % 200}",
        job=f"job-{number % 200}-{number}",
        status=ExecutionStatus.SUCCEEDED,
        trigger=Trigger.SCHEDULED,
        created_at=start,
        started_at=start,
        ended_at=start + timedelta(seconds=9),
        duration_seconds=9.0,
        attempts=1,
        exit_code=0,
    )


async def _fill_history(folder: Path) -> None:
    history = await History.open(folder, clock=SystemClock())
    for number in range(RUNS):
        history.executions.put(_build_run(number))
    await history.close()


def _best_seconds(argv: list[str], lines: int) -> float:
    """Return the best wall time of some processes, each of which must print more than so many lines."""
    best = float("inf")
    for _ in range(ROUNDS):
        began = time.perf_counter()
        completed = subprocess.run(argv, check=True, capture_output=True, text=True)
        best = min(best, time.perf_counter() - began)
        assert len(completed.stdout.splitlines()) > lines, completed.stderr
    return best


async def _measure(folder: Path) -> dict[str, float]:
    kubectl = shutil.which("kubectl")
    if kubectl is None:
        print("kubectl is missing (Debian: kubernetes-client): nothing to compare with", file=sys.stderr)
        return {}
    await _fill_history(folder / "s" / "history")
    daemon = Daemon(folder / "s")
    await daemon.start()
    async with daemon.client() as client:
        spec = CronJobCreate(
            name="bench",
            image="busybox",
            command=("true",),
            schedule="0 2 29 2 *",
            successful_jobs_history_limit=JOBS,
        )
        await client.cronjobs.create(spec)
        for _ in range(JOBS):
            await client.cronjobs.trigger("default", "bench")
    kronkeep = [str(Path(sys.executable).parent / "kronkeep"), "--socket", daemon.announcement["socket"]]
    kubectl_command = [kubectl, "--kubeconfig", daemon.announcement["kubeconfig"]]
    fifty = await asyncio.to_thread(_best_seconds, [*kronkeep, "get", "executions"], JOBS - 1)
    thousand = await asyncio.to_thread(
        _best_seconds, [*kronkeep, "get", "executions", "--limit", "1000"], 999
    )
    reference = await asyncio.to_thread(_best_seconds, [*kubectl_command, "get", "jobs", "-A"], JOBS - 1)
    await daemon.stop()
    return {
        "cli_get_executions_of_100k_to_kubectl_get_jobs": round(fifty / reference, 2),
        "cli_get_1000_executions_to_kubectl_get_jobs": round(thousand / reference, 2),
    }


def run() -> dict[str, float]:
    """Return ratios of wall time, from the start of each process to its end."""
    with tempfile.TemporaryDirectory() as name:
        return asyncio.run(_measure(Path(name)))
