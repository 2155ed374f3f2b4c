"""200 archives of one repository, due at once, eight at a time: from the first request to the last record.

restic is a stub whose archive takes a second and no work, so 25 s are the least that is possible. Allowed are
40 s. The CPU time of the daemon, with the cluster that is in it, hardly depends on what else the machine
does: where it is above 40 s, 40 s are not possible.
"""

import asyncio
import os
import shutil
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from tests.e2e.backup_site import BackupSite, backup_site, wait_for_end

ARCHIVES = 200
PARALLEL = 8
LEAST_SECONDS = ARCHIVES / PARALLEL
STUB = Path(__file__).with_name("stub_restic.sh")
SETTINGS: dict[str, Any] = {
    "parallel.repository": PARALLEL,
    "parallel.cluster": PARALLEL,
    "parallel.node": PARALLEL,
}


def cpu_seconds(pid: int) -> float:
    """Return the CPU time that a process has used, its threads included (utime and stime of proc(5))."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


async def measure(site: BackupSite) -> dict[str, float]:
    """Return the seconds of all archives, and how many the rounds of the queue would take alone."""
    await site.create_storage("shared")
    data = await site.create_claim("data")
    await asyncio.to_thread((data / "file").write_text, "content")
    async with site.client() as client:
        names = [f"job-{number}" for number in range(ARCHIVES)]
        for name in names:
            await site.create_cronjob(client, name, "data", "shared")
        cpu = cpu_seconds(site.daemon.pid)
        start = time.perf_counter()
        begun = [await client.cronjobs.back_up("default", name) for name in names]
        ended = [await wait_for_end(client, backup.id) for backup in begun]
        seconds = time.perf_counter() - start
        cpu = cpu_seconds(site.daemon.pid) - cpu
    statuses = {(backup.status, backup.reason) for backup in ended}
    assert statuses == {("succeeded", None)}, statuses
    print(f"  {ARCHIVES} archives: {seconds:.1f} s, {cpu:.1f} s of CPU", file=sys.stderr, flush=True)
    return {
        "queue_to_least": round(seconds / LEAST_SECONDS, 2),
        "queue_of_allowed": round(seconds / 40, 2),
        "queue_cpu_of_allowed": round(cpu / 40, 2),
    }


def run() -> dict[str, float]:
    """Return the time to the least that is possible, and to what is allowed, which must be below 1."""
    # Of this machine's folders a container sees the one of this Python, and not /tmp.
    program = Path(sys.prefix) / "bin" / "stub-restic"
    shutil.copy(STUB, program)
    try:
        with tempfile.TemporaryDirectory() as name, backup_site(Path(name), str(program), **SETTINGS) as site:
            return asyncio.run(measure(site))
    finally:
        program.unlink()
