"""What makes a write safe to send again: entity tags, and answers kept under the caller's key.

An answer is kept for a day, 10,000 at most. The key's record is durable before the work begins, so a caller
that repeats the request after a crash gets the first answer, or, where the daemon died in between, the
work is taken up again under the same names and answered as if it had just been done.
"""

import hashlib
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Literal

import msgspec

from kronkeep_common.clock import Clock
from kronkeep_common.errors import InvalidRequest, KronkeepError, NotAllowedNow, PreconditionFailed
from kronkeep_common.models import CronJob
from kronkeep_daemon.history import History, Records
from kronkeep_daemon.history.documents import NUMBER, TIME

KEPT = timedelta(days=1)
MOST = 10_000
LONGEST_KEY = 200


class Answered(msgspec.Struct, frozen=True, kw_only=True):
    """An answer under a key: `state` is `begun` until the body is there.

    `taken_up` is true where the daemon that had begun is gone, so that its work may be half done.
    """

    id: str
    request: str
    state: Literal["begun", "done"]
    created_at: datetime
    body: str = ""
    status: int = 0
    taken_up: bool = False


def etag(answer: object, body: bytes | None = None) -> str:
    """The tag of an answer: of a CronJob its version in Kubernetes, else a hash of `body`, its JSON."""
    if isinstance(answer, CronJob):
        return f'"{answer.id[:8]}-{answer.resource_version}"'
    return f'"{hashlib.sha256(body or msgspec.json.encode(answer)).hexdigest()[:20]}"'


def matches(header: str, tag: str) -> bool:
    """Whether an If-Match or If-None-Match header names the tag (RFC 9110, 13.1)."""
    return header.strip() == "*" or tag in [part.strip().removeprefix("W/") for part in header.split(",")]


def require(header: str | None, *current: object) -> None:
    """Raises PreconditionFailed when the header names no form in which the object is read now."""
    if header is not None and not any(matches(header, etag(form)) for form in current):
        raise PreconditionFailed("It has changed since you read it.")


class Answers:
    """The kept answers, in the history."""

    def __init__(self, history: History, clock: Clock) -> None:
        self._history = history
        self._answers: Records[Answered] = Records(history.table("answers"), Answered)
        self._clock = clock
        self._going: set[str] = set()

    @contextmanager
    def _alone(self, key: str) -> Iterator[None]:
        if key in self._going:
            raise NotAllowedNow("A request with this Idempotency-Key is being answered.")
        self._going.add(key)
        try:
            yield
        finally:
            self._going.discard(key)

    async def once(self, key: str, request: str, work: Callable[[Answered], Awaitable[Answered]]) -> Answered:
        """The kept answer of `key`, or what `work` makes of the record that has begun.

        Raises InvalidRequest when the key was used for another request, NotAllowedNow while it is worked on.
        """
        with self._alone(key):
            known = self._get(key)
            if known is not None and known.request != request:
                raise InvalidRequest("This Idempotency-Key was used for another request.", field="key")
            if known is not None and known.state == "done":
                return known
            begun = Answered(id=key, request=request, state="begun", created_at=self._clock.now())
            if known is None:
                await self._put(begun)
            else:
                begun = msgspec.structs.replace(known, taken_up=True)
            return await self._finish(begun, work)

    async def _finish(self, begun: Answered, work: Callable[[Answered], Awaitable[Answered]]) -> Answered:
        try:
            done = await work(begun)
        except KronkeepError as fault:
            if not fault.retryable and fault.status < 500:
                await self._forget(begun.id)
            raise
        await self._put(done)
        return done

    def _get(self, key: str) -> Answered | None:
        return self._answers.get(key)

    async def _put(self, record: Answered) -> None:
        self._answers.put(record)
        self._drop_old()
        await self._history.commit()

    async def _forget(self, key: str) -> None:
        self._answers.remove(key)
        await self._history.commit()

    def _drop_old(self) -> None:
        table = self._history.table("answers")
        order = table.documents.order
        limit = msgspec.to_builtins(self._clock.now() - KEPT)
        count = max(0, len(order) - MOST)
        while count < len(order) and order[count][TIME] < limit:
            count += 1
        if count:
            table.remove(doc_ids=[row[NUMBER] for row in order[:count]])


def key_of(uid: int, header: str) -> str:
    """The record's id: the caller's uid and key together; raises InvalidRequest."""
    if not 1 <= len(header) <= LONGEST_KEY or not header.isprintable():
        raise InvalidRequest(f"An Idempotency-Key has 1 to {LONGEST_KEY} printable characters.", field="key")
    return hashlib.sha256(f"{uid}\n{header}".encode()).hexdigest()[:32]


def fingerprint(method: str, path: str, query: str, body: object) -> str:
    """A hash of all that the request asks."""
    raw = msgspec.json.encode(body) if body is not None else b""
    return hashlib.sha256(b"\n".join([method.encode(), path.encode(), query.encode(), raw])).hexdigest()[:32]
