"""Events as client-go's recorder writes them: an Event that is repeated is counted, not written again."""

import itertools
import logging
from collections import OrderedDict
from typing import NamedTuple

from kronkeep_common.clock import Clock
from kronkeep_common.errors import KronkeepError
from kronkeep_daemon.embedded.controllers.object_fields import PlannedEvent
from kronkeep_daemon.kube import paths
from kronkeep_daemon.kube.client import Cluster
from kronkeep_daemon.kube.errors import NotFoundInCluster
from kronkeep_daemon.kube.objects import JsonObject
from kronkeep_daemon.kube.timestamps import format_timestamp

log = logging.getLogger(__name__)
EVENTS_REMEMBERED = 4096  # whose repetition is recognised, as in client-go
API_VERSIONS = {"Job": "batch/v1", "CronJob": "batch/v1"}


class EventKey(NamedTuple):
    """Events with the same key are one Event with a count."""

    kind: str
    uid: str
    event: PlannedEvent


class WrittenEvent(NamedTuple):
    """The name of an Event in the cluster and how often it has been recorded."""

    name: str
    times: int


class EventRecorder:
    """The Events of controllers; one that cannot be written is only logged, as in client-go."""

    def __init__(self, cluster: Cluster, clock: Clock) -> None:
        self._cluster = cluster
        self._clock = clock
        self._sequence = itertools.count()
        # Ordered by when each was recorded last, so that the first is forgotten first.
        self._written: OrderedDict[EventKey, WrittenEvent] = OrderedDict()

    async def record(self, kind: str, obj: JsonObject, event: PlannedEvent) -> None:
        """Record an Event of the kind's controller about `obj`."""
        key = EventKey(kind, obj["metadata"]["uid"], event)
        try:
            written = await self._write(kind, obj, event, self._written.pop(key, None))
        except KronkeepError as fault:
            log.warning("the event %s of %s is lost: %s", event.reason, obj["metadata"]["name"], fault)
            return
        self._written[key] = written
        if len(self._written) > EVENTS_REMEMBERED:
            self._written.popitem(last=False)

    async def _write(
        self, kind: str, obj: JsonObject, event: PlannedEvent, earlier: WrittenEvent | None
    ) -> WrittenEvent:
        """Count the earlier Event, or create one where there is none or it has expired."""
        meta = obj["metadata"]
        if earlier is not None:
            times = earlier.times + 1
            if await self._set_count(meta["namespace"], earlier.name, times):
                return WrittenEvent(earlier.name, times)
        name = self._event_name(meta["name"])
        await self._create(meta["namespace"], name, self._controller_event(kind, obj, event))
        return WrittenEvent(name, 1)

    async def record_binding(self, pod: JsonObject, node: str) -> None:
        """Record the scheduler's Event of a binding, in the newer form with `eventTime` and no count."""
        meta = pod["metadata"]
        body = {
            "involvedObject": _reference("Pod", pod),
            "reason": "Scheduled",
            "message": f"Successfully assigned {meta['namespace']}/{meta['name']} to {node}",
            "source": {},
            "firstTimestamp": None,
            "lastTimestamp": None,
            "type": "Normal",
            "eventTime": self._clock.now().strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
            "action": "Binding",
            "reportingComponent": "default-scheduler",
            "reportingInstance": "default-scheduler-embedded",
        }
        try:
            await self._create(meta["namespace"], self._event_name(meta["name"]), body)
        except KronkeepError as fault:
            log.warning("the event Scheduled of %s is lost: %s", meta["name"], fault)

    def _event_name(self, object_name: str) -> str:
        """Return a unique name: the object's, and a time in nanoseconds in hexadecimal, as in client-go."""
        microseconds = int(self._clock.now().timestamp() * 1e6)
        return f"{object_name}.{microseconds * 1000 + next(self._sequence) % 1000:x}"

    async def _set_count(self, namespace: str, name: str, count: int) -> bool:
        """Set the count of an Event; False where it no longer exists."""
        body = {"count": count, "lastTimestamp": format_timestamp(self._clock.now())}
        try:
            await self._cluster.patch(paths.events(namespace, name), body)
        except NotFoundInCluster:
            return False
        return True

    def _controller_event(self, kind: str, obj: JsonObject, event: PlannedEvent) -> JsonObject:
        now = format_timestamp(self._clock.now())
        component = f"{kind.lower()}-controller"
        return {
            "involvedObject": _reference(kind, obj),
            "reason": event.reason,
            "message": event.message,
            "source": {"component": component},
            "firstTimestamp": now,
            "lastTimestamp": now,
            "count": 1,
            "type": event.type,
            "eventTime": None,
            "reportingComponent": component,
            "reportingInstance": "",
        }

    async def _create(self, namespace: str, name: str, body: JsonObject) -> None:
        meta = {"name": name, "namespace": namespace}
        await self._cluster.create(paths.events(namespace), {"metadata": meta, **body})


def _reference(kind: str, obj: JsonObject) -> JsonObject:
    meta = obj["metadata"]
    return {
        "kind": kind,
        "namespace": meta["namespace"],
        "name": meta["name"],
        "uid": meta["uid"],
        "apiVersion": API_VERSIONS.get(kind, "v1"),
        "resourceVersion": meta["resourceVersion"],
    }
