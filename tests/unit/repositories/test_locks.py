"""Which locks of a repository may be taken away: those of our own dead Jobs, and no others."""

from datetime import UTC, datetime, timedelta

import msgspec
import pytest
from tests.records import VAULT

from kronkeep_daemon.repositories import job_names, stale_locks
from kronkeep_daemon.repositories.stale_locks import Lock

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
OURS = "shop-db-dump-bk-0123456789ab-1-x7k2p"
ELSEWHERE = msgspec.structs.replace(VAULT, created_at=NOW + timedelta(microseconds=1))


@pytest.mark.parametrize(
    ("hostname", "age", "alive", "ours", "gone"),
    [
        (OURS, 1, [], True, True),
        (OURS, 1, [OURS], True, False),  # its pod is alive
        (OURS, 1, [], False, False),  # another kronkeep's, perhaps alive in its own cluster
        (OURS, 7, [], False, True),  # not refreshed for longer than restic ever waits
        ("kronkeep-prune-vault-abc123-9z9z9", 1, [], False, False),
        ("kronkeep-prune-vault-abc123-9z9z9", 7, [], False, True),
        ("kronkeep-prune-vault-abc123-9z9z9", 7, ["kronkeep-prune-vault-abc123-9z9z9"], False, False),
        ("somebodys-laptop", 600, [], False, False),
        ("", 600, [], False, False),
        ("x" * 63, 1, ["x" * 80], True, False),
    ],
)
def test_whose_lock(hostname: str, age: int, alive: list[str], ours: bool, gone: bool) -> None:
    lock = Lock(time=NOW - timedelta(minutes=age), hostname=hostname)
    assert stale_locks.dead(lock, alive, lambda _: ours, NOW) is gone


@pytest.mark.parametrize("storage", ["vault", "a-name-that-is-as-long-as-names-may-be-and-has-0a-in-it"])
@pytest.mark.parametrize("try_", ["", "-2"])
def test_our_own_names_are_known_for_ours_and_another_kronkeeps_are_not(storage: str, try_: str) -> None:
    own, other = (msgspec.structs.replace(one, id=storage) for one in (VAULT, ELSEWHERE))
    job = job_names.fresh("prune", own) + try_
    assert len(job) <= 57  # then Kubernetes cuts nothing of it off in the pod's name
    assert job_names.is_ours(f"{job}-x7k2p", own)
    assert not job_names.is_ours(f"{job}-x7k2p", other)
    assert not job_names.is_ours(f"{job}-x7k2p".replace("prune", "check"), own)


@pytest.mark.parametrize(
    ("host", "known"),
    [
        (OURS, True),
        ("kronkeep-restore-0123456789ab-1-x7k2p", True),
        ("kronkeep-files-0123456789ab-x7k2p", True),
        ("kronkeep-files-ab0123456789-x7k2p", False),
        ("0123456789ab", False),
    ],
)
def test_a_pod_of_a_record_of_this_history_is_ours(host: str, known: bool) -> None:
    assert stale_locks.ours(host, VAULT, {"0123456789ab"}.__contains__) is known


def test_a_lock_as_restic_prints_it() -> None:
    log = b"""2026-01-01T00:00:00.0Z {
2026-01-01T00:00:00.0Z   "time": "2026-01-01T11:59:00.123456789+01:00",
2026-01-01T00:00:00.0Z   "exclusive": false,
2026-01-01T00:00:00.0Z   "hostname": "pod",
2026-01-01T00:00:00.0Z   "username": "root",
2026-01-01T00:00:00.0Z   "pid": 7
2026-01-01T00:00:00.0Z }
"""
    found = stale_locks.read(log)
    assert (found.hostname, found.time.astimezone(UTC).hour) == ("pod", 10)


@pytest.mark.parametrize("log", [b"", b"Fatal: no", b"{}", b'{"time": 3}'])
def test_a_lock_that_cannot_be_read_is_nobodys(log: bytes) -> None:
    found = stale_locks.read(log)
    assert not stale_locks.dead(found, [], lambda _: False, NOW)


DEAD = Lock(time=NOW, hostname=OURS)
ALIVE = Lock(time=NOW, hostname="somebodys-laptop")
STALE = Lock(time=NOW - stale_locks.STALE, hostname="somebodys-laptop")
REMOVE = ["restic", "unlock", "--remove-all"]
ASK = ["restic", "unlock"]


@pytest.mark.parametrize(
    ("found", "alive", "argv"),
    [
        ([DEAD, DEAD], [], REMOVE),
        ([DEAD, ALIVE], [], None),  # not one of somebody else's
        ([DEAD, STALE], [], ASK),
        ([DEAD], [OURS], None),
        ([DEAD], None, None),  # nobody can tell who is alive
        ([STALE], None, ASK),
        ([stale_locks.read(b"no JSON"), DEAD], [], None),
    ],
)
def test_what_restic_is_asked_to_take_away(
    found: list[Lock], alive: list[str] | None, argv: list[str] | None
) -> None:
    assert stale_locks.unlocking(found, alive, lambda host: host == OURS, NOW) == argv
