"""A run's manifest and Events: as the cluster has them, else as they were kept when the run ended."""

import logging

import msgspec

from kronkeep_common.api import EventView
from kronkeep_common.errors import KronkeepError
from kronkeep_common.models import CronJobExecution
from kronkeep_common.text import clean
from kronkeep_daemon.history import History
from kronkeep_daemon.history.kept_logs import CappedLog
from kronkeep_daemon.kube import paths
from kronkeep_daemon.kube.client import Cluster
from kronkeep_daemon.kube.errors import NotFoundInCluster
from kronkeep_daemon.kube.objects import Event, JsonObject
from kronkeep_daemon.kube.timestamps import parse_timestamp

log = logging.getLogger(__name__)
MANIFEST = "_manifest"
EVENTS = "_events"  # beside the logs; no container's name begins with _
MOST_PODS = 10


async def save_artifacts(cluster: Cluster, history: History, run: CronJobExecution) -> None:
    """Keeps both durably, as far as they are still there; raises what the history raises."""
    manifest = await _job(cluster, run)
    if manifest is not None:
        await _save(history, run.id, MANIFEST, msgspec.json.encode(manifest))
    events = await _told(cluster, run)
    if events:
        await _save(history, run.id, EVENTS, msgspec.json.encode(events))


async def _save(history: History, record_id: str, name: str, body: bytes) -> None:
    capped = CappedLog()
    capped.add(body)
    if not capped.truncated:
        await history.logs.save(record_id, name, "", capped)


async def read_manifest(cluster: Cluster, history: History, run: CronJobExecution) -> JsonObject | None:
    """The Job as Kubernetes writes it; None when it is gone and was not kept."""
    try:
        found = await _job(cluster, run)
    except KronkeepError as fault:
        log.info("the manifest of run %s is answered as it was kept: %s", run.id, fault)
        found = None
    if found is None and (kept := await history.logs.read(run.id, MANIFEST)) is not None:
        found = msgspec.json.decode(kept, type=JsonObject)
    return found


async def read_events(cluster: Cluster, history: History, run: CronJobExecution) -> list[EventView]:
    """What Kubernetes said about the Job and its pods, oldest first; it forgets after an hour."""
    kept = await history.logs.read(run.id, EVENTS)
    found = msgspec.json.decode(kept, type=list[EventView]) if kept else []
    try:
        found += await _told(cluster, run)
    except KronkeepError as fault:
        log.info("the events of run %s are answered as they were kept: %s", run.id, fault)
    each = {(event.object, event.reason, event.message): event for event in found}
    return sorted(each.values(), key=lambda event: event.at)


async def _job(cluster: Cluster, run: CronJobExecution) -> JsonObject | None:
    if run.job is None:
        return None
    try:
        found = await cluster.get(paths.jobs(run.namespace, run.job))
    except NotFoundInCluster:
        return None
    found["metadata"].pop("managedFields", None)
    return found if found["metadata"]["uid"] == run.id.partition("@")[0] else None


async def _told(cluster: Cluster, run: CronJobExecution) -> list[EventView]:
    selectors = [f"involvedObject.uid={run.id.partition('@')[0]}"]
    selectors += [f"involvedObject.kind=Pod,involvedObject.name={pod.name}" for pod in run.pods[-MOST_PODS:]]
    found: list[EventView] = []
    for selector in selectors:
        pages = cluster.pages_of(paths.events(run.namespace), Event, fieldSelector=selector)
        async for items, _ in pages:
            found += [view for event in items if (view := _view(event)) is not None]
    return found


def _view(event: Event) -> EventView | None:
    at = parse_timestamp(event.last_seen)
    about = event.involved_object
    if at is None:
        return None
    return EventView(
        at=at,
        type=clean(event.type or "Normal", 40),
        reason=clean(event.reason or "", 128),
        message=clean(event.message or "", 1024),
        count=event.occurrences,
        object=f"{clean(about.kind, 63)}/{clean(about.name, 253)}",
    )
