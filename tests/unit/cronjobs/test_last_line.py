"""The message about an exit code has the log's last line, whichever is recorded first: the log or the end."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from tests.unit.cronjobs.slot_scene import NOON, Scene, cronjob, job, stamp

from kronkeep_common.models import KeptLog
from kronkeep_daemon.cronjobs import run_logs
from kronkeep_daemon.kube.objects import JsonObject

LINE = "the price list is not where it should be"


def failed_job() -> JsonObject:
    manifest = job(NOON)
    condition = {
        "type": "Failed",
        "status": "True",
        "reason": "BackoffLimitExceeded",
        "lastTransitionTime": stamp(NOON + timedelta(minutes=1)),
    }
    manifest["status"] |= {"failed": 1, "conditions": [condition]}
    return manifest


def failed_pod() -> JsonObject:
    owner = {"kind": "Job", "name": "dump", "uid": job(NOON)["metadata"]["uid"], "controller": True}
    end = {"exitCode": 3, "reason": "Error"}
    return {
        "metadata": {"name": "dump-p", "namespace": "shop", "uid": "p", "ownerReferences": [owner]},
        "status": {
            "phase": "Failed",
            "containerStatuses": [{"name": "main", "state": {"terminated": end}}],
        },
    }


async def save_log(scene: Scene) -> None:
    (run,) = scene.history.executions.all()
    saved = KeptLog(
        container="main", pod="dump-p", bytes=9, kept=9, truncated=False, last_lines=("first", LINE)
    )
    scene.history.executions.put(run_logs.with_log(run, saved))
    await scene.history.commit()


@pytest.mark.parametrize("log_first", [True, False])
async def test_the_last_line_stands_in_the_message(tmp_path: Path, log_first: bool) -> None:
    scene = Scene(tmp_path)
    await scene.open()
    await scene.show(cronjob(last=NOON))
    await scene.show(job(NOON), kind="jobs")
    steps: list[Any] = [save_log(scene), scene.show(failed_job(), kind="jobs")]
    await scene.show(failed_pod(), kind="pods")
    for step in steps if log_first else reversed(steps):
        await step
    await scene.show(failed_job(), kind="jobs")
    (run,) = scene.history.executions.all()
    assert run.message == f"Container main ended with exit code 3. Its last line: {LINE}"
    await scene.close()
