"""Which of several clusters a request is about, where namespace and name do not tell.

It is set for one request (`?cluster=NAME`) and goes with every task that the request starts, so that rooms
which never heard of clusters write to the right one.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_CHOSEN: ContextVar[str | None] = ContextVar("cluster", default=None)


def chosen() -> str | None:
    """The name or id of the cluster, where one was named."""
    return _CHOSEN.get()


@contextmanager
def choosing(name: str | None) -> Iterator[None]:
    """Names a cluster for what runs inside."""
    token = _CHOSEN.set(name)
    try:
        yield
    finally:
        _CHOSEN.reset(token)
