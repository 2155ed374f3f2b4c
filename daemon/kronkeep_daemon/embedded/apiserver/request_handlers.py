"""What each HTTP method does at a path: lists, watches, single objects, patches.

Answers are JSON, or the Tables that `kubectl get` asks for.
"""

import json
from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web

from kronkeep_daemon.embedded.apiserver import patches, protobuf, status_responses, tables, validation
from kronkeep_daemon.embedded.apiserver.http_responses import json_response, stream_response
from kronkeep_daemon.embedded.apiserver.list_pages import cut_page
from kronkeep_daemon.embedded.apiserver.object_operations import ObjectOperations
from kronkeep_daemon.embedded.apiserver.object_store import ObjectStore
from kronkeep_daemon.embedded.apiserver.request_bodies import (
    decode_json,
    decode_yaml,
    read_delete_options,
    require_object,
)
from kronkeep_daemon.embedded.apiserver.request_target import Target
from kronkeep_daemon.embedded.apiserver.resources import BY_PATH
from kronkeep_daemon.embedded.apiserver.selectors import parse_selector
from kronkeep_daemon.embedded.apiserver.watch_streams import WatchStart, WatchStream
from kronkeep_daemon.kube.objects import JsonObject

Handler = Callable[[web.Request, Target], Awaitable[web.StreamResponse]]
CRONJOBS = BY_PATH["batch", "v1", "cronjobs"]
TABLE = "as=Table"
APPLY_PATCH = "application/apply-patch+yaml"
JSON_PATCH = "application/json-patch+json"
MERGE_PATCH = "application/merge-patch+json"
STRATEGIC_PATCH = "application/strategic-merge-patch+json"
DEFAULT_WATCH_SECONDS = "3000"
_TRUE = ("1", "true")


class RequestHandlers:
    """The handlers of all resources, by method and by whether the path names an object."""

    def __init__(self, store: ObjectStore, operations: ObjectOperations) -> None:
        self._store = store
        self._operations = operations
        self._item_handlers: dict[str, Handler] = {
            "GET": self._get,
            "PUT": self._replace,
            "PATCH": self._patch,
            "DELETE": self._delete,
        }
        self._collection_handlers: dict[str, Handler] = {
            "GET": self._list,
            "POST": self._create,
            "DELETE": self._delete_collection,
        }

    def handler_for(self, method: str, target: Target) -> Handler | None:
        """Return the handler, None for a method that is not allowed there."""
        handlers = self._item_handlers if target.name else self._collection_handlers
        return handlers.get(method)

    def find_object(self, target: Target) -> JsonObject:
        """Return the object that the path names; raises a 404 Refusal."""
        obj = self._get_stored(target)
        if obj is None:
            raise status_responses.object_not_found(target.resource, target.name or "")
        return obj

    def _get_stored(self, target: Target) -> JsonObject | None:
        return self._store.get(target.resource, target.namespace or "", target.name or "")

    async def _get(self, request: web.Request, target: Target) -> web.StreamResponse:
        obj = self.find_object(target)
        if _wants_table(request):
            meta = {"resourceVersion": obj["metadata"]["resourceVersion"]}
            return json_response(tables.build_table(target.resource, [obj], meta))
        return json_response(target.with_kind(obj))

    async def _list(self, request: web.Request, target: Target) -> web.StreamResponse:
        if is_watch(request):
            return await self._watch(request, target)
        selector = parse_selector(request.query, target.namespace)
        _require_known_version(request, self._store.version)
        objects = [obj for obj in self._store.all(target.resource, target.namespace) if selector.matches(obj)]
        items, meta = cut_page(objects, self._store.version, request.query)
        if _wants_table(request):
            return json_response(tables.build_table(target.resource, items, meta))
        kind = f"{target.resource.kind}List"
        return json_response(
            {"kind": kind, "apiVersion": target.api_version, "metadata": meta, "items": items}
        )

    async def _watch(self, request: web.Request, target: Target) -> web.StreamResponse:
        watch = WatchStream(
            store=self._store,
            resource=target.resource,
            api_version=target.api_version,
            selector=parse_selector(request.query, target.namespace),
            as_table=_wants_table(request),
            bookmarks=request.query.get("allowWatchBookmarks") in _TRUE,
        )
        seconds = float(request.query.get("timeoutSeconds", DEFAULT_WATCH_SECONDS))
        return await stream_response(request, watch.lines(_watch_start(request), seconds), "application/json")

    async def _create(self, request: web.Request, target: Target) -> web.StreamResponse:
        body = await self.read_body(request)
        namespace = target.namespace or (body.get("metadata") or {}).get("namespace") or "default"
        return await self._create_object(request, target, namespace, body, strict=_is_strict(request))

    async def _create_object(
        self, request: web.Request, target: Target, namespace: str, body: JsonObject, *, strict: bool
    ) -> web.StreamResponse:
        dry_run = _is_dry_run(request)
        obj = self._operations.create(target.resource, namespace, body, dry_run=dry_run, strict=strict)
        await self._store.wait_until_committed()
        return json_response(target.with_kind(obj), 201)

    async def _replace(self, request: web.Request, target: Target) -> web.StreamResponse:
        return await self._update(request, target, self.find_object(target), await self.read_body(request))

    async def _patch(self, request: web.Request, target: Target) -> web.StreamResponse:
        content_type = request.content_type
        data = await request.read()
        patch = decode_yaml(data) if content_type == APPLY_PATCH else decode_json(data)
        if content_type != JSON_PATCH:
            require_object(patch)
        if content_type == APPLY_PATCH and self._get_stored(target) is None:
            body = require_object(patch)
            body.setdefault("metadata", {})["name"] = target.name
            return await self._create_object(request, target, target.namespace or "", body, strict=False)
        old = self.find_object(target)
        new = _apply_patch(content_type, old, patch)
        if _is_strict(request):
            validation.refuse_unknown_fields(target.resource, new)
        if isinstance(patch, list) or "resourceVersion" not in (patch.get("metadata") or {}):
            new["metadata"] = {**new["metadata"], "resourceVersion": old["metadata"]["resourceVersion"]}
        return await self._update(request, target, old, new)

    async def _update(
        self, request: web.Request, target: Target, old: JsonObject, new: JsonObject
    ) -> web.StreamResponse:
        obj = self._operations.update(
            target.resource, old, new, subresource=target.subresource, dry_run=_is_dry_run(request)
        )
        await self._store.wait_until_committed()
        return json_response(target.with_kind(obj))

    async def _delete(self, request: web.Request, target: Target) -> web.StreamResponse:
        obj = self.find_object(target)
        options = read_delete_options(request, await request.read())
        last, removed = self._operations.delete(target.resource, obj, options, dry_run=_is_dry_run(request))
        await self._store.wait_until_committed()
        if removed:
            meta = last["metadata"]
            return json_response(
                status_responses.deletion_success(target.resource, meta["name"], meta["uid"])
            )
        return json_response(target.with_kind(last))

    async def _delete_collection(self, request: web.Request, target: Target) -> web.StreamResponse:
        selector = parse_selector(request.query, target.namespace)
        options = read_delete_options(request, await request.read())
        for obj in self._store.all(target.resource, target.namespace):
            if selector.matches(obj):
                self._operations.delete(target.resource, obj, options, dry_run=_is_dry_run(request))
        await self._store.wait_until_committed()
        return json_response({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success"})

    async def read_body(self, request: web.Request) -> JsonObject:
        """Return the object in the request's body; raises a 400 or 415 Refusal."""
        data = await request.read()
        if request.content_type != protobuf.CONTENT_TYPE:
            return require_object(decode_json(data))
        without_spec = protobuf.decode_object(data, skip=frozenset({"spec"}))
        owners = (without_spec.get("metadata") or {}).get("ownerReferences")
        if without_spec["kind"] == "Job" and owners:
            return self._copy_from_cronjob(without_spec, owners[0])
        return protobuf.decode_object(data)

    def _copy_from_cronjob(self, job: JsonObject, owner: JsonObject) -> JsonObject:
        """Return the Job of `create job --from=cronjob/...` with the CronJob's template as its spec.

        kubectl has copied that template into the request. Copying it again saves decoding everything that a
        pod's spec may hold from protobuf.
        """
        cronjobs = self._store.all(CRONJOBS, None)
        cronjob = next((c for c in cronjobs if c["metadata"]["uid"] == owner["uid"]), None)
        if cronjob is None:
            raise status_responses.object_not_found(CRONJOBS, owner["name"])
        template = cronjob["spec"]["jobTemplate"]
        for key in ("labels", "annotations"):
            merged = {**(template["metadata"].get(key) or {}), **job["metadata"].get(key, {})}
            if merged:
                job["metadata"][key] = merged
        return {**job, "spec": template["spec"]}


def is_watch(request: web.Request) -> bool:
    """Whether a list is to be followed by its later changes."""
    return request.query.get("watch") in _TRUE


def _apply_patch(content_type: str, old: JsonObject, patch: Any) -> JsonObject:
    """Return the patched object; raises a 400, 415 or 422 Refusal."""
    new: JsonObject
    if content_type == JSON_PATCH:
        new = require_object(patches.apply_json_patch(old, patch))
    elif content_type == MERGE_PATCH:
        new = patches.apply_merge_patch(old, patch)
    elif content_type in (STRATEGIC_PATCH, APPLY_PATCH):
        new = patches.apply_strategic_patch(old, patch)
    else:
        raise status_responses.Refusal(
            code=415,
            reason="UnsupportedMediaType",
            message=f"the body of the request was in an unknown format: {content_type}",
        )
    return new


def _watch_start(request: web.Request) -> WatchStart:
    """Return where a watch begins; raises a 400 or 422 Refusal.

    With sendInitialEvents a bookmark marks the end of the objects that exist.
    """
    query = request.query
    version = query.get("resourceVersion", "")
    if version and not version.isdigit():
        raise status_responses.bad_request(f"Invalid resource version {json.dumps(version)}")
    initial_events = query.get("sendInitialEvents") == "true"
    if initial_events and "resourceVersionMatch" not in query:
        message = "sendInitialEvents requires setting resourceVersionMatch to NotOlderThan"
        raise status_responses.Refusal(code=422, reason="Invalid", message=message)
    from_existing = initial_events or version in ("", "0")
    return WatchStart(None if from_existing else int(version), mark_end=initial_events)


def _wants_table(request: web.Request) -> bool:
    return TABLE in request.headers.get("Accept", "")


def _is_strict(request: web.Request) -> bool:
    return request.query.get("fieldValidation") == "Strict"


def _is_dry_run(request: web.Request) -> bool:
    return request.query.get("dryRun") == "All"


def _require_known_version(request: web.Request, current: int) -> None:
    """Raise a 504 Refusal for a list at a version that this server has not reached."""
    version = request.query.get("resourceVersion", "")
    if version.isdigit() and int(version) > current and "continue" not in request.query:
        raise status_responses.version_too_large(int(version), current)
