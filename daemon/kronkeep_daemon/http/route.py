"""Routes, the tables that collect them, and what a handler gets of a request.

A handler stands below its route, and says by itself what the API's reference says of it:

    routes = RouteTable()

    @routes.post("/v1/cronjobs", Level.ADMIN, status=201, query=("dry_run",))
    async def create_cronjob(call: ApiCall[CronJobCreate]) -> CronJob:
        "Create a CronJob, with its policy or without."

The argument of ApiCall is the request's body, the return type the answer, and the docstring's first line the
summary.
"""

import inspect
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Any, Generic, NamedTuple, TypedDict, TypeVar, Unpack, get_args, get_type_hints

from aiohttp import web

from kronkeep_common import api
from kronkeep_daemon.http.access import Level
from kronkeep_daemon.http.services import Services
from kronkeep_daemon.kube.client import Cluster
from kronkeep_daemon.kube.objects import CronJobRef

JSON = "application/json"
TEXT = "text/plain"

B = TypeVar("B", covariant=True)


AUDITED = "kronkeep audited"  # set on a request that only reads, where the audit trail shall have it
AUDITED_NAMES = "kronkeep audited names"  # set on a request whose body names what the audit trail shall have


class ApiCall(NamedTuple, Generic[B]):
    """One request as handlers see it: the parts of its path, its query and its decoded body.

    `key` is the id of the record under the caller's Idempotency-Key: names that are made from it are the same
    when the request is repeated. `begun_at` is when the request first came, where this is its repetition.
    """

    services: Services
    path: dict[str, str]
    query: dict[str, str]
    body: B
    request: web.Request
    key: str | None = None
    begun_at: datetime | None = None

    @property
    def id(self) -> str:
        """The part `{id}` of the path."""
        return self.path["id"]

    @property
    def dry_run(self) -> bool:
        """Whether the request asks what it would do."""
        return self.query.get("dry_run") == "true"

    @property
    def cluster_name(self) -> str | None:
        """The name or id of `?cluster=`."""
        return self.query.get("cluster")

    @property
    def cluster(self) -> Cluster:
        """The cluster that `?cluster=` names, else the first; raises ClusterNotFound."""
        return self.services.clusters.by_name(self.cluster_name)

    @property
    def ref(self) -> CronJobRef:
        """The CronJob of the path; raises what `resolve` raises."""
        return self.resolve(self.path["namespace"], self.path["name"])

    def resolve(self, namespace: str, name: str) -> CronJobRef:
        """Say which CronJob a name means, with the cluster that `?cluster=` names, if it names one.

        Raises CronJobNotFound, ClusterNotFound, Conflict, Unavailable.
        """
        return self.services.cronjobs.resolve(namespace, name, self.cluster_name)


Handler = Callable[[ApiCall[Any]], Awaitable[Any]]
H = TypeVar("H", bound=Callable[..., Awaitable[object]])


class Route(NamedTuple):
    """One method of one path.

    `request` is the type of the body (None: the request has none), `query` names the parameters that the
    route takes besides those of every route. A route whose `media` is JSON answers what its handler returns;
    any other handler returns the response itself, and `answer` is None.

    `if_match` returns another form of the object that an If-Match may name. `find_created` returns what an
    earlier process of the daemon created on the same request, where its name is now taken; it raises
    NameTaken where that is somebody else's.
    """

    method: str
    path: str
    level: Level
    request: type | None
    answer: Any
    summary: str
    handler: Handler
    query: tuple[str, ...] = ()
    status: int = 200
    media: str = JSON
    if_match: Handler | None = None
    find_created: Handler | None = None

    @property
    def writes(self) -> bool:
        """Whether it changes something; a POST that only computes needs no more than the level read."""
        return self.method != "GET" and self.level > Level.READ

    @property
    def parameters(self) -> tuple[str, ...]:
        """Every parameter of the query that the route takes.

        A write without a dry run of its own gets one that answers with its summary and the object.
        """
        cluster = ("cluster",) if api.takes_cluster(self.method, self.path) else ()
        dry_run = ("dry_run",) if self.writes and "dry_run" not in self.query else ()
        return (*self.query, *cluster, *dry_run)

    @property
    def resource(self) -> str | None:
        """The path of the object that the route is about, such as `/v1/backups/{id}`; None without one."""
        end = self.path.rfind("}")
        return self.path[: end + 1] if end >= 0 else None


class RouteOptions(TypedDict, total=False):
    """What a route may say besides method, path and level; the fields of Route of the same names."""

    query: tuple[str, ...]
    status: int
    media: str
    answer: Any
    if_match: Handler
    find_created: Handler


class RouteTable:
    """The routes of one module; its methods are decorators that add a handler."""

    def __init__(self) -> None:
        self.routes: list[Route] = []

    def get(self, path: str, level: Level = Level.READ, **options: Unpack[RouteOptions]) -> Callable[[H], H]:
        """Add a handler of GET."""
        return self._adder("GET", path, level, options)

    def post(self, path: str, level: Level, **options: Unpack[RouteOptions]) -> Callable[[H], H]:
        """Add a handler of POST."""
        return self._adder("POST", path, level, options)

    def put(self, path: str, level: Level, **options: Unpack[RouteOptions]) -> Callable[[H], H]:
        """Add a handler of PUT."""
        return self._adder("PUT", path, level, options)

    def patch(self, path: str, level: Level, **options: Unpack[RouteOptions]) -> Callable[[H], H]:
        """Add a handler of PATCH."""
        return self._adder("PATCH", path, level, options)

    def delete(self, path: str, level: Level, **options: Unpack[RouteOptions]) -> Callable[[H], H]:
        """Add a handler of DELETE."""
        return self._adder("DELETE", path, level, options)

    def _adder(self, method: str, path: str, level: Level, options: RouteOptions) -> Callable[[H], H]:
        def add(handler: H) -> H:
            types = get_type_hints(handler)
            answer = types.pop("return")
            (call_type,) = types.values()
            (body,) = get_args(call_type)
            fields: RouteOptions = {"answer": None if _is_response(answer) else answer, **options}
            self.routes.append(
                Route(
                    method=method,
                    path=path,
                    level=level,
                    request=None if body is type(None) else body,
                    summary=(inspect.getdoc(handler) or "").partition("\n")[0],
                    handler=handler,
                    **fields,
                )
            )
            return handler

        return add


def _is_response(answer: Any) -> bool:
    """Whether a return type has no JSON: nothing, or a response that the handler wrote itself."""
    return answer is type(None) or (isinstance(answer, type) and issubclass(answer, web.StreamResponse))
