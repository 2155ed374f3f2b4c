"""One connection to one cluster: configuration, credentials and TLS of the kubernetes package, plain JSON.

The package's typed models cost about fourteen times the CPU of plain JSON and refuse fields of newer servers,
so objects are dicts here.
"""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from datetime import datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar
from urllib.parse import urlencode

from kronkeep_common.clock import Clock, SystemClock
from kronkeep_common.errors import ClusterUnreachable, KronkeepError
from kronkeep_common.text import clean
from kronkeep_daemon.kube import credentials, paths, response_readers
from kronkeep_daemon.kube.cluster_clock import ClusterClock
from kronkeep_daemon.kube.contact import Contact
from kronkeep_daemon.kube.errors import NotFoundInCluster, Unauthorized, response_error
from kronkeep_daemon.kube.kubernetes_package import import_kubernetes
from kronkeep_daemon.kube.objects import JsonObject
from kronkeep_daemon.kube.response_readers import ObjectDecoder

if TYPE_CHECKING:
    import aiohttp

log = logging.getLogger(__name__)
T = TypeVar("T")
Objects = list[JsonObject]
Lines = response_readers.Lines
Page = tuple[list[T], str]
PAGE = 500
ANSWER_SECONDS = 30.0
CONNECT_SECONDS = 10.0
PLACEHOLDER = "never connected: "  # and the name, in place of an id that is not known yet
_CONTENT_TYPES = {
    "merge": "application/merge-patch+json",
    "strategic": "application/strategic-merge-patch+json",
    "json": "application/json-patch+json",
    "apply": "application/apply-patch+yaml",
}


class ApiRequest(NamedTuple):
    """One request; `deadline` is in seconds, for a stream from one byte to the next, None for no deadline."""

    method: str
    path: str
    params: dict[str, str] = {}
    body: object = None
    kind: str = "application/json"
    deadline: float | None = ANSWER_SECONDS
    stream: bool = False


class ConnectionFault(NamedTuple):
    """Why a cluster that has never answered cannot be identified, and since when that was tried."""

    error: KronkeepError
    since: datetime


class Cluster:
    """A cluster, identified by the uid of its kube-system namespace.

    id_of: makes the cluster's id from that uid.
    fault: why the cluster, which has never answered, has no identity yet. Until it has one `id` is a
        placeholder, and requests are refused.
    """

    def __init__(
        self,
        kubeconfig: Path | None,
        context: str | None,
        in_cluster: bool,
        *,
        name: str | None = None,
        clock: Clock | None = None,
        id_of: Callable[[str], str] = str,
    ) -> None:
        self._id_of = id_of
        self.fault: ConnectionFault | None = None
        self._identified = asyncio.Event()
        self._refusal: tuple[float, KronkeepError] | None = None
        self.clock = ClusterClock(clock or SystemClock())
        self.contact = Contact(self.clock)
        self._kubeconfig = kubeconfig
        self._context = context
        self._in_cluster = in_cluster
        self._client: Any = None
        self._former_client: Any = None
        self._is_closed = False
        self.token_ends_at: datetime | None = None  # of a token that stands in the kubeconfig
        self.loads = 0  # how many times configuration and credentials were loaded
        self._renewing = asyncio.Lock()
        self._confirming = asyncio.Lock()
        self._base = ""
        self.id = ""
        self.former: tuple[
            str, ...
        ] = ()  # ids of the clusters that its section of the settings led to before
        self._assumed = False
        self.name = name or context or ("in-cluster" if in_cluster else "default")

    @classmethod
    async def connect(
        cls,
        *,
        kubeconfig: Path | None = None,
        context: str | None = None,
        in_cluster: bool = False,
        name: str | None = None,
    ) -> Cluster:
        """Return a connection that has been answered once; raises ClusterUnreachable or Unauthorized."""
        cluster = cls(kubeconfig, context, in_cluster, name=name)
        try:
            return await cluster.identify()
        except BaseException:
            await cluster.close()
            raise

    async def identify(self) -> Cluster:
        """Ask the cluster for its uid; raises ClusterUnreachable or Unauthorized."""
        self.accept(await self.fetch_id())
        return self

    def accept(self, cluster_id: str) -> None:
        """Take the id that the cluster's answer has given, and let requests pass."""
        self.id = cluster_id
        self.fault = None
        self._assumed = False
        self._identified.set()

    def assume(self, cluster_id: str) -> None:
        """Assume the id in the history; the first response must confirm it before any is used."""
        self.accept(cluster_id)
        self._assumed = True

    def defer(self, error: KronkeepError) -> None:
        """Leave open which cluster it is, because of an error; requests are refused until `accept`."""
        since = self.fault.since if self.fault is not None else self.clock.now()
        self.fault = ConnectionFault(error, since)
        self.id = PLACEHOLDER + self.name
        self._assumed = False
        self._identified.clear()

    async def wait_until_identified(self) -> None:
        """Wait until it is known which cluster it is."""
        await self._identified.wait()

    async def fetch_id(self) -> str:
        """Ask the cluster for its id; raises ClusterUnreachable, Unauthorized and other refusals."""
        if self._client is None:
            await self.reload()
        path = paths.namespaces("kube-system")
        body = await response_readers.read_body(
            await self._send_with_renewal(ApiRequest(method="GET", path=path))
        )
        namespace = response_readers.decode_object(body)
        try:
            return self._id_of(str(namespace["metadata"]["uid"]))
        except (KeyError, TypeError) as fault:
            raise response_readers.not_kubernetes_error(body) from fault

    async def _confirm(self) -> None:
        """Raise ClusterUnreachable while the assumed cluster does not answer, or where another one does.

        Requests that wait while one asks share its refusal: each would wait as long for its own.
        """
        asked_at = self.clock.monotonic()
        async with self._confirming:
            if not self._assumed:
                return
            if self._refusal is not None and self._refusal[0] >= asked_at:
                raise self._refusal[1]
            began = self.clock.monotonic()
            try:
                answer = await self.fetch_id()
            except KronkeepError as refusal:
                self._refusal = (began, refusal)
                raise
            if answer != self.id:
                raise ClusterUnreachable(
                    f"Another cluster answers as {self.name} than the one of its history.",
                    next_step="Correct the kubeconfig, or restart kronkeepd if this is right.",
                )
            self._assumed = False

    async def reload(self) -> None:
        """Read configuration and credentials again, as tokens, certificates and CAs are rotated.

        Streams over the former connections continue until they end or the next reload. Raise
        ClusterUnreachable once the connection is closed.
        """
        await self._use(await self._load_access())

    async def reload_if_renewed(self) -> None:
        """Read them again and use them where the token has another end; raises ClusterUnreachable."""
        access = await self._load_access()
        if access.token_ends_at != self.token_ends_at:
            await self._use(access)

    async def _load_access(self) -> credentials.LoadedAccess:
        return await credentials.load(self._kubeconfig, self._context, self._in_cluster)

    async def _use(self, access: credentials.LoadedAccess) -> None:
        if self._is_closed:
            raise self._error_after_close()
        outdated = self._former_client
        self._former_client = self._client
        self._client = import_kubernetes().RESTClientObject(access.settings)
        self._base = access.settings.host.rstrip("/")
        self.token_ends_at = access.token_ends_at
        self.loads += 1
        if outdated is not None:
            await outdated.close()

    @property
    def ca_file(self) -> str | None:
        """The file with the CA certificates of the API server."""
        file: str | None = self._client.configuration.ssl_ca_cert
        return file

    async def _renew(self, loads: int) -> None:
        """Reload once for all requests that were refused with the same credentials."""
        async with self._renewing:
            if loads == self.loads:
                await self.reload()

    def _never_connected_error(self, why: KronkeepError) -> ClusterUnreachable:
        return ClusterUnreachable(
            f"The cluster {clean(self.name, 80)} has never been connected: {clean(why.message, 500)}",
            next_step=why.next_step,
        )

    def _error_after_close(self) -> ClusterUnreachable:
        return ClusterUnreachable(f"the connection to {self.name} is closed")

    async def close(self) -> None:
        """Close the connections for good."""
        self._is_closed = True
        for client in (self._client, self._former_client):
            if client is not None:
                await client.close()
        self._client = self._former_client = None

    async def server_version(self) -> tuple[JsonObject, datetime | None]:
        """Return the server's version and the Date header of its response."""
        response = await self._send_when_confirmed(ApiRequest(method="GET", path="/version"))
        date = response.headers.get("Date")
        version = response_readers.decode_object(await response_readers.read_body(response))
        return version, parsedate_to_datetime(date) if date else None

    async def answers_within(self, seconds: float) -> bool:
        """Ask for the server's version; return whether anything came in time, were it a refusal."""
        silent_for = self.contact.silent_for()
        try:
            await self._send(ApiRequest(method="GET", path="/version", deadline=seconds))
        except KronkeepError as fault:
            log.debug("%s: %s", self.name, fault)
        return self.contact.silent_for() < silent_for

    async def get(self, path: str, **params: str) -> JsonObject:
        """Return the object at `path`; raises NotFoundInCluster."""
        return await self._fetch_json(ApiRequest(method="GET", path=path, params=params))

    async def list(self, path: str, **params: str) -> tuple[Objects, str]:
        """Return every item of a collection, read in pages of 500, and the version from which to watch."""
        items: Objects = []
        version = ""
        async for page, version in self.pages(path, **params):  # noqa: B007  the last one counts
            items += page
        return items, version

    async def pages(self, path: str, **params: str) -> AsyncIterator[Page[JsonObject]]:
        """Yield a collection page by page, each with the version of the whole list; raises Gone."""
        async for page in self.pages_of(path, JsonObject, **params):
            yield page

    async def pages_of(self, path: str, kind: type[T], **params: str) -> AsyncIterator[Page[T]]:
        """Yield pages decoded as `kind`; an item that cannot be read is logged and left out."""
        token = ""
        decoder = ObjectDecoder(kind, self.id)
        while True:
            query = {"limit": str(PAGE), **params} | ({"continue": token} if token else {})
            page = decoder.page(await self._fetch_body(ApiRequest(method="GET", path=path, params=query)))
            yield page.items or [], page.metadata.resource_version
            token = page.metadata.continue_ or ""
            if not token:
                return

    async def create(
        self, path: str, body: JsonObject, *, dry_run: bool = False, strict: bool = False
    ) -> JsonObject:
        """POST `body` to a collection; raises AlreadyExists, InvalidObject.

        strict: whether a field that the cluster does not know is refused, not dropped.
        """
        params = _dry_run_params(dry_run) | _validation_params(strict)
        return await self._fetch_json(ApiRequest(method="POST", path=path, params=params, body=body))

    async def replace(self, path: str, body: JsonObject) -> JsonObject:
        """PUT `body`; raises ConflictInCluster where its resourceVersion is not the latest."""
        return await self._fetch_json(ApiRequest(method="PUT", path=path, body=body))

    async def patch(
        self,
        path: str,
        body: object,
        *,
        kind: str = "merge",
        dry_run: bool = False,
        strict: bool = False,
    ) -> JsonObject:
        """PATCH an object; `kind` is merge, strategic, json or apply, `strict` as in `create`."""
        params = _dry_run_params(dry_run) | _validation_params(strict)
        params |= {"fieldManager": "kronkeep", "force": "true"} if kind == "apply" else {}
        return await self._fetch_json(
            ApiRequest(method="PATCH", path=path, params=params, body=body, kind=_CONTENT_TYPES[kind])
        )

    async def delete(
        self,
        path: str,
        *,
        uid: str | None = None,
        propagation: str = "Background",
        grace_seconds: int | None = None,
    ) -> None:
        """DELETE an object, only of that uid where one is given; a missing object is no error."""
        options: JsonObject = {"kind": "DeleteOptions", "apiVersion": "v1", "propagationPolicy": propagation}
        if uid is not None:
            options["preconditions"] = {"uid": uid}
        if grace_seconds is not None:
            options["gracePeriodSeconds"] = grace_seconds
        try:
            await self._fetch_json(ApiRequest(method="DELETE", path=path, body=options))
        except NotFoundInCluster:
            return

    async def watch_lines(
        self, path: str, params: dict[str, str], *, read_deadline: float
    ) -> AsyncIterator[Lines]:
        """Yield the lines of a watch until the server ends it, those that arrived together in one list.

        The first list is empty: the server has accepted the watch, and may have nothing to send for a minute.

        Raises ClusterUnreachable after `read_deadline` seconds without a byte and for what no API server
        sends, Gone for a version that is too old.
        """
        query = {"watch": "1", **params}
        response = await self._send_when_confirmed(
            ApiRequest(method="GET", path=path, params=query, deadline=read_deadline, stream=True)
        )
        with self.contact.follow(response):
            await response_readers.require_json(response)
            yield []
            async for lines in response_readers.iter_lines(response):
                self.contact.note()
                yield lines

    async def log_chunks(
        self,
        namespace: str,
        pod: str,
        container: str,
        *,
        follow: bool,
        since_time: str | None = None,
        timestamps: bool = True,
        previous: bool = False,
    ) -> AsyncGenerator[bytes, None]:
        """Yield a container's log as it arrives; with `timestamps` lines begin with an RFC 3339 time.

        `previous` is the log of the instance that ended before the container's last restart.
        """
        params = {
            "container": container,
            "timestamps": str(timestamps).lower(),
            "follow": str(follow).lower(),
        }
        if previous:
            params["previous"] = "true"
        if since_time:
            params["sinceTime"] = since_time
        path = f"{paths.pods(namespace, pod)}/log"
        response = await self._send_when_confirmed(
            ApiRequest(method="GET", path=path, params=params, deadline=None, stream=True)
        )
        try:
            async for chunk in response_readers.iter_chunks(response):
                yield chunk
        finally:
            response.close()

    async def push_log(self, path: str, params: dict[str, str], lines: bytes) -> JsonObject:
        """Append to a container's log in an embedded cluster; raises NotFoundInCluster.

        The parameters are those of the embedded API server's log store.
        """
        return await self._fetch_json(
            ApiRequest(method="POST", path=path, params=params, body=lines, kind="text/plain")
        )

    async def _fetch_json(self, request: ApiRequest) -> JsonObject:
        return response_readers.decode_object(await self._fetch_body(request))

    async def _fetch_body(self, request: ApiRequest) -> bytes:
        return await response_readers.read_body(await self._send_when_confirmed(request))

    async def _send_when_confirmed(self, request: ApiRequest) -> aiohttp.ClientResponse:
        """Send a request once the cluster's identity is confirmed."""
        if self.fault is not None:
            raise self._never_connected_error(self.fault.error)
        if self._assumed:
            await self._confirm()
        return await self._send_with_renewal(request)

    async def _send_with_renewal(self, request: ApiRequest) -> aiohttp.ClientResponse:
        """Send a request; after a 401 reload the credentials, which are rotated, and send it once more."""
        loads = self.loads
        try:
            return await self._send(request)
        except Unauthorized:
            await self._renew(loads)
            return await self._send(request)

    async def _send(self, request: ApiRequest) -> aiohttp.ClientResponse:
        if self._client is None:
            raise self._error_after_close()
        url = f"{self._base}{request.path}" + (f"?{urlencode(request.params)}" if request.params else "")
        headers = {"Accept": "application/json", "Content-Type": request.kind, **await self._credentials()}
        response = await self._request(request.method, url, headers, request.body, _timeout(request))
        if response.status >= 400:
            raise response_error(
                response.status,
                await response_readers.read_body(response),
                response.headers.get("Retry-After"),
            )
        return response

    async def _request(
        self, method: str, url: str, headers: dict[str, str], body: object, timeout: object
    ) -> aiohttp.ClientResponse:
        import aiohttp

        sent_at = self.clock.monotonic()
        try:
            answer = await self._client.request(
                method, url, headers=headers, body=body, _request_timeout=timeout
            )
        except (aiohttp.ClientSSLError, ssl.SSLError) as fault:
            raise Unauthorized(
                f"{self.name} is not trusted: {response_readers.fault_message(fault)}"
            ) from fault
        except (aiohttp.ClientError, OSError, TimeoutError) as fault:
            raise ClusterUnreachable(
                f"{self.name} does not answer: {response_readers.fault_message(fault)}"
            ) from fault
        response: aiohttp.ClientResponse = answer.response
        self.contact.note()
        self.clock.observe_header(response.headers.get("Date"), sent_at)
        return response

    async def _credentials(self) -> dict[str, str]:
        settings = await self._client.configuration.auth_settings()
        return {auth["key"]: auth["value"] for auth in settings.values() if auth["in"] == "header"}


def _dry_run_params(dry_run: bool) -> dict[str, str]:
    return {"dryRun": "All"} if dry_run else {}


def _validation_params(strict: bool) -> dict[str, str]:
    return {"fieldValidation": "Strict"} if strict else {}


def _timeout(request: ApiRequest) -> object:
    import aiohttp

    total = None if request.stream else request.deadline
    return aiohttp.ClientTimeout(total=total, sock_connect=CONNECT_SECONDS, sock_read=request.deadline)
