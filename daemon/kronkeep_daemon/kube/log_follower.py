"""A run's log as it is written, over every pod of it, without a hole and without a line twice.

A stream that breaks is opened again from the second of its last line (Kubernetes' sinceTime knows no less),
and as many lines as were given of that second are passed over.
"""

from collections.abc import AsyncIterator, Callable

from kronkeep_common.clock import Clock
from kronkeep_common.errors import KronkeepError
from kronkeep_daemon.kube.client import Cluster
from kronkeep_daemon.kube.errors import InvalidObject, NotFoundInCluster
from kronkeep_daemon.kube.objects import Pod

PAUSE = 0.3
LONGEST_LINE = 1024 * 1024
SECOND = len("2026-01-01T00:00:00")


class Follower:
    """Follows one container; `over` says whether it has ended or its pod is gone."""

    def __init__(
        self, *, cluster: Cluster, pod: Pod, container: str, over: Callable[[], bool], clock: Clock
    ) -> None:
        self._cluster = cluster
        self._pod = pod
        self._container = container
        self._over = over
        self._clock = clock
        self._second = b""
        self._given = 0

    async def lines(self) -> AsyncIterator[bytes]:
        """Its whole lines, each with its time; ends with the container."""
        while True:
            over = self._over()
            try:
                async for line in self._stream(follow=not over):
                    yield line
                if over:
                    return
            except NotFoundInCluster:
                return
            except InvalidObject:  # it has not started yet
                if over:
                    return
            except KronkeepError as fault:
                if not fault.retryable:
                    raise
            await self._clock.sleep(PAUSE)

    async def _stream(self, *, follow: bool) -> AsyncIterator[bytes]:
        meta = self._pod.metadata
        skip = self._given
        since = f"{self._second.decode()}Z" if self._second else None
        chunks = self._cluster.log_chunks(
            meta.namespace, meta.name, self._container, follow=follow, since_time=since
        )
        async for line in _lines(chunks):
            second = line[:SECOND]
            if skip and second >= self._second:
                skip -= 1
                continue
            if second < self._second:
                continue
            if second != self._second:
                self._second = second
                self._given = 0
            self._given += 1
            yield line


async def _lines(chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    rest = b""
    async for chunk in chunks:
        *whole, rest = (rest + chunk).split(b"\n")
        for line in whole:
            yield line + b"\n"
        if len(rest) > LONGEST_LINE:
            yield rest + b"\n"
            rest = b""
    if rest:
        yield rest + b"\n"
