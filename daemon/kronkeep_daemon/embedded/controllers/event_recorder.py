"""Events as client-go publishes them: one that repeats within ten minutes is counted, not written again."""

import itertools
import logging
from collections import OrderedDict

from kronkeep_common.clock import Clock
from kronkeep_common.errors import KronkeepError
from kronkeep_daemon.embedded.controllers.object_fields import stamp
from kronkeep_daemon.kube import paths
from kronkeep_daemon.kube.client import Cluster
from kronkeep_daemon.kube.errors import NotFoundInCluster
from kronkeep_daemon.kube.objects import JsonObject

log = logging.getLogger(__name__)
Key = tuple[str, ...]
REMEMBERED = 4096  # events whose repetition is recognised, as in client-go
API_VERSIONS = {"Job": "batch/v1", "CronJob": "batch/v1"}


class Recorder:
    """Publishes Events; one that cannot be published is only logged, as client-go does."""

    def __init__(self, cluster: Cluster, clock: Clock) -> None:
        self._cluster = cluster
        self._clock = clock
        self._numbers = itertools.count()
        self._known: OrderedDict[Key, tuple[str, int]] = OrderedDict()

    async def tell(self, kind: str, obj: JsonObject, level: str, reason: str, message: str) -> None:
        """An Event of the kind's controller about `obj`; `level` is Normal or Warning."""
        meta = obj["metadata"]
        key = (kind, meta["uid"], level, reason, message)
        name, count = self._known.pop(key, (self._name(meta["name"]), 0))
        try:
            if count == 0 or not await self._count(meta["namespace"], name, count + 1):
                name = self._name(meta["name"])
                count = 0
                body = self._first(kind, obj, level, reason, message)
                await self._create(meta["namespace"], name, body)
        except KronkeepError as fault:
            log.warning("the event %s of %s is lost: %s", reason, meta["name"], fault)
            return
        self._known[key] = name, count + 1
        if len(self._known) > REMEMBERED:
            self._known.popitem(last=False)

    async def scheduled(self, pod: JsonObject, node: str) -> None:
        """The scheduler's Event of a binding, in the newer shape that has `eventTime` and no counter."""
        meta = pod["metadata"]
        now = self._clock.now()
        body = {
            "involvedObject": _involved("Pod", pod),
            "reason": "Scheduled",
            "message": f"Successfully assigned {meta['namespace']}/{meta['name']} to {node}",
            "source": {},
            "firstTimestamp": None,
            "lastTimestamp": None,
            "type": "Normal",
            "eventTime": now.strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
            "action": "Binding",
            "reportingComponent": "default-scheduler",
            "reportingInstance": "default-scheduler-embedded",
        }
        try:
            await self._create(meta["namespace"], self._name(meta["name"]), body)
        except KronkeepError as fault:
            log.warning("the event Scheduled of %s is lost: %s", meta["name"], fault)

    def _name(self, name: str) -> str:
        return f"{name}.{int(self._clock.now().timestamp() * 1e6) * 1000 + next(self._numbers) % 1000:x}"

    async def _count(self, namespace: str, name: str, count: int) -> bool:
        """Counts a repetition; False when the Event is gone."""
        body = {"count": count, "lastTimestamp": stamp(self._clock.now())}
        try:
            await self._cluster.patch(paths.events(namespace, name), body)
        except NotFoundInCluster:
            return False
        return True

    def _first(self, kind: str, obj: JsonObject, level: str, reason: str, message: str) -> JsonObject:
        now = stamp(self._clock.now())
        component = f"{kind.lower()}-controller"
        return {
            "involvedObject": _involved(kind, obj),
            "reason": reason,
            "message": message,
            "source": {"component": component},
            "firstTimestamp": now,
            "lastTimestamp": now,
            "count": 1,
            "type": level,
            "eventTime": None,
            "reportingComponent": component,
            "reportingInstance": "",
        }

    async def _create(self, namespace: str, name: str, body: JsonObject) -> None:
        meta = {"name": name, "namespace": namespace}
        await self._cluster.create(paths.events(namespace), {"metadata": meta, **body})


def _involved(kind: str, obj: JsonObject) -> JsonObject:
    meta = obj["metadata"]
    return {
        "kind": kind,
        "namespace": meta["namespace"],
        "name": meta["name"],
        "uid": meta["uid"],
        "apiVersion": API_VERSIONS.get(kind, "v1"),
        "resourceVersion": meta["resourceVersion"],
    }
