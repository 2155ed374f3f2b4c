"""Kubernetes Events on CronJobs, and on claims with policies, as `kubectl describe` shows them.

There is one of each kind, with a count.

An Event's name is derived from CronJob and kind, and it has a hash of what it reports, so that neither a
restart nor a second daemon counts anything twice.
"""

from datetime import datetime
from typing import Literal

import msgspec

from kronkeep_common import subject_names
from kronkeep_common.text import clean
from kronkeep_daemon.history.record_ids import derive_id
from kronkeep_daemon.kube import paths
from kronkeep_daemon.kube.client import Cluster
from kronkeep_daemon.kube.errors import AlreadyExists
from kronkeep_daemon.kube.objects import CronJobRef, JsonObject
from kronkeep_daemon.kube.shared_uids import uid_of

REPORTED = "kronkeep.dev/reported"  # the annotation with the hash of what an Event reports


class CronJobEvent(msgspec.Struct, frozen=True, kw_only=True):
    """What an Event says of a CronJob.

    kind: what tells Events of one CronJob apart, beside the reason.
    report: a hash of what is reported; the same one is counted once.
    """

    ref: CronJobRef
    uid: str
    kind: str
    reason: str
    message: str
    type: Literal["Normal", "Warning"]
    report: str
    at: datetime


async def write_event(cluster: Cluster, event: CronJobEvent) -> None:
    """Create the Event, or count the report on the one of its name; raise KronkeepError."""
    body = _manifest(event)
    try:
        await cluster.create(paths.events(event.ref.namespace), body)
    except AlreadyExists:
        await _count_report(cluster, body)


def _manifest(event: CronJobEvent) -> JsonObject:
    now = event.at.strftime("%Y-%m-%dT%H:%M:%SZ")
    claim = subject_names.claim_of(event.ref.name)
    subject = {
        "apiVersion": "batch/v1" if claim is None else "v1",
        "kind": "CronJob" if claim is None else "PersistentVolumeClaim",
        "namespace": event.ref.namespace,
        "name": claim or event.ref.name,
        "uid": uid_of(event.uid),
    }
    beginning = subject_names.as_object_name(event.ref.name)[:200]
    return {
        "metadata": {
            "name": f"{beginning}.{derive_id(event.kind, event.uid, event.reason)}",
            "namespace": event.ref.namespace,
            "annotations": {REPORTED: event.report},
        },
        "involvedObject": subject,
        "reason": event.reason,
        "message": clean(event.message, 1000),
        "source": {"component": "kronkeep"},
        "firstTimestamp": now,
        "lastTimestamp": now,
        "count": 1,
        "type": event.type,
    }


async def _count_report(cluster: Cluster, body: JsonObject) -> None:
    """Put a report into the Event of its name that exists, unless it is there already."""
    path = paths.events(body["metadata"]["namespace"], body["metadata"]["name"])
    event = await cluster.get(path)
    annotations = event["metadata"].get("annotations") or {}
    if annotations.get(REPORTED) == body["metadata"]["annotations"][REPORTED]:
        return
    changes = {
        "metadata": {"annotations": body["metadata"]["annotations"]},
        "message": body["message"],
        "lastTimestamp": body["lastTimestamp"],
        "count": int(event.get("count") or 1) + 1,
    }
    await cluster.patch(path, changes)
