"""Create, update and delete as a real API server does them.

Implemented: resource versions and generations, generated names, finalizers, graceful deletion of pods,
propagation policies, preconditions, dry runs
and Pod Security. A deleted namespace is emptied at once.
"""

import base64
import secrets
import uuid
from datetime import timedelta

from kronkeep_common.clock import Clock
from kronkeep_daemon.embedded.apiserver import (
    defaults,
    field_types,
    pod_security,
    status_responses,
    validation,
)
from kronkeep_daemon.embedded.apiserver.log_store import LogStore
from kronkeep_daemon.embedded.apiserver.object_store import ObjectStore
from kronkeep_daemon.embedded.apiserver.resources import BY_PATH, RESOURCES, Resource
from kronkeep_daemon.embedded.apiserver.volume_objects import DEFINITIONS
from kronkeep_daemon.kube.json_copy import copy_json
from kronkeep_daemon.kube.objects import JsonObject
from kronkeep_daemon.kube.timestamps import format_timestamp

NAMESPACES = BY_PATH["", "v1", "namespaces"]
DEFAULT_GRACE_SECONDS = 30
_NAME_LETTERS = "bcdfghjklmnpqrstvwxz2456789"  # Kubernetes' own alphabet for generated names
_NAME_LENGTH = 5
_FIXED_METADATA = ("name", "namespace", "uid", "creationTimestamp", "generation", "deletionTimestamp")


class ObjectOperations:
    """Changes of objects in the store; every refusal is a status_responses.Refusal."""

    def __init__(self, store: ObjectStore, logs: LogStore, clock: Clock) -> None:
        self._store = store
        self._logs = logs
        self._clock = clock

    def served_resources(self) -> list[Resource]:
        """Return the kinds that are served: those built in, and custom ones that are defined."""
        return [resource for resource in RESOURCES if not resource.custom or self._is_defined(resource)]

    def _is_defined(self, resource: Resource) -> bool:
        return self._store.get(DEFINITIONS, "", resource.qualified) is not None

    def create(
        self, resource: Resource, namespace: str, body: JsonObject, *, dry_run: bool, strict: bool
    ) -> JsonObject:
        """Add an object; with `strict` unknown fields are refused, otherwise they are dropped.

        Refusals: 404 without its namespace, 409 for a name that exists, 422 for an invalid object.
        """
        obj = copy_json(body)
        field_types.check_field_types(resource.kind, obj)
        meta = obj.setdefault("metadata", {})
        if resource.namespaced:
            if self._store.get(NAMESPACES, "", namespace) is None:
                raise status_responses.namespace_not_found(namespace)
            meta["namespace"] = namespace
        if not meta.get("name"):
            meta["name"] = _generate_name(meta)
        self._set_initial_fields(resource, obj)
        if strict:
            validation.refuse_unknown_fields(resource, obj)
        validation.drop_unknown_fields(resource, obj)
        defaults.apply_defaults(resource, obj)
        validation.check_object(resource, obj, None)
        if resource.kind == "Pod":
            self._check_pod_security(resource, obj)
        if self._store.get(resource, meta.get("namespace", ""), meta["name"]) is not None:
            raise status_responses.name_conflict(resource, meta["name"])
        if dry_run:
            return obj
        if resource.dry_run_only:
            explanation = (
                f"nothing acts on a {resource.kind} in the embedded cluster: only dry runs are answered"
            )
            raise status_responses.access_denied(resource, meta["name"], explanation)
        return self._store.put(resource, obj)

    def _check_pod_security(self, resource: Resource, pod: JsonObject) -> None:
        """Raise a 403 Refusal for a pod that the level of its namespace does not allow."""
        meta = pod["metadata"]
        namespace = self._store.get(NAMESPACES, "", meta["namespace"]) or {}
        labels = (namespace.get("metadata") or {}).get("labels") or {}
        if labels.get(pod_security.ENFORCE_LABEL) != "restricted":
            return
        violations = pod_security.find_violations(pod["spec"])
        if violations:
            explanation = f'violates PodSecurity "restricted:latest": {", ".join(violations)}'
            raise status_responses.access_denied(resource, meta["name"], explanation)

    def _set_initial_fields(self, resource: Resource, obj: JsonObject) -> None:
        for key in ("kind", "apiVersion"):
            obj.pop(key, None)
        meta = obj["metadata"]
        for key in ("resourceVersion", "deletionTimestamp", "selfLink", "managedFields"):
            meta.pop(key, None)
        meta["uid"] = str(uuid.uuid4())
        meta["creationTimestamp"] = format_timestamp(self._clock.now())
        if "spec" in obj and resource.kind in ("CronJob", "Job", "Pod"):
            meta["generation"] = 1
        if resource.status and resource.kind != "Node":
            obj.pop("status", None)
        if resource.kind == "Secret" and "stringData" in obj:
            _encode_string_data(obj)

    def update(
        self, resource: Resource, old: JsonObject, body: JsonObject, *, subresource: str, dry_run: bool
    ) -> JsonObject:
        """Replace an object, or only its status where `subresource` is "status".

        Refusals: 409 for a stale version or another uid, 422 for an invalid object.
        """
        new = copy_json(body)
        field_types.check_field_types(resource.kind, new)
        for key in ("kind", "apiVersion"):
            new.pop(key, None)
        self._keep_fixed_metadata(resource, old, new)
        new = self._merge_subresource(resource, old, new, subresource)
        if resource.kind == "Pod" and new["spec"].get("nodeName") and not old["spec"].get("nodeName"):
            scheduled = {"type": "PodScheduled", "status": "True", "lastProbeTime": None}
            scheduled["lastTransitionTime"] = format_timestamp(self._clock.now())
            new["status"]["conditions"] = [scheduled]
        defaults.apply_defaults(resource, new)
        validation.check_object(resource, new, old)
        return self._write(resource, old, new, dry_run)

    @staticmethod
    def _keep_fixed_metadata(resource: Resource, old: JsonObject, new: JsonObject) -> None:
        """Check version and uid of an update, and undo changes of metadata that only the server sets."""
        meta = new.setdefault("metadata", {})
        before = old["metadata"]
        if meta.get("resourceVersion") not in (None, "", before["resourceVersion"]):
            raise status_responses.version_conflict(resource, before["name"])
        if meta.get("uid") not in (None, "", before["uid"]):
            raise status_responses.precondition_conflict(
                resource, before["name"], field="UID", expected=meta["uid"], actual=before["uid"]
            )
        meta.pop("managedFields", None)
        for key in _FIXED_METADATA:
            if key in before:
                meta[key] = before[key]
            else:
                meta.pop(key, None)

    @staticmethod
    def _merge_subresource(
        resource: Resource, old: JsonObject, new: JsonObject, subresource: str
    ) -> JsonObject:
        """Return the updated object: a status update changes only the status, any other leaves it alone."""
        if subresource == "status":
            return {**copy_json(old), "status": new.get("status") or {}}
        if resource.status and resource.kind != "Node":
            return {**new, "status": copy_json(old.get("status") or {})}
        return new

    def _write(self, resource: Resource, old: JsonObject, new: JsonObject, dry_run: bool) -> JsonObject:
        meta = new["metadata"]
        if "generation" in meta and new.get("spec") != old.get("spec"):
            meta["generation"] += 1
        if dry_run:
            return new
        if meta.get("deletionTimestamp") and not meta.get("finalizers") and not _awaits_agent(resource, new):
            return self._remove(resource, new)
        # An update that changes nothing takes no version and sends no event; `kubectl apply` relies on it.
        meta["resourceVersion"] = old["metadata"]["resourceVersion"]
        return old if new == old else self._store.put(resource, new)

    def delete(
        self, resource: Resource, obj: JsonObject, options: JsonObject, *, dry_run: bool
    ) -> tuple[JsonObject, bool]:
        """Delete an object, or begin to; return its last state and whether it has been removed.

        `options` are DeleteOptions. Refusal: 409 for a precondition that does not hold.
        """
        meta = obj["metadata"]
        _check_preconditions(resource, meta, options.get("preconditions") or {})
        if dry_run:
            return obj, True
        policy = options.get("propagationPolicy") or ("Orphan" if resource.kind == "Job" else "Background")
        if policy == "Orphan":
            self._orphan_dependents(meta["uid"])
        if resource is NAMESPACES:
            self._empty_namespace(meta["name"])
        new = copy_json(obj)
        if policy == "Foreground" and "foregroundDeletion" not in (meta.get("finalizers") or []):
            new["metadata"].setdefault("finalizers", []).append("foregroundDeletion")
        return self._begin_deletion(resource, obj, new, options.get("gracePeriodSeconds"))

    def _begin_deletion(
        self, resource: Resource, obj: JsonObject, new: JsonObject, grace_seconds: int | None
    ) -> tuple[JsonObject, bool]:
        """Set the deletion's time, or remove the object where nothing has to be waited for.

        A later request may shorten the grace period, but not prolong it.
        """
        meta = new["metadata"]
        seconds = _grace_seconds(resource, obj, grace_seconds)
        if "deletionTimestamp" not in meta or seconds < meta.get("deletionGracePeriodSeconds", seconds):
            meta["deletionTimestamp"] = format_timestamp(self._clock.now() + timedelta(seconds=seconds))
            meta["deletionGracePeriodSeconds"] = seconds
            if "generation" in meta and "deletionTimestamp" not in obj["metadata"]:
                meta["generation"] += 1
        if meta.get("finalizers") or seconds:
            return (obj if new == obj else self._store.put(resource, new)), False
        return self._remove(resource, obj), True

    def _remove(self, resource: Resource, obj: JsonObject) -> JsonObject:
        if resource.kind == "Pod":
            self._logs.remove(obj["metadata"]["uid"])
        if resource is DEFINITIONS:
            self._remove_custom_objects(obj["metadata"]["name"])
        return self._store.remove(resource, obj)

    def _remove_custom_objects(self, definition: str) -> None:
        """Remove all objects of the kind that a CustomResourceDefinition defines."""
        for resource in RESOURCES:
            if resource.custom and resource.qualified == definition:
                for obj in self._store.all(resource, None):
                    self._store.remove(resource, obj)

    def _orphan_dependents(self, uid: str) -> None:
        """Remove an owner's reference from its dependents, so that the garbage collector leaves them."""
        for resource in RESOURCES:
            for obj in self._store.all(resource, None):
                owners = obj["metadata"].get("ownerReferences") or []
                others = [owner for owner in owners if owner.get("uid") != uid]
                if len(others) < len(owners):
                    new = copy_json(obj)
                    new["metadata"]["ownerReferences"] = others
                    self._store.put(resource, new)

    def _empty_namespace(self, namespace: str) -> None:
        for resource in RESOURCES:
            if resource.namespaced:
                for obj in self._store.all(resource, namespace):
                    self._remove(resource, obj)


def _generate_name(meta: JsonObject) -> str:
    if not meta.get("generateName"):
        raise status_responses.bad_request("name or generateName is required")
    suffix = "".join(secrets.choice(_NAME_LETTERS) for _ in range(_NAME_LENGTH))
    return f"{meta['generateName']}{suffix}"


def _encode_string_data(secret: JsonObject) -> None:
    """Move the texts of `stringData` to `data`, in base64."""
    texts = secret.pop("stringData")
    encoded = {key: base64.b64encode(text.encode()).decode() for key, text in texts.items()}
    secret.setdefault("data", {}).update(encoded)


def _awaits_agent(resource: Resource, obj: JsonObject) -> bool:
    """Whether a pod that is being deleted still waits for the agent of its node."""
    if resource.kind != "Pod" or not (obj.get("spec") or {}).get("nodeName"):
        return False
    return bool(obj["metadata"].get("deletionGracePeriodSeconds"))


def _grace_seconds(resource: Resource, obj: JsonObject, requested: int | None) -> int:
    """Return the grace period of a deletion; only pods that run on a node have one."""
    if resource.kind != "Pod" or not (obj.get("spec") or {}).get("nodeName"):
        return 0
    if (obj.get("status") or {}).get("phase") in ("Succeeded", "Failed"):
        return 0
    if requested is not None:
        return requested
    return int(obj["spec"].get("terminationGracePeriodSeconds", DEFAULT_GRACE_SECONDS))


def _check_preconditions(resource: Resource, meta: JsonObject, expected: JsonObject) -> None:
    for field, key in (("UID", "uid"), ("ResourceVersion", "resourceVersion")):
        if expected.get(key) not in (None, meta[key]):
            raise status_responses.precondition_conflict(
                resource, meta["name"], field=field, expected=expected[key], actual=meta[key]
            )
