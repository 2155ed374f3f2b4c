"""`restic list locks`, `restic cat lock` and `restic unlock`: the locks that a repository holds."""

import re
from datetime import UTC, datetime

import msgspec

from kronkeep_common.json_decoding import DECODING_ERRORS
from kronkeep_daemon.restic import output

_ID = re.compile(rb"[0-9a-f]{64}")


class RepositoryLock(msgspec.Struct, frozen=True):
    """A lock file of restic: when it was last refreshed, and the host name of the pod that holds it."""

    time: datetime
    hostname: str = ""


UNREADABLE_LOCK = RepositoryLock(time=datetime.max.replace(tzinfo=UTC))


def list_argv() -> list[str]:
    """List the ids of the locks, without a lock of its own."""
    return ["restic", "list", "locks", "--no-lock"]


def cat_argv(lock_id: str) -> list[str]:
    """Print one lock, without a lock of its own."""
    return ["restic", "cat", "lock", lock_id, "--no-lock"]


def unlock_argv(*, remove_all: bool) -> list[str]:
    """Remove all locks, or only those that restic finds stale."""
    return ["restic", "unlock", "--remove-all"] if remove_all else ["restic", "unlock"]


def parse_list(log: bytes) -> list[str]:
    """Return the ids of the locks."""
    return [lock_id.decode() for lock_id in _ID.findall(log)]


def parse_lock(log: bytes) -> RepositoryLock:
    """Return the lock that `restic cat lock` printed as JSON over several lines, or UNREADABLE_LOCK.

    UNREADABLE_LOCK counts as just refreshed and of no known host, so it is never taken for a dead one.
    """
    text = b"".join(output.split_lines(log))
    try:
        return msgspec.json.decode(text[text.index(b"{") :], type=RepositoryLock)
    except DECODING_ERRORS:
        return UNREADABLE_LOCK
