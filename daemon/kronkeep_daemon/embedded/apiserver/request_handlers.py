"""What each method does at a path: lists, watches, objects, patches; answers in JSON or as Tables."""

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, NamedTuple

import msgspec
import yaml
from aiohttp import web

from kronkeep_daemon.embedded.apiserver import patches, protobuf, selectors, status_responses, tables
from kronkeep_daemon.embedded.apiserver.discovery import OLD_CRONJOBS
from kronkeep_daemon.embedded.apiserver.list_pages import page
from kronkeep_daemon.embedded.apiserver.object_operations import Operations
from kronkeep_daemon.embedded.apiserver.object_store import Store
from kronkeep_daemon.embedded.apiserver.resources import BY_PATH, SUBRESOURCES, Resource
from kronkeep_daemon.embedded.apiserver.watch_streams import Start, Watch
from kronkeep_daemon.kube.objects import JsonObject

Selected = Callable[[JsonObject], bool]
Answer = Awaitable[web.StreamResponse]
CRONJOBS = BY_PATH["batch", "v1", "cronjobs"]
TABLE = "as=Table"
_YES = ("1", "true")


class Target(NamedTuple):
    """What a path points at, and the version in which its objects are shown."""

    resource: Resource
    namespace: str | None
    name: str | None
    subresource: str
    api_version: str

    def full(self, obj: JsonObject) -> JsonObject:
        """An object of the store with its kind."""
        return {"kind": self.resource.kind, "apiVersion": self.api_version, **obj}


class Verbs:
    """The handlers, by method and whether the path names an object."""

    def __init__(self, store: Store, operations: Operations) -> None:
        self._store = store
        self._operations = operations

    def find(self, method: str, target: Target) -> Callable[[web.Request, Target], Answer] | None:
        """The handler, or None for a method that is not served there."""
        handlers = {
            "GET item": self._get,
            "GET collection": self._list,
            "POST collection": self._create,
            "PUT item": self._replace,
            "PATCH item": self._patch,
            "DELETE item": self._delete,
            "DELETE collection": self._delete_collection,
        }
        return handlers.get(f"{method} {'item' if target.name else 'collection'}")

    def object(self, target: Target) -> JsonObject:
        """The object that the path names; raises a 404 Refusal."""
        obj = self._store.get(target.resource, target.namespace or "", target.name or "")
        if obj is None:
            raise status_responses.not_found(target.resource, target.name or "")
        return obj

    async def _get(self, request: web.Request, target: Target) -> web.StreamResponse:
        obj = self.object(target)
        if TABLE in request.headers.get("Accept", ""):
            meta = {"resourceVersion": obj["metadata"]["resourceVersion"]}
            return answer(tables.table(target.resource, [obj], meta))
        return answer(target.full(obj))

    async def _list(self, request: web.Request, target: Target) -> web.StreamResponse:
        selected = _selected(request, target)
        if is_watch(request):
            return await self._watch(request, target, selected)
        _check_version(request, self._store.version)
        found = [obj for obj in self._store.all(target.resource, target.namespace) if selected(obj)]
        items, meta = page(found, self._store.version, request.query)
        if TABLE in request.headers.get("Accept", ""):
            return answer(tables.table(target.resource, items, meta))
        kind = f"{target.resource.kind}List"
        return answer({"kind": kind, "apiVersion": target.api_version, "metadata": meta, "items": items})

    async def _watch(self, request: web.Request, target: Target, selected: Selected) -> web.StreamResponse:
        watch = Watch(
            store=self._store,
            resource=target.resource,
            api_version=target.api_version,
            selected=selected,
            as_table=TABLE in request.headers.get("Accept", ""),
            bookmarks=request.query.get("allowWatchBookmarks") in _YES,
        )

        def existing() -> list[JsonObject]:
            return [obj for obj in self._store.all(target.resource, target.namespace) if selected(obj)]

        lines = watch.lines(_start(request), float(request.query.get("timeoutSeconds", "3000")), existing)
        return await stream(request, lines, "application/json")

    async def _create(self, request: web.Request, target: Target) -> web.StreamResponse:
        body = await self.body(request)
        namespace = target.namespace or (body.get("metadata") or {}).get("namespace") or "default"
        strict = request.query.get("fieldValidation") == "Strict"
        obj = self._operations.create(target.resource, namespace, body, dry=_dry(request), strict=strict)
        await self._store.durable()
        return answer(target.full(obj), 201)

    async def _replace(self, request: web.Request, target: Target) -> web.StreamResponse:
        return await self._update(request, target, self.object(target), await self.body(request))

    async def _patch(self, request: web.Request, target: Target) -> web.StreamResponse:
        kind = request.content_type
        raw = await request.read()
        patch = _yaml(raw) if kind == "application/apply-patch+yaml" else decode(raw)
        if kind != "application/json-patch+json":
            shaped(patch)
        if kind == "application/apply-patch+yaml" and self._missing(target):
            patch = shaped(patch)
            patch.setdefault("metadata", {})["name"] = target.name
            obj = self._operations.create(
                target.resource, target.namespace or "", patch, dry=_dry(request), strict=False
            )
            await self._store.durable()
            return answer(target.full(obj), 201)
        old = self.object(target)
        if kind == "application/json-patch+json":
            new = shaped(patches.json_patch(old, patch))
        elif kind == "application/merge-patch+json":
            new = patches.merge(old, patch)
        elif kind in ("application/strategic-merge-patch+json", "application/apply-patch+yaml"):
            new = patches.strategic(old, patch)
        else:
            raise status_responses.Refusal(
                code=415,
                reason="UnsupportedMediaType",
                message=f"the body of the request was in an unknown format: {kind}",
            )
        if isinstance(patch, list) or "resourceVersion" not in (patch.get("metadata") or {}):
            new["metadata"] = {**new["metadata"], "resourceVersion": old["metadata"]["resourceVersion"]}
        return await self._update(request, target, old, new)

    def _missing(self, target: Target) -> bool:
        return self._store.get(target.resource, target.namespace or "", target.name or "") is None

    async def _update(
        self, request: web.Request, target: Target, old: JsonObject, new: JsonObject
    ) -> web.StreamResponse:
        obj = self._operations.update(
            target.resource, old, new, subresource=target.subresource, dry=_dry(request)
        )
        await self._store.durable()
        return answer(target.full(obj))

    async def _delete(self, request: web.Request, target: Target) -> web.StreamResponse:
        obj = self.object(target)
        options = _delete_options(request, await request.read())
        last, gone = self._operations.delete(target.resource, obj, options, dry=_dry(request))
        await self._store.durable()
        if gone:
            return answer(
                status_responses.success(target.resource, last["metadata"]["name"], last["metadata"]["uid"])
            )
        return answer(target.full(last))

    async def _delete_collection(self, request: web.Request, target: Target) -> web.StreamResponse:
        selected = _selected(request, target)
        options = _delete_options(request, await request.read())
        for obj in self._store.all(target.resource, target.namespace):
            if selected(obj):
                self._operations.delete(target.resource, obj, options, dry=_dry(request))
        await self._store.durable()
        return answer({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success"})

    async def body(self, request: web.Request) -> JsonObject:
        """The object sent, in JSON or protobuf; raises a 400 or 415 Refusal."""
        raw = await request.read()
        if request.content_type != protobuf.CONTENT_TYPE:
            return shaped(decode(raw))
        meta = protobuf.decode(raw, lacking=frozenset({"spec"}))
        owners = (meta.get("metadata") or {}).get("ownerReferences")
        return (
            self._from_cronjob(meta, owners[0]) if meta["kind"] == "Job" and owners else protobuf.decode(raw)
        )

    def _from_cronjob(self, job: JsonObject, owner: JsonObject) -> JsonObject:
        """The Job of `create job --from=cronjob/...`: kubectl copies the CronJob's template, and so do we.

        It saves reading all that a pod's spec may hold in protobuf.
        """
        found = [c for c in self._store.all(CRONJOBS, None) if c["metadata"]["uid"] == owner["uid"]]
        if not found:
            raise status_responses.not_found(CRONJOBS, owner["name"])
        template = found[0]["spec"]["jobTemplate"]
        for key in ("labels", "annotations"):
            merged = {**(template["metadata"].get(key) or {}), **job["metadata"].get(key, {})}
            if merged:
                job["metadata"][key] = merged
        return {**job, "spec": template["spec"]}


def target_of(path: str, old: bool) -> Target:
    """What a path points at; `old` kubectls see CronJobs in v1beta1 too. Raises a 404 Refusal."""
    parts = path.strip("/").split("/")
    if parts[:2] == ["api", "v1"]:
        group = ""
        version = "v1"
        rest = parts[2:]
    elif parts[0] == "apis" and len(parts) > 3:
        group = parts[1]
        version = parts[2]
        rest = parts[3:]
    else:
        raise status_responses.no_path()
    namespace = None
    if rest and rest[0] == "namespaces" and len(rest) > 2 and rest[2] != "status":
        namespace = rest[1]
        rest = rest[2:]
    shown = f"{group}/{version}" if group else version
    if old and (group, version, rest[:1]) == ("batch", OLD_CRONJOBS, ["cronjobs"]):
        version = "v1"
    resource = BY_PATH.get((group, version, rest[0])) if rest else None
    if resource is None or len(rest) > 3 or (resource.namespaced and len(rest) > 1 and namespace is None):
        raise status_responses.no_path()
    subresource = rest[2] if len(rest) > 2 else ""
    if subresource and not _has(resource, subresource):
        raise status_responses.no_path()
    return Target(
        resource=resource,
        namespace=namespace,
        name=rest[1] if len(rest) > 1 else None,
        subresource=subresource,
        api_version=shown,
    )


def _has(resource: Resource, subresource: str) -> bool:
    if subresource == "status":
        return resource.status
    return subresource in SUBRESOURCES.get(resource.plural, ())


def _selected(request: web.Request, target: Target) -> Selected:
    tests = [selectors.labels(request.query.get("labelSelector", ""))]
    tests.append(selectors.fields(request.query.get("fieldSelector", "")))
    if target.namespace is not None:
        tests.append(lambda obj: obj["metadata"].get("namespace") == target.namespace)
    return lambda obj: all(test(obj) for test in tests)


def is_watch(request: web.Request) -> bool:
    """Whether a list is to go on."""
    return request.query.get("watch") in _YES


def _start(request: web.Request) -> Start:
    """Where a watch begins; with sendInitialEvents a bookmark says that all there is has been sent."""
    query = request.query
    version = query.get("resourceVersion", "")
    if version and not version.isdigit():
        raise status_responses.Refusal(
            code=400, reason="BadRequest", message=f"Invalid resource version {json.dumps(version)}"
        )
    initial = query.get("sendInitialEvents") == "true"
    if initial and "resourceVersionMatch" not in query:
        words = "sendInitialEvents requires setting resourceVersionMatch to NotOlderThan"
        raise status_responses.Refusal(code=422, reason="Invalid", message=words)
    existing = initial or version in ("", "0")
    return Start(None if existing else int(version), mark_end=initial)


def decode(raw: bytes) -> Any:
    """JSON; raises a 400 Refusal."""
    try:
        return msgspec.json.decode(raw)
    except msgspec.DecodeError as fault:
        raise status_responses.bad_request(f"the object provided is unrecognized: {fault}") from fault


def shaped(value: Any) -> JsonObject:
    """The value, where it can be an object at all; raises a 400 Refusal."""
    parts = [value.get(key) for key in ("metadata", "spec")] if isinstance(value, dict) else [0]
    if any(part is not None and not isinstance(part, dict) for part in parts):
        raise status_responses.bad_request(
            "the object provided is unrecognized: it has no metadata and spec as objects"
        )
    found: JsonObject = {key: entry for key, entry in value.items() if entry is not None}
    return found


def _yaml(raw: bytes) -> Any:
    try:
        return yaml.load(raw, yaml.CSafeLoader)
    except yaml.YAMLError as fault:
        raise status_responses.bad_request(f"error decoding YAML: {fault}") from fault


def answer(body: JsonObject, code: int = 200) -> web.Response:
    """JSON."""
    return web.Response(body=msgspec.json.encode(body), status=code, content_type="application/json")


def _dry(request: web.Request) -> bool:
    return request.query.get("dryRun") == "All"


def _delete_options(request: web.Request, raw: bytes) -> JsonObject:
    encoded = raw and request.content_type == protobuf.CONTENT_TYPE
    body = protobuf.decode(raw) if encoded else shaped(decode(raw)) if raw else {}
    for key in ("propagationPolicy", "gracePeriodSeconds"):
        if key in request.query:
            body[key] = int(request.query[key]) if key == "gracePeriodSeconds" else request.query[key]
    return body


def _check_version(request: web.Request, current: int) -> None:
    wanted = request.query.get("resourceVersion", "")
    if wanted.isdigit() and int(wanted) > current and "continue" not in request.query:
        raise status_responses.too_large(int(wanted), current)


async def stream(request: web.Request, lines: AsyncIterator[bytes], kind: str) -> web.StreamResponse:
    """An answer in chunks, until the lines end or the client goes."""
    response = web.StreamResponse(headers={"Content-Type": kind})
    response.enable_chunked_encoding()
    await response.prepare(request)
    try:
        async for line in lines:
            await response.write(line)
    except ConnectionResetError:
        return response
    return response
