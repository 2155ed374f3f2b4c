"""What an API server sends, read off the wire: whole bodies, chunks, lines, pages of lists."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from kronkeep_common.errors import ClusterUnreachable
from kronkeep_daemon.kube import objects

if TYPE_CHECKING:
    import aiohttp

log = logging.getLogger(__name__)
T = TypeVar("T")
Lines = list[bytes]


def words(fault: BaseException) -> str:
    """What a fault says, or its kind where it says nothing."""
    return str(fault) or type(fault).__name__


async def whole(response: aiohttp.ClientResponse) -> bytes:
    """The whole body; raises ClusterUnreachable when it breaks off."""
    return b"".join([chunk async for chunk in chunks(response)])


async def chunks(response: aiohttp.ClientResponse) -> AsyncIterator[bytes]:
    """The body as it comes; raises ClusterUnreachable when it breaks off."""
    import aiohttp

    try:
        async for chunk in response.content.iter_any():
            yield chunk
    except (aiohttp.ClientError, OSError, TimeoutError) as fault:
        raise ClusterUnreachable(f"the stream broke: {words(fault)}") from fault


async def lines(response: aiohttp.ClientResponse) -> AsyncIterator[Lines]:
    """Whole lines only: what the server did not finish with a line feed is dropped."""
    rest = b""
    async for chunk in chunks(response):
        *ended, rest = (rest + chunk).split(b"\n")
        if found := [line for line in ended if line]:
            yield found


def page_of(body: bytes, decoder: Any, kind: type[T]) -> objects.ListPage[T]:
    """A page of a list; item by item, logged and left out, where one of them cannot be read as `kind`."""
    try:
        found: objects.ListPage[T] = decoder.decode(body)
        return found
    except msgspec.ValidationError:
        plain = msgspec.json.decode(body, type=objects.ListPage[msgspec.Raw])
    items: list[T] = []
    for raw in plain.items or []:
        try:
            items.append(msgspec.json.decode(raw, type=kind))
        except msgspec.ValidationError as fault:
            log.warning("an object of a list cannot be read: %s", fault)
    return objects.ListPage(plain.metadata, items)
