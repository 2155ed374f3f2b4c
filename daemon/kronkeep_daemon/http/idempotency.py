"""Idempotent writes: entity tags, and answers stored under the caller's Idempotency-Key.

An answer is stored for a day, 10,000 at most. The key's record is durable before the work begins. A caller
that repeats the request after a crash of the daemon gets the first answer, or, where the daemon ended before
there was one, the work is done again under the same names.
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
from kronkeep_daemon.history.record_ids import ID_DIGITS, derive_id

KEEP_FOR = timedelta(days=1)
MOST = 10_000
LONGEST_KEY = 200


class StoredAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """The answer under a key; `state` is `begun` until there is a body.

    `taken_up` is true where an earlier process of the daemon began the work, so that half of it may be done.
    """

    id: str
    request: str
    state: Literal["begun", "done"]
    created_at: datetime
    body: str = ""
    status: int = 0
    taken_up: bool = False


Work = Callable[[StoredAnswer], Awaitable[StoredAnswer]]


def etag(answer: object, body: bytes | None = None) -> str:
    """Return the entity tag of an answer: a CronJob's version in Kubernetes, else a hash of its JSON.

    body: the JSON of the answer, where the caller has it.
    """
    if isinstance(answer, CronJob):
        return f'"{answer.id}-{answer.resource_version}"'
    return f'"{hashlib.sha256(body or msgspec.json.encode(answer)).hexdigest()[:ID_DIGITS]}"'


def matches(header: str, tag: str) -> bool:
    """Return whether an If-Match or If-None-Match header names the tag (RFC 9110, 13.1)."""
    return header.strip() == "*" or tag in [part.strip().removeprefix("W/") for part in header.split(",")]


def require_match(header: str | None, *forms: object) -> None:
    """Raise PreconditionFailed where an If-Match header names none of the forms of the object."""
    if header is not None and not any(matches(header, etag(form)) for form in forms):
        raise PreconditionFailed("It has changed since you read it.")


class AnswerStore:
    """The answers of the last day by key, in the history."""

    def __init__(self, history: History, clock: Clock) -> None:
        self._history = history
        self._answers: Records[StoredAnswer] = Records(history.table("answers"), StoredAnswer)
        self._clock = clock
        self._in_progress: set[str] = set()

    async def answer_once(self, key: str, request: str, work: Work) -> StoredAnswer:
        """Return the stored answer of `key`; where there is none, do the work and store its answer.

        `work` gets the record, still without a body; `request` is the request's fingerprint. Raise
        InvalidRequest where the key was used for another request, NotAllowedNow while it is being answered.
        """
        with self._reserve(key):
            stored = self._answers.get(key)
            if stored is not None and stored.request != request:
                raise InvalidRequest("This Idempotency-Key was used for another request.", field="key")
            if stored is not None and stored.state == "done":
                return stored
            if stored is not None:
                record = msgspec.structs.replace(stored, taken_up=True)
            else:
                now = self._clock.now()
                record = StoredAnswer(id=key, request=request, state="begun", created_at=now)
                await self._put(record)
            return await self._finish(record, work)

    @contextmanager
    def _reserve(self, key: str) -> Iterator[None]:
        if key in self._in_progress:
            raise NotAllowedNow("A request with this Idempotency-Key is being answered.")
        self._in_progress.add(key)
        try:
            yield
        finally:
            self._in_progress.discard(key)

    async def _finish(self, record: StoredAnswer, work: Work) -> StoredAnswer:
        try:
            answer = await work(record)
        except KronkeepError as fault:
            # A refusal changed nothing, so its key is free again. Any other fault may have left the work half
            # done: the record stays, and a repetition of the request finishes it under the same names.
            if not fault.retryable and fault.status < 500:
                await self._forget(record.id)
            raise
        await self._put(answer)
        return answer

    async def _put(self, record: StoredAnswer) -> None:
        self._answers.put(record)
        self._drop_old()
        await self._history.commit()

    async def _forget(self, key: str) -> None:
        self._answers.remove(key)
        await self._history.commit()

    def _drop_old(self) -> None:
        old = self._answers.numbers_of_oldest(limit=MOST, before=self._clock.now() - KEEP_FOR)
        surplus = len(self._answers) - len(old) - MOST
        if surplus > 0:
            old = self._answers.numbers_of_oldest(limit=len(old) + surplus)
        if old:
            self._history.table("answers").remove(doc_ids=old)


def record_id_of(uid: int, header: str) -> str:
    """Return the id of the record for a caller's uid and Idempotency-Key; raise InvalidRequest."""
    if not 1 <= len(header) <= LONGEST_KEY or not header.isprintable():
        raise InvalidRequest(f"An Idempotency-Key has 1 to {LONGEST_KEY} printable characters.", field="key")
    return derive_id("request", str(uid), header)


def fingerprint(method: str, path: str, query: str, body: object) -> str:
    """Return a hash of all that a request says."""
    text = msgspec.json.encode(body).decode() if body is not None else ""
    return derive_id("request", method, path, query, text)
