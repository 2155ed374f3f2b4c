"""A run's manifest and Events: from the cluster while it has them, else as they were saved at its end."""

import logging
from operator import attrgetter

import msgspec

from kronkeep_common.api import EventView
from kronkeep_common.errors import KronkeepError
from kronkeep_common.models import CronJobExecution
from kronkeep_common.text import clean
from kronkeep_daemon.cronjobs.job_to_run import job_uid
from kronkeep_daemon.history import History
from kronkeep_daemon.history.kept_logs import CappedLog
from kronkeep_daemon.kube import paths
from kronkeep_daemon.kube.client import Cluster
from kronkeep_daemon.kube.errors import NotFoundInCluster
from kronkeep_daemon.kube.objects import Event, JsonObject
from kronkeep_daemon.kube.timestamps import parse_timestamp

log = logging.getLogger(__name__)
# Names under which the copies are kept beside the logs; no container's name begins with an underscore.
MANIFEST = "_manifest"
EVENTS = "_events"
MOST_PODS = 10  # the newest pods of a run, whose Events are read


async def save_artifacts(cluster: Cluster, history: History, run: CronJobExecution) -> None:
    """Save the manifest and the Events that the cluster still has; raises what the history raises."""
    manifest = await _fetch_job(cluster, run)
    if manifest is not None:
        await _save(history, run, MANIFEST, msgspec.json.encode(manifest))
    events = await _fetch_events(cluster, run)
    if events:
        await _save(history, run, EVENTS, msgspec.json.encode(events))


async def _save(history: History, run: CronJobExecution, name: str, body: bytes) -> None:
    capped = CappedLog()
    capped.add(body)
    if not capped.truncated:
        await history.logs.save(run, name, "", capped)


async def read_manifest(cluster: Cluster, history: History, run: CronJobExecution) -> JsonObject | None:
    """Return the Job as Kubernetes writes it; None where it is deleted and was not saved."""
    try:
        manifest = await _fetch_job(cluster, run)
    except KronkeepError as fault:
        log.info("run %s is answered with its saved manifest: %s", run.id, fault)
        manifest = None
    if manifest is not None:
        return manifest
    saved = await history.logs.read(run, MANIFEST)
    return msgspec.json.decode(saved, type=JsonObject) if saved is not None else None


async def read_events(cluster: Cluster, history: History, run: CronJobExecution) -> list[EventView]:
    """Return the Events about the Job and its pods, oldest first; Kubernetes keeps them for an hour."""
    saved = await history.logs.read(run, EVENTS)
    events = msgspec.json.decode(saved, type=list[EventView]) if saved else []
    try:
        events += await _fetch_events(cluster, run)
    except KronkeepError as fault:
        log.info("run %s is answered with its saved Events: %s", run.id, fault)
    distinct = {(event.object, event.reason, event.message): event for event in events}
    return sorted(distinct.values(), key=attrgetter("at"))


async def _fetch_job(cluster: Cluster, run: CronJobExecution) -> JsonObject | None:
    if run.job is None:
        return None
    try:
        manifest = await cluster.get(paths.jobs(run.namespace, run.job))
    except NotFoundInCluster:
        return None
    manifest["metadata"].pop("managedFields", None)
    return manifest if manifest["metadata"]["uid"] == job_uid(run) else None


async def _fetch_events(cluster: Cluster, run: CronJobExecution) -> list[EventView]:
    selectors = [f"involvedObject.uid={job_uid(run)}"]
    selectors += [f"involvedObject.kind=Pod,involvedObject.name={pod.name}" for pod in run.pods[-MOST_PODS:]]
    views: list[EventView] = []
    for selector in selectors:
        pages = cluster.pages_of(paths.events(run.namespace), Event, fieldSelector=selector)
        async for events, _ in pages:
            own = [event for event in events if event.involved_object.namespace == run.namespace]
            views += [view for event in own if (view := _event_view(event)) is not None]
    return views


def _event_view(event: Event) -> EventView | None:
    at = parse_timestamp(event.last_seen)
    subject = event.involved_object
    if at is None:
        return None
    return EventView(
        at=at,
        type=clean(event.type or "Normal", 40),
        reason=clean(event.reason or "", 128),
        message=clean(event.message or "", 1024),
        count=event.occurrences,
        object=f"{clean(subject.kind, 63)}/{clean(subject.name, 253)}",
    )
