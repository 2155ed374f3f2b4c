"""Readers of an API server's responses: whole bodies, chunks, lines, pages of lists."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Callable
from functools import partial
from typing import TYPE_CHECKING, Any, Generic, TypeVar, cast

import msgspec

from kronkeep_common.errors import ClusterUnreachable
from kronkeep_common.json_decoding import DECODING_ERRORS, JsonObject
from kronkeep_common.text import clean
from kronkeep_daemon.kube.objects import CronJobObject

if TYPE_CHECKING:
    import aiohttp

log = logging.getLogger(__name__)
T = TypeVar("T")
Lines = list[bytes]


class ListMeta(msgspec.Struct, rename="camel", gc=False):
    """The metadata of a list."""

    resource_version: str = ""
    continue_: str | None = msgspec.field(default=None, name="continue")


class ListPage(msgspec.Struct, Generic[T]):
    """One page of a list; its items carry neither kind nor apiVersion."""

    metadata: ListMeta
    items: list[T] | None = None


class WatchLine(msgspec.Struct, Generic[T]):
    """One line of a watch."""

    type: str
    object: T


def fault_message(fault: BaseException) -> str:
    """Return an exception's message, or its class name where it has none."""
    return str(fault) or type(fault).__name__


async def read_body(response: aiohttp.ClientResponse) -> bytes:
    """Return the whole body; raises ClusterUnreachable where the connection breaks."""
    return b"".join([chunk async for chunk in iter_chunks(response)])


def decode_object(body: bytes) -> JsonObject:
    """Decode an object; raises ClusterUnreachable for what no API server sends, such as a proxy's page."""
    try:
        return msgspec.json.decode(body, type=JsonObject)
    except DECODING_ERRORS as fault:
        raise not_kubernetes_error(body) from fault


def not_kubernetes_error(body: bytes) -> ClusterUnreachable:
    """Return the error about an answer that no API server sends."""
    beginning = clean(body[:80].decode(errors="replace"), 80)
    return ClusterUnreachable(f"What answers is no Kubernetes API server: {beginning!r}")


async def require_json(response: aiohttp.ClientResponse) -> None:
    """Raise ClusterUnreachable for an answer that says it is no JSON, such as a proxy's page."""
    if "json" in response.headers.get("Content-Type", "json"):
        return
    async for beginning in iter_chunks(response):
        raise not_kubernetes_error(beginning)
    raise not_kubernetes_error(b"")


async def iter_chunks(response: aiohttp.ClientResponse) -> AsyncIterator[bytes]:
    """Yield the body as it arrives; raises ClusterUnreachable where the connection breaks."""
    import aiohttp

    try:
        async for chunk in response.content.iter_any():
            yield chunk
    except (aiohttp.ClientError, OSError, TimeoutError) as fault:
        raise ClusterUnreachable(f"the stream broke: {fault_message(fault)}") from fault


async def iter_lines(response: aiohttp.ClientResponse) -> AsyncIterator[Lines]:
    """Yield whole lines, those that arrived together in one list; an unfinished last line is dropped."""
    rest = b""
    async for chunk in iter_chunks(response):
        whole_lines, rest = split_lines(rest + chunk)
        if whole_lines:
            yield whole_lines


def split_lines(text: bytes) -> tuple[Lines, bytes]:
    """Return the whole lines of a text, without empty ones, and its unfinished last line.

    `bytes.find` looks at many bytes at once, `bytes.split` at each: half the time for lines of 3 KB.
    """
    lines: Lines = []
    start = 0
    while (end := text.find(b"\n", start)) >= 0:
        if end > start:
            lines.append(text[start:end])
        start = end + 1
    return lines, text[start:]


class ObjectDecoder(Generic[T]):
    """A decoder for the pages of lists and the lines of watches of one cluster.

    `kind` is what each object is decoded as: JsonObject, or a struct of kube.objects.
    """

    def __init__(self, kind: type[T], cluster_id: str) -> None:
        self._pages = msgspec.json.Decoder(ListPage[kind])  # type: ignore[valid-type]
        self._lines = msgspec.json.Decoder(WatchLine[kind])  # type: ignore[valid-type]
        self._object: Callable[[bytes | msgspec.Raw], T] = msgspec.json.Decoder(kind).decode
        # A CronJob keeps its own JSON, so what holds several is split before each of them is decoded.
        self._splits = kind is CronJobObject
        if self._splits:
            self._object = cast("Any", partial(CronJobObject.from_json, cluster=cluster_id))

    def page(self, body: bytes) -> ListPage[T]:
        """Decode a page of a list; an object that does not fit `kind` is logged and left out."""
        if not self._splits:
            try:
                return cast("ListPage[T]", self._pages.decode(body))
            except msgspec.DecodeError:
                pass  # one object is at fault: the others are read below
        try:
            page = _RAW_PAGES.decode(body)
        except DECODING_ERRORS as fault:
            raise not_kubernetes_error(body) from fault
        items: list[T] = []
        for item in page.items or []:
            try:
                items.append(self._object(item))
            except msgspec.ValidationError as fault:
                log.warning("an object of a list cannot be read: %s", fault)
        return ListPage(page.metadata, items)

    def line(self, body: bytes) -> WatchLine[T]:
        """Decode a line of a watch; raises msgspec.DecodeError, of which ValidationError is a kind."""
        if not self._splits:
            return cast("WatchLine[T]", self._lines.decode(body))
        line = _RAW_LINES.decode(body)
        return WatchLine(line.type, self._object(line.object))


_RAW_PAGES = msgspec.json.Decoder(ListPage[msgspec.Raw])
_RAW_LINES = msgspec.json.Decoder(WatchLine[msgspec.Raw])
