"""Requests to one daemon: JSON over a transport, problems as errors, and the cluster that is meant."""

from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from pathlib import Path
from typing import TypeVar
from urllib.parse import quote, urlencode

import msgspec

from kronkeep_common import api, error_codes, errors
from kronkeep_common.client.transport import (
    TIMEOUT_SECONDS,
    AnswerMissing,
    ConnectionBroken,
    HttpAnswer,
    RequestRefused,
    Transport,
)
from kronkeep_common.json_decoding import decode_or_none
from kronkeep_common.socket_path import advise_start, check_length, check_server, socket_path

T = TypeVar("T")
Query = Mapping[str, str | int | None]
"""Parameters of a request; those that are None are left out."""


class Connection:
    """What the resources of a client share: a socket's path, a transport, and the cluster that is meant.

    The transport on httpx is imported with the first request: the terminal paints its first screen before.
    """

    def __init__(self, socket: Path | None, transport: Transport | None, cluster: str | None) -> None:
        self.socket = socket_path(socket)
        check_length(self.socket)
        self.cluster = cluster
        self._transport = transport

    @property
    def transport(self) -> Transport:
        """The transport, opened where it was not yet."""
        if self._transport is None:
            from kronkeep_common.client.httpx_transport import HttpxTransport

            self._transport = HttpxTransport(self.socket)
        return self._transport

    async def close(self) -> None:
        """Close the transport where it was opened."""
        if self._transport is not None:
            await self._transport.close()

    async def pause(self, seconds: float) -> None:
        """Wait, on the event loop or without one."""
        await self.transport.sleep(seconds)

    async def get(self, path: str, answer: type[T], query: Query | None = None) -> T:
        """Send a GET request and return its answer."""
        return await self.call("GET", path, answer, query=query)

    async def post(
        self, path: str, answer: type[T], body: msgspec.Struct | None = None, *, query: Query | None = None
    ) -> T:
        """Send a POST request, with an empty object where there is no body, and return its answer."""
        return await self.call("POST", path, answer, body or api.Empty(), query=query)

    async def call(
        self,
        method: str,
        path: str,
        answer: type[T],
        body: msgspec.Struct | None = None,
        *,
        query: Query | None = None,
        if_match: str | None = None,
    ) -> T:
        """Send a request and return its answer; `if_match` is the entity tag of what the caller has read."""
        reply = await self.call_tagged(method, path, body, query=query, if_match=if_match)
        return msgspec.json.decode(reply.body or b"null", type=answer)

    async def call_tagged(
        self,
        method: str,
        path: str,
        body: msgspec.Struct | None = None,
        *,
        query: Query | None = None,
        if_match: str | None = None,
    ) -> HttpAnswer:
        """Send a request and return its answer undecoded, with the entity tag."""
        query = dict(query or {})
        if api.takes_cluster(method, path):
            query.setdefault("cluster", self.cluster)
        answer = await self.send(method, path, body, query=query, if_match=if_match)
        if answer.status >= 400:
            raise error_of(answer)
        return answer

    async def send(
        self,
        method: str,
        path: str,
        body: msgspec.Struct | None = None,
        *,
        query: Query | None = None,
        if_match: str | None = None,
    ) -> HttpAnswer:
        """Send a request and return its answer whatever its status; raise DaemonUnreachable."""
        content = msgspec.json.encode(body) if body is not None else None
        headers = {"Content-Type": "application/json"} if content is not None else {}
        if if_match is not None:
            headers["If-Match"] = if_match
        check_server(self.socket)
        try:
            return await self.transport.request(method, _target(path, query), content, headers)
        except AnswerMissing as fault:
            message = f"The daemon at {self.socket} has not answered for {TIMEOUT_SECONDS:.0f} s."
            raise errors.NoAnswerYet(message) from fault
        except ConnectionBroken as fault:
            raise errors.DaemonUnreachable(
                f"Nobody answers at {self.socket}.", next_step=advise_start(self.socket)
            ) from fault

    async def stream(
        self, path: str, query: Query | None = None, headers: dict[str, str] | None = None
    ) -> AsyncGenerator[bytes, None]:
        """Yield the chunks of an answer as they come; raise DaemonUnreachable where the connection breaks."""
        check_server(self.socket)
        try:
            # A generator that is left early is closed here: at the loop's end its reader may still be in it.
            async with aclosing(self.transport.stream(_target(path, query), headers or {})) as chunks:
                async for chunk in chunks:
                    yield chunk
        except RequestRefused as refused:
            raise error_of(refused.answer) from refused
        except ConnectionBroken as fault:
            raise errors.DaemonUnreachable(f"The connection to {self.socket} broke.") from fault


def path_part(name: str) -> str:
    """Quote a name or id as one part of a path, so that `../x` leads to no other route."""
    return quote(name, safe="")


def page_query(
    filter: str | None, limit: int | None, cursor: str | None, cronjob_id: str | None
) -> dict[str, str | int | None]:
    """Return the parameters that the lists of the history share."""
    return {"filter": filter, "limit": limit, "cursor": cursor, "cronjob_id": cronjob_id}


def error_of(answer: HttpAnswer) -> errors.KronkeepError:
    """Return the error that a refusal's body describes."""
    problem = decode_or_none(answer.body, api.Problem)
    if problem is None:
        return errors.Internal(f"The daemon answered {answer.status} without saying why.")
    kind = error_codes.error_of_code(problem.code, problem.status, retryable=problem.retryable)
    error = kind(problem.detail, next_step=problem.next_step)
    error.details = problem.details
    return error


def _target(path: str, query: Query | None) -> str:
    values = {key: str(value) for key, value in (query or {}).items() if value is not None}
    return f"{path}?{urlencode(values)}" if values else path
