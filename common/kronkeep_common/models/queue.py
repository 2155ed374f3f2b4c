"""The queue before the repositories: what works on them, and what waits and why."""

from typing import Literal

from kronkeep_common.models.base import Moment, Record


class QueueEntry(Record, frozen=True, kw_only=True):
    """A work on a repository; those that work come first, then those that wait, by repository and place.

    `task` is what it does in a word, such as archive, prune or restore. `kind` says what it may be beside:
    an archive and a reader beside each other, hooks beside everything, exclusive work beside nothing.
    `place` counts from 1 among the works of its kind that wait for the repository; hooks count with
    archives. Archives and hooks have `backup_id`, `cluster`, `namespace` and `cronjob`; `node` is empty where
    any will do; `good_until` is when the recovery point of the policy ends. `since` is when it came.
    """

    id: str
    kind: Literal["archive", "hooks", "reading", "exclusive"]
    task: str
    status: Literal["working", "waiting"]
    repository: str
    storage_id: str
    since: Moment
    place: int | None = None
    backup_id: str | None = None
    cluster: str | None = None
    namespace: str | None = None
    cronjob: str | None = None
    node: str | None = None
    priority: Literal["low", "normal", "high"] | None = None
    good_until: Moment | None = None
    reason: str | None = None
    message: str | None = None
    next_step: str | None = None
