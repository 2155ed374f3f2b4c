"""The log of one attempt of a container over broken connections: every line once, in order.

A stream that breaks is opened again with sinceTime, which is exact to a second only (PodLogOptions): as many
lines as were read of the last second already are skipped. A stream that ends has usually ended with its
attempt; what the cluster says of that comes a moment later, and tells where the rest of the log is then.
"""

from collections.abc import AsyncGenerator, AsyncIterator, Callable

from kronkeep_common.clock import Clock
from kronkeep_common.errors import KronkeepError
from kronkeep_daemon.kube.client import Cluster
from kronkeep_daemon.kube.container_attempts import AttemptPlace
from kronkeep_daemon.kube.errors import InvalidObject, NotFoundInCluster
from kronkeep_daemon.kube.objects import Pod

PAUSE_SECONDS = 0.3
END_PATIENCE = 3.0  # seconds from the end of a stream until the cluster must have said that the attempt ended
LONGEST_LINE = 1024 * 1024  # bytes; a longer line is cut into several
SECOND = len("2026-01-01T00:00:00")


def end_unknown() -> str | None:
    """Return None: nobody knows when the attempt ended."""
    return None


class LogFollower:
    """The log of one attempt of a container of a pod.

    find_place: where the attempt's log is, complete also once its pod is deleted; asked before each
    connection.
    find_end: when the attempt ended, as its status says (RFC 3339, in seconds); None where it does not.
    longest_line: in bytes; a longer line comes as several.
    """

    def __init__(
        self,
        *,
        cluster: Cluster,
        pod: Pod,
        container: str,
        find_place: Callable[[], AttemptPlace],
        clock: Clock,
        find_end: Callable[[], str | None] = end_unknown,
        longest_line: int = LONGEST_LINE,
    ) -> None:
        self._find_end = find_end
        self._checks_end = True
        self._cluster = cluster
        self._pod = pod
        self._container = container
        self._find_place = find_place
        self._clock = clock
        self._longest_line = longest_line
        self._second = b""
        self._count_of_second = 0
        self.refusal: KronkeepError | None = None

    async def lines(self) -> AsyncGenerator[bytes, None]:
        """Yield whole lines with their RFC 3339 times until the attempt has ended.

        Ends early where the log is no longer kept since the container was started again, and, with the
        cluster's answer in `refusal`, where it is not there: the pod is deleted, or the container never
        started. May be called again after a cancellation and goes on where it stopped. Raises errors that are
        not retryable, such as Forbidden.
        """
        while True:
            place = self._find_place()
            over = place is not AttemptPlace.WRITTEN
            if place is AttemptPlace.GONE:
                return
            is_empty = True
            is_of_next = False
            position = (
                self._second,
                self._count_of_second,
            )  # to go back to where the log is of the next attempt
            try:
                async for line in self._read_stream(place):
                    if is_empty and place is AttemptPlace.COMPLETE and self._is_after_end(line):
                        self._second, self._count_of_second = position
                        is_of_next = True
                        break
                    is_empty = False
                    yield line
                if place is AttemptPlace.COMPLETE and is_empty and self._may_restart():
                    # The next attempt may have taken its place before the cluster's word of that came here.
                    await self._wait_while(AttemptPlace.COMPLETE)
                    if self._find_place() is AttemptPlace.PREVIOUS:
                        continue
                    self._checks_end = False
                    if is_of_next:  # nothing was started: the line was written while the attempt ended
                        continue
                if over:
                    return
                await self._wait_while(AttemptPlace.WRITTEN)
                continue
            except NotFoundInCluster as refusal:
                self.refusal = refusal
                return
            except InvalidObject as refusal:  # 400: the container has not started yet
                if over:
                    self.refusal = refusal
                    return
            except KronkeepError as fault:
                if not fault.retryable:
                    raise
            await self._clock.sleep(PAUSE_SECONDS)

    def _is_after_end(self, line: bytes) -> bool:
        """Whether the first line of a complete log is later than the attempt's end, so of the next attempt.

        To the second, as the end has no fractions.
        """
        end = self._find_end() if self._checks_end else None
        return (
            end is not None and self._may_restart() and line[:SECOND].decode(errors="replace") > end[:SECOND]
        )

    def _may_restart(self) -> bool:
        """Whether an ended container of the pod may be started again."""
        phase = self._pod.status.phase
        return self._pod.spec.restart_policy == "OnFailure" and phase not in ("Succeeded", "Failed")

    async def _wait_while(self, place: AttemptPlace) -> None:
        """Wait until the cluster says that the log is elsewhere, but no longer than END_PATIENCE."""
        waited = 0.0
        while self._find_place() is place and waited < END_PATIENCE:
            await self._clock.sleep(PAUSE_SECONDS)
            waited += PAUSE_SECONDS

    async def _read_stream(self, place: AttemptPlace) -> AsyncIterator[bytes]:
        meta = self._pod.metadata
        skip = self._count_of_second
        since = f"{self._second.decode()}Z" if self._second else None
        chunks = self._cluster.log_chunks(
            meta.namespace,
            meta.name,
            self._container,
            follow=place is AttemptPlace.WRITTEN,
            since_time=since,
            previous=place is AttemptPlace.PREVIOUS,
        )
        async for line in split_lines(chunks, self._longest_line):
            second = line[:SECOND]
            if skip and second >= self._second:
                skip -= 1
                continue
            if second < self._second:
                continue
            if second != self._second:
                self._second = second
                self._count_of_second = 0
            self._count_of_second += 1
            yield line


async def split_lines(chunks: AsyncIterator[bytes], longest_line: int) -> AsyncIterator[bytes]:
    """Yield lines, each with its line feed; one longer than `longest_line` bytes is cut."""
    rest = b""
    async for chunk in chunks:
        *whole, rest = (rest + chunk).split(b"\n")
        for line in whole:
            yield line + b"\n"
        if len(rest) > longest_line:
            yield rest + b"\n"
            rest = b""
    if rest:
        yield rest + b"\n"
