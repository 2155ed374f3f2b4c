"""`kronkeep get executions` with 100,000 runs kept, against `kubectl get jobs -A`, as whole processes."""

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

KEPT = 100_000
ROUNDS = 7
JOBS = 50
START = datetime(2026, 1, 1, tzinfo=UTC)


def _run(number: int) -> CronJobExecution:
    at = START + timedelta(seconds=30 * number)
    return CronJobExecution(
        id=f"uid-{number}",
        cluster="bench",
        namespace=f"team-{number % 20}",
        cronjob=f"job-{number % 200}",
        cronjob_id=f"c{number % 200}",
        job=f"job-{number % 200}-{number}",
        status=ExecutionStatus.SUCCEEDED,
        trigger=Trigger.SCHEDULED,
        created_at=at,
        started_at=at,
        ended_at=at + timedelta(seconds=9),
        duration_seconds=9.0,
        attempts=1,
        exit_code=0,
    )


async def _fill(folder: Path) -> None:
    history = await History.open(folder, clock=SystemClock())
    for number in range(KEPT):
        history.executions.put(_run(number))
    await history.close()


def _seconds(argv: list[str], lines: int) -> float:
    """The best wall time of some processes that print at least so many lines."""
    best = float("inf")
    for _ in range(ROUNDS):
        began = time.perf_counter()
        done = subprocess.run(argv, check=True, capture_output=True, text=True)
        best = min(best, time.perf_counter() - began)
        assert len(done.stdout.splitlines()) > lines, done.stderr
    return best


async def _measure(folder: Path) -> dict[str, float]:
    kubectl = shutil.which("kubectl")
    if kubectl is None:
        print("kubectl is missing (Debian: kubernetes-client): nothing to hold against", file=sys.stderr)
        return {}
    await _fill(folder / "s" / "history")
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
    ours = [str(Path(sys.executable).parent / "kronkeep"), "--socket", daemon.announcement["socket"]]
    theirs = [kubectl, "--kubeconfig", daemon.announcement["kubeconfig"]]
    shown = await asyncio.to_thread(_seconds, [*ours, "get", "executions"], JOBS - 1)
    all_shown = await asyncio.to_thread(_seconds, [*ours, "get", "executions", "--limit", "1000"], 999)
    listed = await asyncio.to_thread(_seconds, [*theirs, "get", "jobs", "-A"], JOBS - 1)
    await daemon.stop()
    return {
        "cli_get_executions_of_100k_to_kubectl_get_jobs": round(shown / listed, 2),
        "cli_get_1000_executions_to_kubectl_get_jobs": round(all_shown / listed, 2),
    }


def run() -> dict[str, float]:
    """Ratios of wall time: both programs from their start to their end, in one run."""
    with tempfile.TemporaryDirectory() as name:
        return asyncio.run(_measure(Path(name)))
