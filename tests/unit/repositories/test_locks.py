"""Which locks of a repository may be taken away: those of our own dead Jobs, and no others."""

from datetime import UTC, datetime, timedelta

import pytest

from kronkeep_daemon.repositories import locks
from kronkeep_daemon.repositories.locks import Lock

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
OURS = "shop-db-dump-bk-0123456789ab-1-x7k2p"


@pytest.mark.parametrize(
    ("hostname", "age", "alive", "known", "gone"),
    [
        (OURS, 1, [], True, True),
        (OURS, 1, [OURS], True, False),  # its pod is alive
        (OURS, 1, [], False, False),  # another kronkeep's, perhaps alive in its own cluster
        (OURS, 7, [], False, True),  # not refreshed for longer than restic ever waits
        ("kronkeep-prune-vault-abc123-9z9z9", 1, [], False, False),
        ("kronkeep-prune-vault-abc123-9z9z9", 7, [], False, True),
        ("kronkeep-prune-vault-abc123-9z9z9", 7, ["kronkeep-prune-vault-abc123-9z9z9"], False, False),
        ("somebodys-laptop", 600, [], True, False),
        ("", 600, [], True, False),
        ("x" * 63, 1, ["x" * 80], True, False),
    ],
)
def test_whose_lock(hostname: str, age: int, alive: list[str], known: bool, gone: bool) -> None:
    lock = Lock(time=NOW - timedelta(minutes=age), hostname=hostname)
    assert locks.dead(lock, alive, lambda _: known, NOW) is gone


def test_a_lock_as_restic_prints_it() -> None:
    log = b"""2026-01-01T00:00:00.0Z {
2026-01-01T00:00:00.0Z   "time": "2026-01-01T11:59:00.123456789+01:00",
2026-01-01T00:00:00.0Z   "exclusive": false,
2026-01-01T00:00:00.0Z   "hostname": "pod",
2026-01-01T00:00:00.0Z   "username": "root",
2026-01-01T00:00:00.0Z   "pid": 7
2026-01-01T00:00:00.0Z }
"""
    found = locks.read(log)
    assert (found.hostname, found.time.astimezone(UTC).hour) == ("pod", 10)


@pytest.mark.parametrize("log", [b"", b"Fatal: no", b"{}", b'{"time": 3}'])
def test_a_lock_that_cannot_be_read_is_nobodys(log: bytes) -> None:
    found = locks.read(log)
    assert not locks.dead(found, [], lambda _: True, NOW)
