"""A bounded queue that is fair between groups, such as namespaces.

A group that puts in more than its share waits for itself: others' items are taken in turn with its own, and
only so many of one group are worked on at once. So a tenant whose work takes for ever keeps nobody else's
waiting.
"""

from collections import OrderedDict, deque
from typing import Generic, NamedTuple, TypeVar

T = TypeVar("T")


class QueuedItem(NamedTuple, Generic[T]):
    """An item with its group."""

    group: str
    item: T


class FairQueue(Generic[T]):
    """The queue.

    longest: how many items a group may have waiting.
    most: how many items may wait in all; beyond it a group keeps its equal share of them.
    at_once: how many items of a group are worked on at the same time.
    """

    def __init__(self, *, longest: int, at_once: int, most: int) -> None:
        self._longest = longest
        self._most = most
        self._count = 0
        self._at_once = at_once
        self._waiting: OrderedDict[str, deque[T]] = OrderedDict()
        self._in_work: dict[str, int] = {}

    @property
    def is_ready(self) -> bool:
        """Whether an item waits that may be worked on now."""
        return self._next_group() is not None

    def put(self, group: str, item: T) -> bool:
        """Add an item; return False, without adding it, where its group has too many."""
        items = self._waiting.setdefault(group, deque())
        share = self._most // len(self._waiting) if self._count >= self._most else self._longest
        if len(items) >= min(share, self._longest):
            if not items:
                del self._waiting[group]
            return False
        items.append(item)
        self._count += 1
        return True

    def take(self) -> QueuedItem[T] | None:
        """Return the next item of the group whose turn it is; `done` must be called for it.

        None where nothing waits, or only items of groups of which enough are worked on.
        """
        group = self._next_group()
        if group is None:
            return None
        items = self._waiting[group]
        item = items.popleft()
        self._count -= 1
        self._waiting.move_to_end(group)
        if not items:
            del self._waiting[group]
        self._in_work[group] = self._in_work.get(group, 0) + 1
        return QueuedItem(group, item)

    def _next_group(self) -> str | None:
        return next((group for group in self._waiting if self._in_work.get(group, 0) < self._at_once), None)

    def done(self, group: str) -> None:
        """Take note that an item of the group is no longer worked on."""
        self._in_work[group] -= 1
        if not self._in_work[group]:
            del self._in_work[group]
