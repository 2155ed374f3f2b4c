"""Jobs that nothing else owns: recorded under their own name, as one history, bounded by namespace."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from kronkeep_common.models import CronJobExecution
from kronkeep_common.record_filter import parse_filter
from kronkeep_common.states import ExecutionStatus, Trigger
from kronkeep_daemon.cronjobs.run_recorder import RunRecorder
from kronkeep_daemon.events import Bus
from kronkeep_daemon.history import History, expiry
from kronkeep_daemon.kube.objects import Job, convert_object
from kronkeep_daemon.testing import FakeClock

NOW = datetime(2026, 1, 2, tzinfo=UTC)


class Scene:
    """A recorder that keeps so many bare Jobs, over a history on disk."""

    def __init__(self, history: History, clock: FakeClock) -> None:
        self.history = history
        self.number = 5
        cluster: Any = type("Cluster", (), {"id": "c", "name": "c"})()
        self.recorder = RunRecorder(
            cluster=cluster, history=history, bus=Bus(), clock=clock, bare_jobs=lambda: self.number
        )

    async def add(
        self, name: str, uid: str, *, complete: bool = True, **meta: Any
    ) -> CronJobExecution | None:
        """Show a Job to the recorder; return its run."""
        fields = {"name": name, "namespace": "shop", "uid": uid, "creationTimestamp": "2026-01-01T10:00:00Z"}
        condition = {"type": "Complete", "status": "True", "lastTransitionTime": "2026-01-01T10:01:00Z"}
        status: dict[str, Any] = {"startTime": "2026-01-01T10:00:00Z"}
        if complete:
            status |= {"conditions": [condition], "succeeded": 1, "completionTime": "2026-01-01T10:01:00Z"}
        job = convert_object({"metadata": {**fields, **meta}, "spec": {}, "status": status}, Job)
        self.recorder.cache.update_job("ADDED", job)
        await self.recorder.flush()
        return self.history.executions.get(uid)


@pytest.fixture
async def scene(tmp_path: Path) -> AsyncIterator[Scene]:
    clock = FakeClock(NOW)
    history = await History.open(tmp_path, clock=clock)
    yield Scene(history, clock)
    await history.close()


async def test_jobs_of_one_name_are_one_history_under_that_name(scene: Scene) -> None:
    first = await scene.add("migrate", "u-1", annotations={"helm.sh/hook": "pre-upgrade"})
    second = await scene.add("migrate", "u-2", complete=False)
    assert first is not None
    assert second is not None
    assert (first.cronjob, first.job, first.helm_hook) == ("job/migrate", "migrate", "pre-upgrade")
    assert (first.status, first.trigger) == (ExecutionStatus.SUCCEEDED, Trigger.MANUAL)
    assert second.status not in (ExecutionStatus.SUCCEEDED, ExecutionStatus.FAILED)
    assert first.cronjob_id == second.cronjob_id
    assert parse_filter("job:migrate").matches(first, NOW)
    assert parse_filter("job:*").matches(first, NOW)
    assert not parse_filter("job:other").matches(first, NOW)


@pytest.mark.parametrize(
    "meta",
    [
        {"labels": {"app.kubernetes.io/managed-by": "kronkeep"}},
        {"ownerReferences": [{"kind": "Workflow", "name": "w", "uid": "w", "controller": True}]},
        {"ownerReferences": [{"kind": "CronJob", "name": "a", "uid": "a"}]},
    ],
)
async def test_what_something_else_owns_and_kronkeeps_own_are_none(
    scene: Scene, meta: dict[str, Any]
) -> None:
    assert await scene.add("job", "u-1", **meta) is None


async def test_none_is_recorded_where_the_settings_say_none(scene: Scene) -> None:
    scene.number = 0
    assert await scene.add("migrate", "u-1") is None


async def test_a_hook_that_is_deleted_while_it_runs_was_deleted_by_itself(scene: Scene) -> None:
    await scene.add("migrate", "u-1", complete=False)
    job = scene.recorder.cache.jobs.get("u-1")
    assert job is not None
    scene.recorder.cache.update_job("DELETED", job)
    await scene.recorder.flush()
    run = scene.history.executions.get("u-1")
    assert run is not None
    assert (run.status, run.message) == (ExecutionStatus.CANCELLED, "The Job was deleted before it ended.")


async def test_of_many_names_the_newest_of_each_namespace_stay(scene: Scene) -> None:
    for number in range(8):
        created = f"{NOW - timedelta(hours=10 - number):%Y-%m-%dT%H:%M:%SZ}"
        await scene.add(f"job-{number}", f"u-{number}", creationTimestamp=created)
    await scene.add("open", "u-open", complete=False, creationTimestamp="2020-01-01T00:00:00Z")
    plan = await expiry.plan(scene.history, expiry.ExpiryRules(bare_jobs=5), NOW)
    assert sorted(plan.executions) == ["u-0", "u-1", "u-2"]
