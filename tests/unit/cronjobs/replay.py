"""A recording as a cluster would show it: its state at any moment, and what its watches send from there."""

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec

from kronkeep_common.models import CronJobExecution
from kronkeep_daemon.cronjobs.run_recorder import RunRecorder
from kronkeep_daemon.events import Bus
from kronkeep_daemon.history import History
from kronkeep_daemon.kube.objects import CronJobObject, Event, Job, JsonObject, Pod
from kronkeep_daemon.kube.response_readers import ObjectDecoder
from kronkeep_daemon.testing import FakeClock

RECORDINGS = Path(__file__).parents[2] / "data" / "recordings"
RecordedEvent = tuple[str, str, JsonObject]
KINDS: dict[str, type] = {"cronjobs": CronJobObject, "jobs": Job, "pods": Pod, "events": Event}
OWNER = {"kind": "CronJob", "name": "owner", "uid": "owner-uid", "controller": True}
PATIENCE = 3600.0  # no wait ends by itself, however busy the machine is: `flush_all` ends them


def read_recording(name: str) -> list[RecordedEvent]:
    """(collection, type, object) of every event of a recording; its Jobs belong to a CronJob."""
    events: list[RecordedEvent] = []
    for line in (RECORDINGS / f"{name}.jsonl").read_text().splitlines():
        record = json.loads(line)
        if "watch" not in record or record["event"]["type"] == "BOOKMARK":
            continue
        obj = record["event"]["object"]
        if record["watch"] == "jobs":
            obj["metadata"].setdefault("ownerReferences", [OWNER])
        events.append((record["watch"], record["event"]["type"], obj))
    return events


def list_after(events: Iterable[RecordedEvent]) -> dict[str, list[JsonObject]]:
    """What a list would answer after these events."""
    there: dict[str, dict[str, JsonObject]] = {kind: {} for kind in KINDS}
    for kind, what, obj in events:
        if what == "DELETED":
            there[kind].pop(obj["metadata"]["uid"], None)
        else:
            there[kind][obj["metadata"]["uid"]] = obj
    return {kind: list(objects.values()) for kind, objects in there.items()}


def fake_cluster(cluster_id: str = "c") -> Any:
    """A connection that nothing is asked of."""

    class Nothing:
        id = cluster_id
        name = "recorded"

    return Nothing()


class ReplayedRecorder(RunRecorder):
    """A recorder whose waits for Events end when a test says so."""

    def end_event_waits(self) -> None:
        """Take it that no more Events come."""
        for uid in list(self._event_waits):
            self._end_event_wait(uid)


def make_recorder(history: History, clock: FakeClock) -> ReplayedRecorder:
    """A recorder whose first lists have come: plain Jobs of a recording name an owner that nobody knows."""
    recorder = ReplayedRecorder(
        cluster=fake_cluster(), history=history, bus=Bus(), clock=clock, event_patience=PATIENCE
    )
    recorder.synced.set()
    return recorder


def decode(kind: str, manifest: JsonObject) -> Any:
    """An object as a watch of its kind decodes it."""
    line = msgspec.json.encode({"type": "ADDED", "object": manifest})
    return ObjectDecoder(KINDS[kind], "c").line(line).object


def feed(recorder: RunRecorder, kind: str, what: str, obj: JsonObject) -> None:
    """One event, as a watch would hand it on."""
    seen = recorder.cache
    item = decode(kind, obj)
    handlers: dict[str, Callable[[str, Any], None]] = {
        "cronjobs": seen.update_cronjob,
        "jobs": seen.update_job,
        "pods": seen.update_pod,
        "events": seen.update_event,
    }
    handlers[kind](what, item)


def sync_lists(recorder: RunRecorder, there: dict[str, list[JsonObject]]) -> None:
    """Full lists, as at a start or after a gap."""
    seen = recorder.cache
    items = {kind: [decode(kind, obj) for obj in objects] for kind, objects in there.items()}
    for item in items["cronjobs"]:
        seen.put_listed_cronjob(item)
    seen.keep_listed_cronjobs(None, {item.ref for item in items["cronjobs"]})
    for item in items["pods"]:
        seen.put_listed_pod(item)
    seen.sync_events(items["events"])
    for item in items["jobs"]:
        seen.put_listed_job(item)
    seen.keep_listed_jobs(None, {item.metadata.uid for item in items["jobs"]})


async def flush_all(recorder: ReplayedRecorder) -> None:
    """Write every record, also those that wait for an Event."""
    await recorder.flush()
    recorder.end_event_waits()
    await recorder.flush()
    assert not recorder.has_unwritten


async def restart(history: History, clock: FakeClock, there: dict[str, list[JsonObject]]) -> ReplayedRecorder:
    """A new life of the daemon on the same history, which lists what is there."""
    fresh = make_recorder(history, clock)
    sync_lists(fresh, there)
    fresh.take_first_lists()
    await fresh.flush()
    return fresh


PLAIN_FIELDS = {
    "status",
    "trigger",
    "scheduled_at",
    "started_at",
    "attempts",
    "exit_code",
    "restarts",
    "node",
    "reason",
    "message",
    "next_step",
    "job",
}


def describe_runs(history: History, *, exactly: bool = True) -> dict[str, dict[str, Any]]:
    """The records by their Job's name, without what depends on the daemon's own clock."""
    return {run.job or run.id: describe_run(run, exactly) for run in history.executions.all()}


def describe_run(run: CronJobExecution, exactly: bool) -> dict[str, Any]:
    fields = {key: getattr(run, key) for key in sorted(PLAIN_FIELDS)}
    if run.status not in ("cancelled", "unknown"):
        fields["ended_at"] = run.ended_at
    if exactly:
        fields["pods"] = [(pod.name, pod.exit_code, pod.cause) for pod in run.pods]
    return fields


def double_events(events: Sequence[RecordedEvent]) -> Iterator[RecordedEvent]:
    """Every event twice in a row."""
    for event in events:
        yield event
        yield event


def swap_modified(events: Sequence[RecordedEvent]) -> list[RecordedEvent]:
    """Each two MODIFIED events of one object that follow each other, the other way round."""
    turned = list(events)
    last: dict[str, int] = {}
    for place, (kind, what, obj) in enumerate(events):
        key = f"{kind}/{obj['metadata']['uid']}"
        if what == "MODIFIED" and key in last:
            before = last.pop(key)
            turned[place], turned[before] = turned[before], turned[place]
        elif what == "MODIFIED":
            last[key] = place
        else:
            last.pop(key, None)
    return turned
