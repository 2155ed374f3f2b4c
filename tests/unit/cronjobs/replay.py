"""A recording as a cluster would show it: its state at any moment, and what its watches send from there."""

import asyncio
import json
from collections.abc import Iterable, Iterator, Sequence
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
Told = tuple[str, str, JsonObject]
KINDS: dict[str, type] = {"cronjobs": CronJobObject, "jobs": Job, "pods": Pod, "events": Event}
OWNER = {"kind": "CronJob", "name": "owner", "uid": "owner-uid", "controller": True}
PATIENCE = 0.05


def told(name: str) -> list[Told]:
    """(collection, type, object) of every event of a recording; its Jobs belong to a CronJob."""
    found: list[Told] = []
    for line in (RECORDINGS / f"{name}.jsonl").read_text().splitlines():
        record = json.loads(line)
        if "watch" not in record or record["event"]["type"] == "BOOKMARK":
            continue
        obj = record["event"]["object"]
        if record["watch"] == "jobs":
            obj["metadata"].setdefault("ownerReferences", [OWNER])
        found.append((record["watch"], record["event"]["type"], obj))
    return found


def state(events: Iterable[Told]) -> dict[str, list[JsonObject]]:
    """What a list would answer after these events."""
    there: dict[str, dict[str, JsonObject]] = {kind: {} for kind in KINDS}
    for kind, what, obj in events:
        if what == "DELETED":
            there[kind].pop(obj["metadata"]["uid"], None)
        else:
            there[kind][obj["metadata"]["uid"]] = obj
    return {kind: list(found.values()) for kind, found in there.items()}


def without_cluster(cluster_id: str = "c") -> Any:
    """A connection that nothing is asked of."""

    class Nothing:
        id = cluster_id
        name = "recorded"

    return Nothing()


def a_recorder(history: History, clock: FakeClock) -> RunRecorder:
    return RunRecorder(
        cluster=without_cluster(), history=history, bus=Bus(), clock=clock, event_patience=PATIENCE
    )


def decode(kind: str, manifest: JsonObject) -> Any:
    """An object as a watch of its kind decodes it."""
    line = msgspec.json.encode({"type": "ADDED", "object": manifest})
    return ObjectDecoder(KINDS[kind], "c").line(line).object


def feed(recorder: RunRecorder, kind: str, what: str, obj: JsonObject) -> None:
    """One event, as a watch would hand it on."""
    seen = recorder.cache
    item = decode(kind, obj)
    handlers = {
        "cronjobs": seen.update_cronjob,
        "jobs": seen.update_job,
        "pods": seen.update_pod,
        "events": seen.update_event,
    }
    handlers[kind](what, item)


def listed(recorder: RunRecorder, there: dict[str, list[JsonObject]]) -> None:
    """Full lists, as at a start or after a gap."""
    seen = recorder.cache
    items = {kind: [decode(kind, obj) for obj in found] for kind, found in there.items()}
    seen.sync_cronjobs(None, items["cronjobs"])
    seen.sync_pods(items["pods"])
    seen.sync_events(items["events"])
    seen.sync_jobs(None, items["jobs"])


async def told_all(recorder: RunRecorder) -> None:
    """Waits for what the recorder is patient for, and writes it."""
    await recorder.flush()
    while recorder.has_unwritten:
        await asyncio.sleep(PATIENCE)
        await recorder.flush()


async def restarted(
    recorder: RunRecorder, history: History, clock: FakeClock, there: dict[str, list[JsonObject]]
) -> RunRecorder:
    """A new life of the daemon on the same history, which lists what is there."""
    fresh = a_recorder(history, clock)
    listed(fresh, there)
    fresh.take_first_lists()
    await fresh.flush()
    return fresh


PLAIN = {
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


def final(history: History, *, exactly: bool = True) -> dict[str, dict[str, Any]]:
    """The records by their Job's name, without what depends on the daemon's own clock."""
    return {run.job or run.id: told_of(run, exactly) for run in history.executions.all()}


def told_of(run: CronJobExecution, exactly: bool) -> dict[str, Any]:
    found = {key: getattr(run, key) for key in sorted(PLAIN)}
    if run.status not in ("cancelled", "unknown"):
        found["ended_at"] = run.ended_at
    if exactly:
        found["pods"] = [(pod.name, pod.exit_code, pod.cause) for pod in run.pods]
    return found


def with_doubles(events: Sequence[Told]) -> Iterator[Told]:
    """Every event twice in a row."""
    for event in events:
        yield event
        yield event


def with_modified_turned(events: Sequence[Told]) -> list[Told]:
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
