"""What a real control plane sent, through the recorder: the expected history, however it arrives."""

import shutil
from pathlib import Path
from typing import Any

import pytest
from tests.unit.cronjobs import replay

from kronkeep_daemon.history import History
from kronkeep_daemon.testing import FakeClock

# (Job, status, reason, trigger, attempts, exit code) of every run, in the order of their Jobs' names.
EXPECTED: dict[str, list[tuple[Any, ...]]] = {
    "cronjob-concurrency-forbid": [
        ("forbid-29924857", "succeeded", None, "scheduled", 1, 0),
        ("forbid-29924858", "running", None, "scheduled", 1, None),
    ],
    "cronjob-concurrency-replace": [
        ("replace-29924857", "cancelled", "Replaced", "scheduled", 1, None),
        ("replace-29924858", "running", None, "scheduled", 1, None),
    ],
    "cronjob-manual-run": [("nightly-manual-1", "succeeded", None, "manual", 1, 0)],
    "cronjob-two-runs-and-history-limit": [
        ("minutely-29924857", "succeeded", None, "scheduled", 1, 0),
        ("minutely-29924858", "succeeded", None, "scheduled", 1, 0),
    ],
    "job-deadline-exceeded": [("slow", "failed", "DeadlineExceeded", "scheduled", 1, None)],
    "job-deleted-while-running": [("gone", "cancelled", "Deleted", "scheduled", 1, None)],
    "job-failure-after-retries": [("flaky", "failed", "ExitCode", "scheduled", 2, 1)],
    "job-failure-no-retry": [("bad", "failed", "ExitCode", "scheduled", 1, 3)],
    "job-indexed-parallel": [("many", "succeeded", None, "scheduled", 3, 0)],
    "job-init-container-fails": [("init", "failed", "ExitCode", "scheduled", 1, 9)],
    "job-pod-failure-policy": [("policy", "failed", "PodFailurePolicy", "scheduled", 1, 42)],
    "job-success": [("ok", "succeeded", None, "scheduled", 1, 0)],
    "job-suspend-resume": [("paused", "succeeded", None, "scheduled", 1, 0)],
    "job-ttl-after-finished": [("ttl", "succeeded", None, "scheduled", 1, 0)],
}
# A Job whose deletion nobody saw and no Event tells of: how it ended cannot be known.
UNKNOWN_END = {"job-deleted-while-running": ("unknown", "GoneWhileAway")}


async def open_history(folder: Path, clock: FakeClock) -> History:
    return await History.open(folder, clock=clock)


async def replay_all(folder: Path, events: list[replay.RecordedEvent]) -> dict[str, dict[str, Any]]:
    clock = FakeClock()
    history = await open_history(folder, clock)
    recorder = replay.make_recorder(history, clock)
    for kind, what, obj in events:
        replay.feed(recorder, kind, what, obj)
        await recorder.flush()
    await replay.flush_all(recorder)
    runs = replay.describe_runs(history)
    await history.close()
    return runs


@pytest.mark.parametrize("name", EXPECTED)
async def test_every_recording_gives_the_expected_runs(name: str, tmp_path: Path) -> None:
    runs = await replay_all(tmp_path, replay.read_recording(name))
    rows = [
        (job, run["status"], run["reason"], run["trigger"], run["attempts"], run["exit_code"])
        for job, run in sorted(runs.items())
    ]
    assert rows == EXPECTED[name]


@pytest.mark.parametrize("name", EXPECTED)
async def test_doubled_events_change_nothing(name: str, tmp_path: Path) -> None:
    events = replay.read_recording(name)
    once = await replay_all(tmp_path / "a", events)
    assert await replay_all(tmp_path / "b", list(replay.double_events(events))) == once


@pytest.mark.parametrize("name", EXPECTED)
async def test_modified_events_in_the_wrong_order_change_nothing(name: str, tmp_path: Path) -> None:
    events = replay.read_recording(name)
    once = await replay_all(tmp_path / "a", events)
    assert await replay_all(tmp_path / "b", replay.swap_modified(events)) == once


@pytest.mark.parametrize("name", EXPECTED)
async def test_all_at_once_gives_the_same_history(name: str, tmp_path: Path) -> None:
    events = replay.read_recording(name)
    clock = FakeClock()
    once = await replay_all(tmp_path / "a", events)
    history = await open_history(tmp_path / "b", clock)
    recorder = replay.make_recorder(history, clock)
    for kind, what, obj in events:
        replay.feed(recorder, kind, what, obj)
    await replay.flush_all(recorder)
    assert replay.describe_runs(history) == once
    await history.close()


@pytest.mark.parametrize("missed", [0, 1], ids=["nothing-missed", "one-event-missed"])
@pytest.mark.parametrize("name", EXPECTED)
async def test_a_restart_at_every_event_gives_the_same_history(
    name: str, missed: int, tmp_path: Path
) -> None:
    """The daemon stops after each event in turn, also before it receives the next, and lists again."""
    events = replay.read_recording(name)
    once = await replay_all(tmp_path / "once", events)
    before = await open_history(tmp_path / "before", FakeClock())
    stopped = replay.make_recorder(before, FakeClock())
    for cut in range(1, len(events) - missed + 1):
        replay.feed(stopped, *events[cut - 1])
        await stopped.flush()
        # What a kill leaves at this moment; another life goes on with it.
        shutil.copytree(tmp_path / "before", tmp_path / str(cut))
        clock = FakeClock()
        history = await open_history(tmp_path / str(cut), clock)
        recorder = await replay.restart(history, clock, replay.list_after(events[: cut + missed]))
        for kind, what, obj in events[cut + missed :]:
            replay.feed(recorder, kind, what, obj)
            await recorder.flush()
        await replay.flush_all(recorder)
        runs = replay.describe_runs(history)
        await history.close()
        deleted_unseen = missed and events[cut][:2] == ("jobs", "DELETED")
        if deleted_unseen and name in UNKNOWN_END:
            (run,) = runs.values()
            assert (run["status"], run["reason"]) == UNKNOWN_END[name]
        else:
            assert runs == once, f"cut after event {cut}"
    await before.close()


async def test_the_job_and_the_pods_of_a_recorded_run_are_kept_packed(tmp_path: Path) -> None:
    """A decoded pod takes 2.5 KB, and clusters with 260,000 ended Jobs keep as many pods."""
    clock = FakeClock()
    history = await open_history(tmp_path, clock)
    recorder = replay.make_recorder(history, clock)
    for kind, what, obj in replay.read_recording("job-success"):
        if what != "DELETED":
            replay.feed(recorder, kind, what, obj)
    await recorder.flush()
    (run,) = history.executions.all()
    first, second = (recorder.cache.pods_of(run.namespace, run.id) for _ in range(2))
    assert first == second
    assert [each.status.phase for each in first] == ["Succeeded"]
    assert all(one is not other for one, other in zip(first, second, strict=True))  # read anew each time
    assert list(recorder.cache.jobs.list_unpacked()) == []
    await history.close()
