"""The API server over HTTP: authentication, access, and the way of each request to its handler.

One catch-all route reads paths as Kubernetes defines them.
"""

import json
import secrets
from pathlib import Path

import yaml
from aiohttp import web

from kronkeep_common.clock import Clock, SystemClock
from kronkeep_daemon.embedded.apiserver import discovery, openapi, status_responses
from kronkeep_daemon.embedded.apiserver.access_control import AccessControl, AccessRequest, UserInfo
from kronkeep_daemon.embedded.apiserver.access_reviews import AccessReviews
from kronkeep_daemon.embedded.apiserver.http_responses import json_response, stream_response
from kronkeep_daemon.embedded.apiserver.log_reader import open_log
from kronkeep_daemon.embedded.apiserver.log_store import LogStore
from kronkeep_daemon.embedded.apiserver.object_operations import NAMESPACES, ObjectOperations
from kronkeep_daemon.embedded.apiserver.object_store import ObjectStore, open_database
from kronkeep_daemon.embedded.apiserver.request_handlers import Handler, RequestHandlers, is_watch
from kronkeep_daemon.embedded.apiserver.request_target import Target, parse_target
from kronkeep_daemon.embedded.apiserver.resources import BY_PATH
from kronkeep_daemon.embedded.apiserver.volume_objects import initial_volume_objects
from kronkeep_daemon.kube.objects import JsonObject

PODS = BY_PATH["", "v1", "pods"]
MOST_BODY_BYTES = 3 * 1024 * 1024  # the real server's limit
INITIAL_NAMESPACES = ("default", "kube-system", "kronkeep")
LOG_PUSH_PREFIX = "/kronkeep.dev/v1/namespaces/"
LOG_PUSH_SEGMENTS = 10  # of a path split at its slashes, see log_store
_NUMERIC_PARAMETERS = (
    "limit",
    "timeoutSeconds",
    "gracePeriodSeconds",
    "tailLines",
    "limitBytes",
    "sinceSeconds",
    "offset",
)
_VERBS = {"GET": "get", "POST": "create", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}


class ApiServer:
    """The Kubernetes API on 127.0.0.1 with bearer tokens; `folder` holds its state.

    `url` is the server's address with the admin's token as the first part of the path.
    """

    def __init__(self, folder: Path, clock: Clock) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._store = ObjectStore(open_database(folder / "objects.sqlite"))
        self._logs = LogStore(folder / "logs")
        self._operations = ObjectOperations(self._store, self._logs, clock)
        self.admin_token = _read_or_create_token(folder / "token")
        self._access = AccessControl(self._store, self.admin_token, clock)
        self._handlers = RequestHandlers(self._store, self._operations)
        self._reviews = AccessReviews(self._access, self._handlers, clock)
        self._runner: web.AppRunner | None = None
        self.origin = ""
        self.url = ""

    @classmethod
    async def start(cls, folder: Path, port: int = 0, clock: Clock | None = None) -> "ApiServer":
        """Return a server that answers requests.

        `port` 0 means the port of the last start, which the folder holds, or any free one.
        """
        server = cls(folder, clock or SystemClock())
        await server.listen(port)
        return server

    async def listen(self, port: int) -> None:
        """Create the namespaces of a new cluster and answer requests on the port (0: see `start`)."""
        self._create_initial_objects()
        app = web.Application(client_max_size=MOST_BODY_BYTES)
        app.router.add_route("*", "/{path:.*}", self._handle)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        port_file = self._folder / "port"
        last_port = int(port_file.read_text()) if port_file.exists() else 0
        try:
            await web.TCPSite(self._runner, "127.0.0.1", port or last_port).start()
        except OSError:
            if port:
                raise
            await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        used_port = self._runner.addresses[0][1]
        port_file.write_text(str(used_port))
        self.origin = f"http://127.0.0.1:{used_port}"
        self.url = f"{self.origin}/{self.admin_token}"

    async def run(self) -> None:
        """Commit changes until cancelled; the owner of the server supervises this."""
        await self._store.commit_forever()

    async def close(self) -> None:
        """End all requests and commit what is pending."""
        if self._runner is not None:
            await self._runner.cleanup()
        self._store.close()

    def write_kubeconfig(self, path: Path, token: str | None = None) -> None:
        """Write a kubeconfig (mode 0600) with one context `embedded`, for the admin or the token's owner."""
        token = token or self.admin_token
        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "embedded",
            "clusters": [{"name": "embedded", "cluster": {"server": f"{self.origin}/{token}"}}],
            "users": [{"name": "user", "user": {"token": token}}],
            "contexts": [{"name": "embedded", "context": {"cluster": "embedded", "user": "user"}}],
        }
        path.touch(mode=0o600)
        path.write_text(yaml.safe_dump(config))

    def _create_initial_objects(self) -> None:
        for name in INITIAL_NAMESPACES:
            if self._store.get(NAMESPACES, "", name) is None:
                body: JsonObject = {"metadata": {"name": name}}
                self._operations.create(NAMESPACES, "", body, dry_run=False, strict=False)
        for resource, body in initial_volume_objects():
            if self._store.get(resource, "", body["metadata"]["name"]) is None:
                self._operations.create(resource, "", body, dry_run=False, strict=False)

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        try:
            user, request = self._authenticate(request)
            return await self._route(user, request)
        except status_responses.Refusal as refusal:
            return json_response(refusal.body, refusal.code)

    def _authenticate(self, request: web.Request) -> tuple[UserInfo, web.Request]:
        """Return the caller, and the request without a token in its path; raises a 401 Refusal."""
        # client-go sends no token in a header over plain HTTP, so the kubeconfig has it in the path.
        first_segment, _, rest = request.path[1:].partition("/")
        user = self._access.authenticate(first_segment, request.headers)
        if user is not None:
            url = request.rel_url.with_path(f"/{rest}").with_query(request.query)
            return user, request.clone(rel_url=url)
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        if scheme == "Bearer":
            user = self._access.authenticate(token, request.headers)
        if user is None:
            raise status_responses.Refusal(code=401, reason="Unauthorized", message="Unauthorized")
        return user, request

    async def _route(self, user: UserInfo, request: web.Request) -> web.StreamResponse:
        path = request.path
        _check_numeric_parameters(request)
        if path in ("/healthz", "/livez", "/readyz"):
            return web.Response(text="ok")
        if path.startswith(LOG_PUSH_PREFIX):
            return await self._append_log(user, request)
        if path == openapi.V2_PATH:
            return web.Response(body=openapi.encode_version_2(), content_type=openapi.V2_TYPE)
        old_kubectl = discovery.is_old_kubectl(request.headers.get("User-Agent", ""))
        served = self._operations.served_resources()
        document = discovery.find_document(path, served, old_kubectl=old_kubectl)
        document = document or openapi.find_document(path)
        if document is not None:
            return json_response(document)
        target = parse_target(path, old_kubectl=old_kubectl)
        if target.resource not in served:
            raise status_responses.path_not_found()
        return await self._serve_target(user, request, target)

    async def _serve_target(self, user: UserInfo, request: web.Request, target: Target) -> web.StreamResponse:
        path = f"{target.resource.plural}/{target.subresource}"
        if request.method == "POST" and path == "selfsubjectaccessreviews/":
            return await self._reviews.review_access(user, request)
        if request.method == "POST" and path == "selfsubjectrulesreviews/":
            return await self._reviews.review_rules(user, request)
        handler = self._handler_for(request.method, target)
        if handler is None:
            message = "the server does not allow this method on the requested resource"
            raise status_responses.Refusal(code=405, reason="MethodNotAllowed", message=message, details={})
        if target.resource.group != "authorization.k8s.io":  # anybody may ask what they may do
            self._access.require(user, _access_request(request, target), target.resource)
        return await handler(request, target)

    def _handler_for(self, method: str, target: Target) -> Handler | None:
        if target.subresource == "log":
            return self._read_log if method == "GET" else None
        if target.subresource == "token":
            return self._reviews.request_token if method == "POST" else None
        return self._handlers.handler_for(method, target)

    async def _read_log(self, request: web.Request, target: Target) -> web.StreamResponse:
        chunks = open_log(self._logs, self._handlers.find_object(target), request.query)
        return await stream_response(request, chunks, "text/plain")

    async def _append_log(self, user: UserInfo, request: web.Request) -> web.StreamResponse:
        """Append what a node agent pushes, see log_store."""
        segments = request.path.split("/")
        if request.method != "POST" or len(segments) != LOG_PUSH_SEGMENTS:
            raise status_responses.path_not_found()
        namespace = segments[4]
        name = segments[6]
        access_request = AccessRequest(
            verb="create", group="", resource="pods/log", namespace=namespace, name=name
        )
        self._access.require(user, access_request, PODS)
        pod = self._handlers.find_object(
            Target(resource=PODS, namespace=namespace, name=name, subresource="", api_version="v1")
        )
        uid = request.query.get("uid", "")
        if pod["metadata"]["uid"] != uid:
            raise status_responses.object_not_found(PODS, name)
        size = await self._logs.append(
            uid=uid,
            container=segments[8],
            instance=int(request.query.get("instance", "0")),
            offset=int(request.query.get("offset", "0")),
            lines=await request.read(),
            final=request.query.get("final") == "1",
        )
        return json_response({"size": size})


def _check_numeric_parameters(request: web.Request) -> None:
    for name in _NUMERIC_PARAMETERS:
        text = request.query.get(name, "0")
        if not text.isdigit():
            raise status_responses.bad_request(
                f"{name}: Invalid value: {json.dumps(text)}: must be a number, 0 or above"
            )


def _access_request(request: web.Request, target: Target) -> AccessRequest:
    verb = _VERBS[request.method]
    if verb == "get" and not target.name:
        verb = "watch" if is_watch(request) else "list"
    elif verb == "delete" and not target.name:
        verb = "deletecollection"
    subresource = f"/{target.subresource}" if target.subresource else ""
    return AccessRequest(
        verb=verb,
        group=target.resource.group,
        resource=f"{target.resource.plural}{subresource}",
        namespace=target.namespace,
        name=target.name or "",
    )


def _read_or_create_token(path: Path) -> str:
    if not path.exists():
        path.touch(mode=0o600)
        path.write_text(secrets.token_urlsafe(24))
    return path.read_text()
