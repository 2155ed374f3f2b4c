"""Search in the kept logs of runs, the newest run first; logs are read and searched in threads.

Runs whose logs cannot have the text, as the sieve tells, are not decoded and their logs not read.
"""

import asyncio
import zlib
from collections.abc import AsyncGenerator, Callable, Iterator
from datetime import datetime
from itertools import islice

from kronkeep_common.models import CronJobExecution, KeptLog
from kronkeep_common.models.log_search import LogHit, SearchEnd, SearchLine
from kronkeep_daemon.cronjobs import run_logs
from kronkeep_daemon.history import History
from kronkeep_daemon.history.kept_logs import sieve_key
from kronkeep_daemon.history.log_search import LogQuestion, find_lines, places_in_sieve
from kronkeep_daemon.history.rows import Row

AT_ONCE = 8  # logs that one call of a thread searches
PAGE = 200  # runs read between two turns of the event loop
MOST_HITS = 10_000

KeptPart = tuple[CronJobExecution, KeptLog]


class LogSearch:
    """One search; `run` yields its lines."""

    def __init__(self, history: History, question: LogQuestion, limit: int = MOST_HITS) -> None:
        self._history = history
        self._question = question
        self._limit = limit
        self._places = places_in_sieve(question)
        self._skipped = 0
        self._logs = 0
        self._removed = 0
        self._bytes = 0
        self._hits = 0

    async def run(
        self,
        accepts: Callable[[CronJobExecution], bool],
        equal: dict[str, str],
        since: datetime | None = None,
    ) -> AsyncGenerator[SearchLine, None]:
        """Yield the hits in the logs of the runs that are accepted, then the end.

        equal: values of indexed fields that every accepted run has.
        since: the time before which none is accepted.
        """
        cursor: str | None = None
        is_last = False
        while not is_last:
            page = self._history.executions.newest_rows(equal, limit=PAGE, cursor=cursor, since=since)
            cursor = page.next_cursor
            is_last = cursor is None
            rows = await asyncio.to_thread(self._sift, page.rows)
            runs = [run for run in map(self._history.executions.decode, rows) if run.logs and accepts(run)]
            parts = ((run, log) for run in runs for log in run.logs)
            while self._hits < self._limit and (chunk := list(islice(parts, AT_ONCE))):
                for hit in await asyncio.to_thread(self._search, chunk):
                    yield SearchLine(hit=hit)
            if self._hits >= self._limit:
                break
            await asyncio.sleep(0)
        limited = self._hits >= self._limit
        end = SearchEnd(
            logs=self._logs,
            skipped=self._skipped,
            removed=self._removed,
            bytes=self._bytes,
            hits=self._hits,
            limited=limited,
        )
        yield SearchLine(end=end)

    def _sift(self, rows: list[Row]) -> list[Row]:
        """Return the rows of the runs whose logs may have the text."""
        keys = {row.number: sieve_key(row) for row in rows}
        candidates = self._history.logs.sieve.candidates(list(keys.values()), self._places)
        self._skipped += len(rows) - len(candidates)
        return [row for row in rows if keys[row.number] in candidates]

    def _search(self, parts: list[KeptPart]) -> list[LogHit]:
        return [hit for run, log in parts for hit in self._search_log(run, log)]

    def _search_log(self, run: CronJobExecution, log: KeptLog) -> Iterator[LogHit]:
        if log.removed is not None:
            self._removed += 1
            return
        name = run_logs.log_name(log.pod, log.container, log.attempt)
        try:
            text = self._history.logs.read_now(run, name)
        except (OSError, EOFError, zlib.error):  # one damaged file ends no search
            return
        if text is None:
            return
        self._logs += 1
        self._bytes += len(text)
        for line in find_lines(text, self._question, self._limit - self._hits):
            self._hits += 1
            yield LogHit(
                execution_id=run.id,
                cluster=run.cluster,
                namespace=run.namespace,
                cronjob=run.cronjob,
                created_at=run.created_at,
                container=log.container,
                pod=log.pod,
                attempt=log.attempt,
                line=line.number,
                text=line.text,
                before=line.before,
                after=line.after,
            )
