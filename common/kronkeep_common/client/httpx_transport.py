"""The transport of programs with an event loop, on httpx."""

import asyncio
from collections.abc import AsyncGenerator
from pathlib import Path

from kronkeep_common.client.transport import (
    TIMEOUT_SECONDS,
    USER_AGENT,
    AnswerMissing,
    ConnectionBroken,
    HttpAnswer,
    RequestRefused,
)
from kronkeep_common.foreign_packages import without_modules

with without_modules("httpx._main"):
    import httpx

BASE = "http://localhost"


class HttpxTransport:
    """A pool of connections to one socket."""

    def __init__(self, path: Path) -> None:
        transport = httpx.AsyncHTTPTransport(uds=str(path), verify=False)
        self._http = httpx.AsyncClient(
            transport=transport,
            base_url=BASE,
            trust_env=False,
            timeout=TIMEOUT_SECONDS,
            headers=USER_AGENT,
        )

    async def request(
        self, method: str, target: str, content: bytes | None, headers: dict[str, str]
    ) -> HttpAnswer:
        try:
            response = await self._http.request(method, target, content=content, headers=headers)
        except httpx.TimeoutException as fault:
            raise AnswerMissing(str(fault)) from fault
        except (httpx.HTTPError, OSError) as fault:
            raise ConnectionBroken(str(fault)) from fault
        return HttpAnswer(response.status_code, response.content, response.headers.get("ETag", ""))

    async def stream(self, target: str, headers: dict[str, str]) -> AsyncGenerator[bytes, None]:
        timeout = httpx.Timeout(TIMEOUT_SECONDS, read=None)
        try:
            async with self._http.stream("GET", target, headers=headers, timeout=timeout) as response:
                if response.status_code >= 400:
                    raise RequestRefused(HttpAnswer(response.status_code, await response.aread()))
                async for chunk in response.aiter_raw():
                    yield chunk
        except (httpx.HTTPError, OSError) as fault:
            raise ConnectionBroken(str(fault)) from fault

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)

    async def close(self) -> None:
        await self._http.aclose()
