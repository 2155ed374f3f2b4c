"""The HTTP side: one catch-all handler that reads path and query as Kubernetes defines them."""

import json
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import yaml
from aiohttp import web

from kronkeep_common.clock import Clock, SystemClock
from kronkeep_daemon.embedded.apiserver import discovery, patching, protobuf, selectors, status, tables
from kronkeep_daemon.embedded.apiserver.logs import Logs
from kronkeep_daemon.embedded.apiserver.operations import NAMESPACES, Operations
from kronkeep_daemon.embedded.apiserver.pages import page
from kronkeep_daemon.embedded.apiserver.registry import BY_PATH, Resource
from kronkeep_daemon.embedded.apiserver.store import Store
from kronkeep_daemon.embedded.apiserver.watching import Watch

Object = dict[str, Any]
PODS = BY_PATH["", "v1", "pods"]
CRONJOBS = BY_PATH["batch", "v1", "cronjobs"]
MAX_BODY = 3 * 1024 * 1024  # the real server's limit
TABLE = "as=Table"
FIRST_NAMESPACES = ("default", "kube-system", "kronkeep")


class Target(NamedTuple):
    """What a path points at."""

    resource: Resource
    namespace: str | None
    name: str | None
    subresource: str


class ApiServer:
    """Serves the Kubernetes API on 127.0.0.1 with a bearer token; `folder` keeps its state."""

    def __init__(self, folder: Path, clock: Clock) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._store = Store(folder / "objects.sqlite")
        self.logs = Logs(folder / "logs")
        self._operations = Operations(self._store, self.logs, clock)
        self._token = _token(folder / "token")
        self._runner: web.AppRunner | None = None
        self.url = ""

    @classmethod
    async def start(cls, folder: Path, port: int = 0, clock: Clock | None = None) -> "ApiServer":
        """A server that answers; the port is kept in the folder for the next start."""
        server = cls(folder, clock or SystemClock())
        server._first_objects()
        app = web.Application(client_max_size=MAX_BODY)
        app.router.add_route("*", "/{path:.*}", server._handle)
        server._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await server._runner.setup()
        await server._listen(port)
        return server

    async def _listen(self, port: int) -> None:
        assert self._runner is not None
        kept = self._folder / "port"
        wanted = port or (int(kept.read_text()) if kept.exists() else 0)
        try:
            await web.TCPSite(self._runner, "127.0.0.1", wanted).start()
        except OSError:
            if port:
                raise
            await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        found = self._runner.addresses[0][1]
        kept.write_text(str(found))
        self.url = f"http://127.0.0.1:{found}/{self._token}"

    async def run(self) -> None:
        """Commits changes for as long as the server lives; the owner of the server supervises it."""
        await self._store.flush_forever()

    async def close(self) -> None:
        """Ends all requests and commits what is left."""
        if self._runner is not None:
            await self._runner.cleanup()
        self._store.close()

    def write_kubeconfig(self, path: Path) -> None:
        """A kubeconfig (mode 0600) with the one context `embedded`."""
        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "embedded",
            "clusters": [{"name": "embedded", "cluster": {"server": self.url}}],
            "users": [{"name": "admin", "user": {"token": self._token}}],
            "contexts": [{"name": "embedded", "context": {"cluster": "embedded", "user": "admin"}}],
        }
        path.touch(mode=0o600)
        path.write_text(yaml.safe_dump(config))

    def _first_objects(self) -> None:
        for name in FIRST_NAMESPACES:
            if self._store.get(NAMESPACES, "", name) is None:
                self._operations.create(NAMESPACES, "", {"metadata": {"name": name}}, dry=False, strict=False)
        classes = BY_PATH["storage.k8s.io", "v1", "storageclasses"]
        if self._store.get(classes, "", "standard") is None:
            body = {"metadata": {"name": "standard"}, "provisioner": "kronkeep.dev/folder"}
            self._operations.create(classes, "", body, dry=False, strict=False)

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        try:
            return await self._route(self._authenticated(request))
        except status.Refusal as refusal:
            return _json(refusal.body, refusal.code)

    def _authenticated(self, request: web.Request) -> web.Request:
        """The request without its credentials; raises a 401 Refusal.

        client-go sends no bearer token over plain HTTP, so the token may also be the first part of the path.
        """
        prefix = f"/{self._token}"
        if request.path.startswith(prefix + "/"):
            return request.clone(
                rel_url=request.rel_url.with_path(request.path.removeprefix(prefix)).with_query(request.query)
            )
        if request.headers.get("Authorization") == f"Bearer {self._token}":
            return request
        raise status.Refusal(401, "Unauthorized", "Unauthorized")

    async def _route(self, request: web.Request) -> web.StreamResponse:
        path = request.path
        if path in ("/healthz", "/livez", "/readyz"):
            return web.Response(text="ok")
        if path.startswith("/kronkeep.dev/v1/namespaces/"):
            return await self._push_log(request)
        if (found := discovery.document(path)) is not None:
            return _json(found)
        target = _target(path)
        if target.subresource == "log":
            return await self._log(request, target)
        if target.resource.kind == "SelfSubjectAccessReview":
            return await self._access_review(request)
        verb = f"{request.method} {'item' if target.name else 'collection'}"
        handler = self._handlers().get(verb)
        if handler is None:
            words = "the server does not allow this method on the requested resource"
            raise status.Refusal(405, "MethodNotAllowed", words, {})
        return await handler(request, target)

    def _handlers(self) -> dict[str, Callable[[web.Request, Target], Awaitable[web.StreamResponse]]]:
        return {
            "GET item": self._get,
            "GET collection": self._list,
            "POST collection": self._create,
            "PUT item": self._replace,
            "PATCH item": self._patch,
            "DELETE item": self._delete,
            "DELETE collection": self._delete_collection,
        }

    def _find(self, target: Target) -> Object:
        assert target.name is not None
        obj = self._store.get(target.resource, target.namespace or "", target.name)
        if obj is None:
            raise status.not_found(target.resource, target.name)
        return obj

    async def _get(self, request: web.Request, target: Target) -> web.StreamResponse:
        obj = self._find(target)
        if TABLE in request.headers.get("Accept", ""):
            meta = {"resourceVersion": obj["metadata"]["resourceVersion"]}
            return _json(tables.table(target.resource, [obj], meta))
        return _json(_full(target.resource, obj))

    def _selected(self, request: web.Request, target: Target) -> Callable[[Object], bool]:
        tests = [selectors.labels(request.query.get("labelSelector", ""))]
        tests.append(selectors.fields(request.query.get("fieldSelector", "")))
        if target.namespace is not None:
            tests.append(lambda obj: obj["metadata"].get("namespace") == target.namespace)
        return lambda obj: all(test(obj) for test in tests)

    async def _list(self, request: web.Request, target: Target) -> web.StreamResponse:
        selected = self._selected(request, target)
        if request.query.get("watch") in ("1", "true"):
            return await self._watch(request, target, selected)
        _check_version(request, self._store.version)
        found = [obj for obj in self._store.all(target.resource, target.namespace) if selected(obj)]
        items, meta = page(found, self._store.version, request.query)
        if TABLE in request.headers.get("Accept", ""):
            return _json(tables.table(target.resource, items, meta))
        kind = f"{target.resource.kind}List"
        return _json(
            {"kind": kind, "apiVersion": target.resource.api_version, "metadata": meta, "items": items}
        )

    async def _watch(
        self, request: web.Request, target: Target, selected: Callable[[Object], bool]
    ) -> web.StreamResponse:
        query = request.query
        version = query.get("resourceVersion", "")
        if version and not version.isdigit():
            raise status.Refusal(400, "BadRequest", f"Invalid resource version {json.dumps(version)}")
        if query.get("sendInitialEvents") == "true" and "resourceVersionMatch" not in query:
            words = "sendInitialEvents requires setting resourceVersionMatch to NotOlderThan"
            raise status.Refusal(422, "Invalid", words)
        as_table = TABLE in request.headers.get("Accept", "")
        bookmarks = query.get("allowWatchBookmarks") in ("1", "true")
        watch = Watch(self._store, target.resource, selected, as_table, bookmarks)
        start = int(version) if version not in ("", "0") else None

        def existing() -> list[Object]:
            return [obj for obj in self._store.all(target.resource, target.namespace) if selected(obj)]

        lines = watch.lines(start, float(query.get("timeoutSeconds", "3000")), existing)
        return await _stream(request, lines, "application/json")

    async def _create(self, request: web.Request, target: Target) -> web.StreamResponse:
        body = await self._body(request)
        namespace = target.namespace or (body.get("metadata") or {}).get("namespace") or "default"
        strict = request.query.get("fieldValidation") == "Strict"
        obj = self._operations.create(target.resource, namespace, body, dry=_dry(request), strict=strict)
        await self._store.durable()
        return _json(_full(target.resource, obj), 201)

    async def _replace(self, request: web.Request, target: Target) -> web.StreamResponse:
        return await self._update(request, target, self._find(target), await self._body(request))

    async def _patch(self, request: web.Request, target: Target) -> web.StreamResponse:
        kind = request.content_type
        raw = await request.read()
        patch = yaml.load(raw, yaml.CSafeLoader) if kind == "application/apply-patch+yaml" else _decode(raw)
        if kind == "application/apply-patch+yaml" and self._missing(target):
            patch.setdefault("metadata", {})["name"] = target.name
            obj = self._operations.create(
                target.resource, target.namespace or "", patch, dry=_dry(request), strict=False
            )
            await self._store.durable()
            return _json(_full(target.resource, obj), 201)
        old = self._find(target)
        if kind == "application/json-patch+json":
            new = patching.json_patch(old, patch)
        elif kind == "application/merge-patch+json":
            new = patching.merge(old, patch)
        elif kind in ("application/strategic-merge-patch+json", "application/apply-patch+yaml"):
            new = patching.strategic(old, patch)
        else:
            raise status.Refusal(
                415, "UnsupportedMediaType", f"the body of the request was in an unknown format: {kind}"
            )
        if isinstance(patch, list) or "resourceVersion" not in (patch.get("metadata") or {}):
            new["metadata"] = {**new["metadata"], "resourceVersion": old["metadata"]["resourceVersion"]}
        return await self._update(request, target, old, new)

    def _missing(self, target: Target) -> bool:
        return self._store.get(target.resource, target.namespace or "", target.name or "") is None

    async def _update(
        self, request: web.Request, target: Target, old: Object, new: Object
    ) -> web.StreamResponse:
        obj = self._operations.update(
            target.resource, old, new, subresource=target.subresource, dry=_dry(request)
        )
        await self._store.durable()
        return _json(_full(target.resource, obj))

    async def _delete(self, request: web.Request, target: Target) -> web.StreamResponse:
        obj = self._find(target)
        options = _delete_options(request, await request.read())
        last, gone = self._operations.delete(target.resource, obj, options, dry=_dry(request))
        await self._store.durable()
        if gone:
            return _json(status.success(target.resource, last["metadata"]["name"], last["metadata"]["uid"]))
        return _json(_full(target.resource, last))

    async def _delete_collection(self, request: web.Request, target: Target) -> web.StreamResponse:
        selected = self._selected(request, target)
        options = _delete_options(request, await request.read())
        for obj in self._store.all(target.resource, target.namespace):
            if selected(obj):
                self._operations.delete(target.resource, obj, options, dry=_dry(request))
        await self._store.durable()
        return _json({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success"})

    async def _body(self, request: web.Request) -> Object:
        raw = await request.read()
        if request.content_type != protobuf.CONTENT_TYPE:
            decoded: Object = _decode(raw)
            return decoded
        job = protobuf.job_of_cronjob(raw)
        owner = job["metadata"]["ownerReferences"][0]
        found = [c for c in self._store.all(CRONJOBS, None) if c["metadata"]["uid"] == owner["uid"]]
        if not found:
            raise status.not_found(CRONJOBS, owner["name"])
        template = found[0]["spec"]["jobTemplate"]
        for key in ("labels", "annotations"):
            merged = {**(template["metadata"].get(key) or {}), **job["metadata"].get(key, {})}
            if merged:
                job["metadata"][key] = merged
        return {**job, "spec": template["spec"]}

    async def _access_review(self, request: web.Request) -> web.StreamResponse:
        review = await self._body(request)
        return _json({**review, "metadata": {}, "status": {"allowed": True}}, 201)

    async def _log(self, request: web.Request, target: Target) -> web.StreamResponse:
        from kronkeep_daemon.embedded.apiserver.podlog import open_log

        pod = self._find(target)
        lines = open_log(self.logs, pod, request.query)
        return await _stream(request, lines, "text/plain")

    async def _push_log(self, request: web.Request) -> web.StreamResponse:
        parts = request.path.split("/")
        if request.method != "POST" or len(parts) != 10:
            raise status.no_path()
        pod = self._find(Target(PODS, parts[4], parts[6], ""))
        uid = request.query.get("uid", "")
        if pod["metadata"]["uid"] != uid:
            raise status.not_found(PODS, parts[6])
        offset, final = int(request.query.get("offset", "0")), request.query.get("final") == "1"
        size = await self.logs.push(uid, parts[8], offset, await request.read(), final)
        return _json({"size": size})


def _token(path: Path) -> str:
    if not path.exists():
        path.touch(mode=0o600)
        path.write_text(secrets.token_urlsafe(24))
    return path.read_text()


def _target(path: str) -> Target:
    parts = path.strip("/").split("/")
    if parts[:2] == ["api", "v1"]:
        group, version, rest = "", "v1", parts[2:]
    elif parts[0] == "apis" and len(parts) > 3:
        group, version, rest = parts[1], parts[2], parts[3:]
    else:
        raise status.no_path()
    namespace = None
    if rest and rest[0] == "namespaces" and len(rest) > 2 and rest[2] != "status":
        namespace, rest = rest[1], rest[2:]
    resource = BY_PATH.get((group, version, rest[0])) if rest else None
    if resource is None or len(rest) > 3 or (resource.namespaced and len(rest) > 1 and namespace is None):
        raise status.no_path()
    subresource = rest[2] if len(rest) > 2 else ""
    if (
        subresource
        and not (subresource == "status" and resource.status)
        and (resource.plural, subresource) != ("pods", "log")
    ):
        raise status.no_path()
    return Target(resource, namespace, rest[1] if len(rest) > 1 else None, subresource)


def _decode(raw: bytes) -> Any:
    try:
        return msgspec.json.decode(raw)
    except msgspec.DecodeError as fault:
        raise status.bad_request(f"the object provided is unrecognized: {fault}") from fault


def _full(resource: Resource, obj: Object) -> Object:
    return {"kind": resource.kind, "apiVersion": resource.api_version, **obj}


def _json(body: Object, code: int = 200) -> web.Response:
    return web.Response(body=msgspec.json.encode(body), status=code, content_type="application/json")


def _dry(request: web.Request) -> bool:
    return request.query.get("dryRun") == "All"


def _delete_options(request: web.Request, raw: bytes) -> Object:
    body = _decode(raw) if raw and request.content_type != protobuf.CONTENT_TYPE else {}
    for key in ("propagationPolicy", "gracePeriodSeconds"):
        if key in request.query:
            body[key] = int(request.query[key]) if key == "gracePeriodSeconds" else request.query[key]
    return dict(body)


def _check_version(request: web.Request, current: int) -> None:
    wanted = request.query.get("resourceVersion", "")
    if wanted.isdigit() and int(wanted) > current and "continue" not in request.query:
        raise status.too_large(int(wanted), current)


async def _stream(request: web.Request, lines: AsyncIterator[bytes], kind: str) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Type": kind})
    response.enable_chunked_encoding()
    await response.prepare(request)
    try:
        async for line in lines:
            await response.write(line)
    except ConnectionResetError:
        return response
    return response
