"""What a row of the route table is, and what its handler is given."""

from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple

from aiohttp import web

from kronkeep_common import api
from kronkeep_daemon.http.access import Level
from kronkeep_daemon.http.services import Services
from kronkeep_daemon.kube.client import Cluster
from kronkeep_daemon.kube.objects import CronJobRef


class Call(NamedTuple):
    """One request as handlers see it: path parts, query, decoded body.

    `key` is the record of the caller's Idempotency-Key: names made from it are the same at a repetition.
    """

    services: Services
    path: dict[str, str]
    query: dict[str, str]
    body: Any
    request: web.Request
    key: str | None = None

    @property
    def cluster(self) -> Cluster:
        """The cluster that `?cluster=` names, else the first; raises ClusterNotFound."""
        return self.services.cronjobs.clusters.named(self.query.get("cluster"))

    @property
    def ref(self) -> CronJobRef:
        """The CronJob of the path; raises what `resolve` raises."""
        return self.resolve(self.path["namespace"], self.path["name"])

    def resolve(self, namespace: str, name: str) -> CronJobRef:
        """Say which CronJob a name means, with the cluster that `?cluster=` names, if it names one.

        Raises CronJobNotFound, ClusterNotFound, Conflict, Unavailable.
        """
        return self.services.cronjobs.resolve(namespace, name, self.query.get("cluster"))


class Route(NamedTuple):
    """One row of the table; `query` names the parameters that it takes, `media` what it answers.

    A handler of JSON returns what `answer` says; any other returns the finished response. A route that
    changes something and has no `dry_run` of its own among its parameters is rehearsed without its handler.
    """

    method: str
    path: str
    level: Level
    request: type | None
    answer: Any
    sentence: str
    handler: Callable[[Call], Awaitable[Any]]
    query: tuple[str, ...] = ()
    status: int = 200
    media: str = "application/json"

    @property
    def writes(self) -> bool:
        """Whether it changes something; the one POST that only computes needs no more than read."""
        return self.method != "GET" and self.level > Level.READ

    @property
    def parameters(self) -> tuple[str, ...]:
        """Every parameter of the query that it takes."""
        named = ("cluster",) if api.takes_cluster(self.method, self.path) else ()
        rehearsed = ("dry_run",) if self.writes and "dry_run" not in self.query else ()
        return (*self.query, *named, *rehearsed)
