"""What a search in kept logs sends, a line of JSON each."""

from kronkeep_common.models.base import Bytes, Moment, Record


class LogHit(Record, frozen=True, kw_only=True):
    """A line of a run's kept log with the searched text; `before` and `after` are the lines around it.

    `line` is its number from 1 in what is kept. A line has at most 1,000 characters.
    """

    execution_id: str
    cluster: str
    namespace: str
    cronjob: str
    created_at: Moment
    container: str
    pod: str
    attempt: int = 1
    line: int
    text: str
    before: tuple[str, ...] = ()
    after: tuple[str, ...] = ()


class SearchEnd(Record, frozen=True, kw_only=True):
    """The end of a search: how many logs and bytes it read, and whether it ended at its limit of hits.

    skipped: runs whose logs were not read, since their sieve tells that they do not have the text.
    removed: logs of such runs that were not read, as they had been removed for space.
    """

    logs: int
    skipped: int = 0
    removed: int = 0
    bytes: Bytes
    hits: int
    limited: bool = False


class SearchLine(Record, frozen=True, kw_only=True):
    """A hit, or at last the end; an answer without an end was broken off."""

    hit: LogHit | None = None
    end: SearchEnd | None = None
