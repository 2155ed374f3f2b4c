"""The HTTP side: one catch-all handler that reads paths as Kubernetes defines them and decides access."""

import json
import secrets
from collections.abc import Awaitable, Callable
from pathlib import Path

import yaml
from aiohttp import web

from kronkeep_common.clock import Clock, SystemClock
from kronkeep_daemon.embedded.apiserver import discovery, openapi, status_responses
from kronkeep_daemon.embedded.apiserver.access_control import Access, User, Wish
from kronkeep_daemon.embedded.apiserver.access_reviews import Reviews
from kronkeep_daemon.embedded.apiserver.log_reader import open_log
from kronkeep_daemon.embedded.apiserver.log_store import Logs
from kronkeep_daemon.embedded.apiserver.object_operations import NAMESPACES, Operations
from kronkeep_daemon.embedded.apiserver.object_store import Store
from kronkeep_daemon.embedded.apiserver.request_handlers import (
    Target,
    Verbs,
    answer,
    is_watch,
    stream,
    target_of,
)
from kronkeep_daemon.embedded.apiserver.resources import BY_PATH

Handler = Callable[[web.Request, Target], Awaitable[web.StreamResponse]]
PODS = BY_PATH["", "v1", "pods"]
MAX_BODY = 3 * 1024 * 1024  # the real server's limit
FIRST_NAMESPACES = ("default", "kube-system", "kronkeep")
_NUMBERS = (
    "limit timeoutSeconds gracePeriodSeconds tailLines limitBytes sinceSeconds offset".split()  # noqa: SIM905
)
_VERB = {"GET": "get", "POST": "create", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}


class ApiServer:
    """Serves the Kubernetes API on 127.0.0.1 with a bearer token; `folder` keeps its state."""

    def __init__(self, folder: Path, clock: Clock) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._store = Store(folder / "objects.sqlite")
        self.logs = Logs(folder / "logs")
        self._operations = Operations(self._store, self.logs, clock)
        self._token = _token(folder / "token")
        self._access = Access(self._store, self._token, clock)
        self._verbs = Verbs(self._store, self._operations)
        self._reviews = Reviews(self._access, self._verbs, clock)
        self._runner: web.AppRunner | None = None
        self._origin = self.url = ""

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
        self._origin = f"http://127.0.0.1:{found}"
        self.url = f"{self._origin}/{self._token}"

    async def run(self) -> None:
        """Commits changes for as long as the server lives; the owner of the server supervises it."""
        await self._store.flush_forever()

    async def close(self) -> None:
        """Ends all requests and commits what is left."""
        if self._runner is not None:
            await self._runner.cleanup()
        self._store.close()

    def write_kubeconfig(self, path: Path, token: str | None = None) -> None:
        """A kubeconfig (mode 0600) with the one context `embedded`, for the admin or whose token it is."""
        token = token or self._token
        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "embedded",
            "clusters": [{"name": "embedded", "cluster": {"server": f"{self._origin}/{token}"}}],
            "users": [{"name": "user", "user": {"token": token}}],
            "contexts": [{"name": "embedded", "context": {"cluster": "embedded", "user": "user"}}],
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
            user, bare = self._authenticated(request)
            return await self._route(user, bare)
        except status_responses.Refusal as refusal:
            return answer(refusal.body, refusal.code)

    def _authenticated(self, request: web.Request) -> tuple[User, web.Request]:
        """Who asks, and the request without a token in its path; raises a 401 Refusal."""
        kind, _, token = request.headers.get("Authorization", "").partition(" ")
        user = self._access.user(token, request.headers) if kind == "Bearer" else None
        first, _, rest = request.path[1:].partition("/")
        if (found := self._access.user(first, request.headers)) is not None:
            bare = request.rel_url.with_path(f"/{rest}").with_query(request.query)
            return found, request.clone(rel_url=bare)
        if user is None:
            raise status_responses.Refusal(code=401, reason="Unauthorized", message="Unauthorized")
        return user, request

    async def _route(self, user: User, request: web.Request) -> web.StreamResponse:
        path = request.path
        _check_numbers(request)
        if path in ("/healthz", "/livez", "/readyz"):
            return web.Response(text="ok")
        if path.startswith("/kronkeep.dev/v1/namespaces/"):
            return await self._push_log(user, request)
        if path == openapi.V2_PATH:
            return web.Response(body=openapi.version_2(), content_type=openapi.V2_TYPE)
        old = discovery.is_old(request.headers.get("User-Agent", ""))
        if (found := discovery.document(path, old) or openapi.document(path)) is not None:
            return answer(found)
        target = target_of(path, old)
        handler = self._handler(user, request.method, target)
        if handler is None:
            words = "the server does not allow this method on the requested resource"
            raise status_responses.Refusal(code=405, reason="MethodNotAllowed", message=words, details={})
        if target.resource.group != "authorization.k8s.io":  # anybody may ask what they may do
            self._access.check(user, _wish(request, target), target.resource)
        return await handler(request, target)

    def _handler(self, user: User, method: str, target: Target) -> Handler | None:
        special: dict[tuple[str, str], Handler] = {
            ("GET", "pods/log"): self._log,
            ("POST", "serviceaccounts/token"): self._reviews.token,
            ("POST", "selfsubjectaccessreviews/"): lambda request, _: self._reviews.access(user, request),
            ("POST", "selfsubjectrulesreviews/"): lambda request, _: self._reviews.rules(user, request),
        }
        found = special.get((method, f"{target.resource.plural}/{target.subresource}"))
        if found is not None or target.subresource in ("log", "token"):
            return found
        return self._verbs.find(method, target)

    async def _log(self, request: web.Request, target: Target) -> web.StreamResponse:
        lines = open_log(self.logs, self._verbs.object(target), request.query)
        return await stream(request, lines, "text/plain")

    async def _push_log(self, user: User, request: web.Request) -> web.StreamResponse:
        parts = request.path.split("/")
        if request.method != "POST" or len(parts) != 10:
            raise status_responses.no_path()
        self._access.check(
            user, Wish(verb="create", group="", resource="pods/log", namespace=parts[4], name=parts[6]), PODS
        )
        pod = self._verbs.object(
            Target(resource=PODS, namespace=parts[4], name=parts[6], subresource="", api_version="v1")
        )
        uid = request.query.get("uid", "")
        if pod["metadata"]["uid"] != uid:
            raise status_responses.not_found(PODS, parts[6])
        offset = int(request.query.get("offset", "0"))
        final = request.query.get("final") == "1"
        size = await self.logs.push(uid, parts[8], offset, await request.read(), final)
        return answer({"size": size})


def _check_numbers(request: web.Request) -> None:
    for key in _NUMBERS:
        if not (text := request.query.get(key, "0")).isdigit():
            raise status_responses.bad_request(
                f"{key}: Invalid value: {json.dumps(text)}: must be a number, 0 or above"
            )


def _wish(request: web.Request, target: Target) -> Wish:
    verb = _VERB[request.method]
    if verb == "get" and not target.name:
        verb = "watch" if is_watch(request) else "list"
    elif verb == "delete" and not target.name:
        verb = "deletecollection"
    resource = target.resource.plural + (f"/{target.subresource}" if target.subresource else "")
    return Wish(
        verb=verb,
        group=target.resource.group,
        resource=resource,
        namespace=target.namespace,
        name=target.name or "",
    )


def _token(path: Path) -> str:
    if not path.exists():
        path.touch(mode=0o600)
        path.write_text(secrets.token_urlsafe(24))
    return path.read_text()
