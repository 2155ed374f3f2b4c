"""What each verb does to the objects, as a real API server does it: versions, generations, finalizers,
graceful deletion of pods, preconditions, dry run."""

import copy
import secrets
import uuid
from datetime import datetime, timedelta

from kronkeep_common.clock import Clock
from kronkeep_daemon.embedded.apiserver import defaults, field_types, status_responses, validation
from kronkeep_daemon.embedded.apiserver.log_store import Logs
from kronkeep_daemon.embedded.apiserver.object_store import Store
from kronkeep_daemon.embedded.apiserver.resources import BY_PATH, RESOURCES, Resource
from kronkeep_daemon.kube.objects import JsonObject

NAMESPACES = BY_PATH["", "v1", "namespaces"]
_LETTERS = "bcdfghjklmnpqrstvwxz2456789"  # Kubernetes' own alphabet for generated names


def stamp(moment: datetime) -> str:
    """A metav1.Time: whole seconds, UTC."""
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


class Operations:
    """create, update, delete on the store; every refusal is a status.Refusal."""

    def __init__(self, store: Store, logs: Logs, clock: Clock) -> None:
        self._store = store
        self._logs = logs
        self._clock = clock

    def create(
        self, resource: Resource, namespace: str, body: JsonObject, *, dry: bool, strict: bool
    ) -> JsonObject:
        """Adds an object; 404 without its namespace, 409 for a taken name, 422 for an invalid one."""
        obj = copy.deepcopy(body)
        field_types.check(resource.kind, obj)
        meta = obj.setdefault("metadata", {})
        if resource.namespaced:
            if self._store.get(NAMESPACES, "", namespace) is None:
                raise validation.namespace_missing(namespace)
            meta["namespace"] = namespace
        if not meta.get("name"):
            if not meta.get("generateName"):
                raise status_responses.bad_request("name or generateName is required")
            meta["name"] = meta["generateName"] + "".join(secrets.choice(_LETTERS) for _ in range(5))
        self._birth(resource, obj)
        validation.drop_unknown(resource, obj, strict)
        defaults.fill(resource, obj)
        validation.check(resource, obj, None)
        if self._store.get(resource, meta.get("namespace", ""), meta["name"]) is not None:
            raise status_responses.already_exists(resource, meta["name"])
        return obj if dry else self._store.put(resource, obj)

    def _birth(self, resource: Resource, obj: JsonObject) -> None:
        for key in ("kind", "apiVersion"):
            obj.pop(key, None)
        meta = obj["metadata"]
        for key in ("resourceVersion", "deletionTimestamp", "selfLink", "managedFields"):
            meta.pop(key, None)
        meta["uid"] = str(uuid.uuid4())
        meta["creationTimestamp"] = stamp(self._clock.now())
        if "spec" in obj and resource.kind in ("CronJob", "Job", "Pod"):
            meta["generation"] = 1
        if resource.status and resource.kind != "Node":
            obj.pop("status", None)
        if resource.kind == "Secret" and "stringData" in obj:
            import base64

            plain = obj.pop("stringData")
            obj.setdefault("data", {}).update(
                {key: base64.b64encode(value.encode()).decode() for key, value in plain.items()}
            )

    def update(
        self, resource: Resource, old: JsonObject, body: JsonObject, *, subresource: str, dry: bool
    ) -> JsonObject:
        """Replaces an object (or only its status); 409 for a stale version, 422 for an invalid one."""
        new = copy.deepcopy(body)
        field_types.check(resource.kind, new)
        for key in ("kind", "apiVersion"):
            new.pop(key, None)
        meta = new.setdefault("metadata", {})
        before = old["metadata"]
        if meta.get("resourceVersion") not in (None, "", before["resourceVersion"]):
            raise status_responses.modified(resource, before["name"])
        if meta.get("uid") not in (None, "", before["uid"]):
            raise status_responses.precondition(resource, before["name"], "UID", meta["uid"], before["uid"])
        kept = ("name", "namespace", "uid", "creationTimestamp", "generation", "deletionTimestamp")
        meta.pop("managedFields", None)
        for key in kept:
            if key in before:
                meta[key] = before[key]
            else:
                meta.pop(key, None)
        new = self._merge_subresource(resource, old, new, subresource)
        if resource.kind == "Pod" and new["spec"].get("nodeName") and not old["spec"].get("nodeName"):
            scheduled = {"type": "PodScheduled", "status": "True", "lastProbeTime": None}
            scheduled["lastTransitionTime"] = stamp(self._clock.now())
            new["status"]["conditions"] = [scheduled]
        defaults.fill(resource, new)
        validation.check(resource, new, old)
        return self._write(resource, old, new, dry)

    @staticmethod
    def _merge_subresource(
        resource: Resource, old: JsonObject, new: JsonObject, subresource: str
    ) -> JsonObject:
        """A status update changes only the status; any other leaves the status alone."""
        if subresource == "status":
            return {**copy.deepcopy(old), "status": new.get("status") or {}}
        if resource.status and resource.kind != "Node":
            return {**new, "status": copy.deepcopy(old.get("status") or {})}
        return new

    def _write(self, resource: Resource, old: JsonObject, new: JsonObject, dry: bool) -> JsonObject:
        meta = new["metadata"]
        if "generation" in meta and new.get("spec") != old.get("spec"):
            meta["generation"] += 1
        if dry:
            return new
        if meta.get("deletionTimestamp") and not meta.get("finalizers") and not self._graceful(resource, new):
            return self._remove(resource, new)
        meta["resourceVersion"] = old["metadata"]["resourceVersion"]
        return old if new == old else self._store.put(resource, new)

    @staticmethod
    def _graceful(resource: Resource, obj: JsonObject) -> bool:
        """Whether a pod that is being deleted still waits for its node's agent."""
        if resource.kind != "Pod" or not (obj.get("spec") or {}).get("nodeName"):
            return False
        return bool(obj["metadata"].get("deletionGracePeriodSeconds"))

    def delete(
        self, resource: Resource, obj: JsonObject, options: JsonObject, *, dry: bool
    ) -> tuple[JsonObject, bool]:
        """Deletes, or begins to; returns the last state and whether it is gone."""
        meta = obj["metadata"]
        self._preconditions(resource, meta, options.get("preconditions") or {})
        if dry:
            return obj, True
        policy = options.get("propagationPolicy") or ("Orphan" if resource.kind == "Job" else "Background")
        if policy == "Orphan":
            self._orphan(meta["uid"])
        if resource is NAMESPACES:
            self._empty(meta["name"])
        new = copy.deepcopy(obj)
        if policy == "Foreground" and "foregroundDeletion" not in (meta.get("finalizers") or []):
            new["metadata"].setdefault("finalizers", []).append("foregroundDeletion")
        return self._begin(resource, obj, new, options.get("gracePeriodSeconds"))

    def _begin(
        self, resource: Resource, obj: JsonObject, new: JsonObject, grace: int | None
    ) -> tuple[JsonObject, bool]:
        meta = new["metadata"]
        seconds = self._grace(resource, obj, grace)
        now = self._clock.now()
        if "deletionTimestamp" not in meta or seconds < meta.get("deletionGracePeriodSeconds", seconds):
            meta["deletionTimestamp"] = stamp(now + timedelta(seconds=seconds))
            meta["deletionGracePeriodSeconds"] = seconds
            if "generation" in meta and "deletionTimestamp" not in obj["metadata"]:
                meta["generation"] += 1
        if meta.get("finalizers") or seconds:
            return (obj if new == obj else self._store.put(resource, new)), False
        return self._remove(resource, obj), True

    @staticmethod
    def _grace(resource: Resource, obj: JsonObject, asked: int | None) -> int:
        if resource.kind != "Pod" or not (obj.get("spec") or {}).get("nodeName"):
            return 0
        if (obj.get("status") or {}).get("phase") in ("Succeeded", "Failed"):
            return 0
        return int(obj["spec"].get("terminationGracePeriodSeconds", 30)) if asked is None else asked

    def _remove(self, resource: Resource, obj: JsonObject) -> JsonObject:
        if resource.kind == "Pod":
            self._logs.remove(obj["metadata"]["uid"])
        return self._store.remove(resource, obj)

    def _preconditions(self, resource: Resource, meta: JsonObject, wanted: JsonObject) -> None:
        for field, key in (("UID", "uid"), ("ResourceVersion", "resourceVersion")):
            if wanted.get(key) not in (None, meta[key]):
                raise status_responses.precondition(resource, meta["name"], field, wanted[key], meta[key])

    def _orphan(self, uid: str) -> None:
        """Takes the owner out of its dependents, so that the garbage collector leaves them."""
        for resource in RESOURCES:
            for obj in self._store.all(resource, None):
                owners = obj["metadata"].get("ownerReferences") or []
                if any(owner.get("uid") == uid for owner in owners):
                    new = copy.deepcopy(obj)
                    new["metadata"]["ownerReferences"] = [o for o in owners if o.get("uid") != uid]
                    self._store.put(resource, new)

    def _empty(self, namespace: str) -> None:
        for resource in RESOURCES:
            if resource.namespaced:
                for obj in self._store.all(resource, namespace):
                    self._remove(resource, obj)
