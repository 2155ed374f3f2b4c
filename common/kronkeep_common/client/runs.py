"""The client's calls about runs."""

from collections.abc import AsyncGenerator
from contextlib import aclosing

import msgspec

from kronkeep_common import api
from kronkeep_common.client.connection import Connection, page_query, path_part
from kronkeep_common.json_decoding import JsonObject
from kronkeep_common.models import CronJobExecution
from kronkeep_common.models.log_search import SearchLine


class RunCalls:
    """`client.runs`; calls with an id raise ExecutionNotFound."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def list(
        self,
        filter: str | None = None,
        limit: int | None = None,
        cursor: str | None = None,
        cronjob_id: str | None = None,
        cronjob: str | None = None,
    ) -> api.ListOf[CronJobExecution]:
        """Return a page of runs, newest first.

        cronjob: the name of their CronJob, which may have been deleted.
        """
        query = page_query(filter, limit, cursor, cronjob_id) | {"cronjob": cronjob}
        return await self._connection.get("/v1/executions", api.ListOf[CronJobExecution], query)

    async def get(self, run_id: str) -> CronJobExecution:
        """Return the run with an id."""
        return await self._connection.get(_path(run_id), CronJobExecution)

    async def cancel(self, run_id: str) -> CronJobExecution:
        """Stop a run that has not ended."""
        return await self._connection.post(f"{_path(run_id)}/cancel", CronJobExecution)

    async def manifest(self, run_id: str) -> JsonObject:
        """Return a run's Job as Kubernetes writes it; raise ManifestNotFound."""
        return await self._connection.get(f"{_path(run_id)}/manifest", JsonObject)

    async def events(self, run_id: str) -> api.ListOf[api.EventView]:
        """Return the Kubernetes Events of a run's Job and pods, oldest first."""
        return await self._connection.get(f"{_path(run_id)}/events", api.ListOf[api.EventView])

    async def log(
        self, run_id: str, *, follow: bool = False, attempt: int | None = None, tail: int | None = None
    ) -> AsyncGenerator[bytes, None]:
        """Yield a run's log, live while its pod exists, else as it was kept; raise LogNotFound.

        attempt: only the attempt of that number, from 1.
        tail: only so many of the last lines, up to now.
        """
        query = {"follow": "true"} if follow else {}
        if attempt is not None:
            query["attempt"] = str(attempt)
        if tail is not None:
            query["tail"] = str(tail)
        async with aclosing(self._connection.stream(f"{_path(run_id)}/logs", query)) as chunks:
            async for chunk in chunks:
                yield chunk

    async def grep(
        self,
        text: str,
        filter: str | None = None,
        context: int = 0,
        ignore_case: bool = False,
        limit: int | None = None,
    ) -> AsyncGenerator[SearchLine, None]:
        """Yield the hits of a text in kept logs, the newest run first, and at last the end."""
        query = {
            "text": text,
            "filter": filter,
            "context": context,
            "ignore_case": "true" if ignore_case else None,
            "limit": limit,
        }
        rest = b""
        async with aclosing(self._connection.stream("/v1/grep", query)) as chunks:
            async for chunk in chunks:
                *lines, rest = (rest + chunk).split(b"\n")
                for line in lines:
                    yield msgspec.json.decode(line, type=SearchLine)


def _path(run_id: str) -> str:
    return f"/v1/executions/{path_part(run_id)}"
