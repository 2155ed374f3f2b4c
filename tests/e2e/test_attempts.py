"""Containers that are started again (restartPolicy OnFailure): the log of each attempt, followed and kept."""

import asyncio

import pytest
from tests.command_line import run_kronkeep
from tests.daemon_process import Daemon
from tests.waiting import eventually

from kronkeep_common.client import Client
from kronkeep_common.errors import InvalidRequest, LogNotFound
from kronkeep_common.models import CronJobExecution
from kronkeep_common.states import EXECUTION_TRANSITIONS, is_final
from kronkeep_daemon.kube import paths

FIRST = "if [ ! -e /w/tried ]; then touch /w/tried; echo the real cause; exit 1; fi; "


async def run_by_hand(
    daemon: Daemon, client: Client, name: str, script: str, *, backoff_limit: int
) -> CronJobExecution:
    """Create a CronJob whose container is started again when it fails, and run it now."""
    container = {
        "name": "main",
        "image": "busybox:1.36",
        "command": ["sh", "-c", script],
        "volumeMounts": [{"name": "w", "mountPath": "/w"}],
    }
    pod = {
        "restartPolicy": "OnFailure",
        "containers": [container],
        "volumes": [{"name": "w", "emptyDir": {}}],
    }
    job = {"spec": {"backoffLimit": backoff_limit, "template": {"spec": pod}}}
    manifest = {"metadata": {"name": name}, "spec": {"schedule": "0 2 29 2 *", "jobTemplate": job}}
    cluster = await daemon.cluster()
    await cluster.create(paths.cronjobs("default"), manifest)
    await cluster.close()
    await eventually(client.cronjobs.list, lambda page: name in [item.name for item in page.items])
    return await client.cronjobs.trigger("default", name)


async def read_log(client: Client, run_id: str, *, follow: bool = False, attempt: int | None = None) -> str:
    """Return a run's log without the lines' times."""
    chunks = client.runs.log(run_id, follow=follow, attempt=attempt)
    text = b"".join([chunk async for chunk in chunks]).decode()
    return "".join(
        line if line.startswith("[") else line.partition(" ")[2] for line in text.splitlines(keepends=True)
    )


async def wait_for_end(client: Client, run_id: str, logs: int) -> CronJobExecution:
    """Return the run once it has ended and so many of its attempts' logs are kept."""

    async def load_run() -> CronJobExecution:
        return await client.runs.get(run_id)

    return await eventually(
        load_run, lambda run: is_final(EXECUTION_TRANSITIONS, run.status) and len(run.logs) >= logs
    )


async def test_each_attempt_has_its_log_while_it_is_followed_and_when_it_is_kept(
    daemon: Daemon, client: Client
) -> None:
    script = FIRST + "echo the second try; sleep 1; echo it works"
    run = await run_by_hand(daemon, client, "again", script, backoff_limit=2)
    followed = await read_log(client, run.id, follow=True)
    ended = await wait_for_end(client, run.id, logs=2)
    assert (ended.status, ended.exit_code, ended.restarts) == ("succeeded", 0, 1)
    assert sorted(log.attempt for log in ended.logs) == [1, 2]
    pod = ended.pods[0].name
    second = f"[kronkeep: attempt 2, pod {pod}]\nthe second try\nit works\n"
    # Who comes when the second attempt has begun is told of which the first lines are.
    assert followed.removeprefix(f"[kronkeep: attempt 1, pod {pod}]\n") == f"the real cause\n{second}"
    assert await read_log(client, run.id) == f"[kronkeep: attempt 1, pod {pod}]\nthe real cause\n{second}"
    assert await read_log(client, run.id, attempt=2) == "the second try\nit works\n"
    last = b"".join([chunk async for chunk in client.runs.log(run.id, tail=1)])
    assert last.endswith(b" it works\n")
    assert last.count(b"\n") == 1
    shown = await asyncio.to_thread(run_kronkeep, daemon, "logs", run.id, "--attempt", "1")
    assert (shown.returncode, shown.stdout) == (0, "the real cause\n")
    with pytest.raises(LogNotFound, match="attempt 3"):
        await read_log(client, run.id, attempt=3)
    with pytest.raises(InvalidRequest):
        await read_log(client, run.id, attempt=0)
    failing = await run_by_hand(daemon, client, "fails", FIRST + "echo busy; sleep 100", backoff_limit=1)
    # The Job's end deletes the pod, on a busy machine before its second container has begun.
    failed = await wait_for_end(client, failing.id, logs=1)
    # That container's code, 128, stands for its attempt then.
    assert (failed.status, failed.exit_code in (1, 128)) == ("failed", True)
    assert failed.message == "Container main ended with exit code 1. Its last line: the real cause"
