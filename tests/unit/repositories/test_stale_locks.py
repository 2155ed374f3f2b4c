"""Which locks of a repository may be taken away: those of our own dead Jobs, and no others."""

from datetime import UTC, datetime, timedelta

import msgspec
import pytest
from tests.records import VAULT

from kronkeep_daemon.repositories import job_names, stale_locks
from kronkeep_daemon.restic import locks
from kronkeep_daemon.restic.locks import RepositoryLock

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
RECORD_ID = "0123456789abcdef0123456789abcdef"
OURS = f"shop-db-dump-bk-{RECORD_ID}-1-x7k2p"
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
def test_whether_a_lock_is_of_a_dead_job_of_ours(
    hostname: str, age: int, alive: list[str], ours: bool, gone: bool
) -> None:
    lock = RepositoryLock(time=NOW - timedelta(minutes=age), hostname=hostname)
    assert stale_locks.is_dead(lock, alive, lambda _: ours, NOW) is gone


@pytest.mark.parametrize("storage", ["vault", "a-name-that-is-as-long-as-names-may-be-and-has-0a-in-it"])
@pytest.mark.parametrize("try_", ["", "-2"])
def test_names_of_our_jobs_are_recognised_and_those_of_another_kronkeep_are_not(
    storage: str, try_: str
) -> None:
    own, other = (msgspec.structs.replace(one, id=storage) for one in (VAULT, ELSEWHERE))
    job = job_names.new_name("prune", own) + try_
    assert len(job) <= 57  # then Kubernetes cuts nothing of it off in the pod's name
    assert job_names.is_ours(f"{job}-x7k2p", own)
    assert not job_names.is_ours(f"{job}-x7k2p", other)
    assert not job_names.is_ours(f"{job}-x7k2p".replace("prune", "check"), own)


@pytest.mark.parametrize(
    ("host", "known"),
    [
        (OURS, True),
        (f"kronkeep-restore-{RECORD_ID}-1-x7k2p", True),
        (f"kronkeep-files-{RECORD_ID}-x7k2p", True),
        (f"kronkeep-files-{RECORD_ID[::-1]}-x7k2p", False),
        (RECORD_ID, False),
    ],
)
def test_a_pod_of_a_record_of_this_history_is_ours(host: str, known: bool) -> None:
    assert stale_locks.is_ours(host, VAULT, {RECORD_ID}.__contains__) is known


@pytest.mark.parametrize("log", [b"", b"Fatal: no", b"{}", b'{"time": 3}'])
def test_an_unreadable_lock_is_of_nobody(log: bytes) -> None:
    lock = locks.parse_lock(log)
    assert not stale_locks.is_dead(lock, [], lambda _: False, NOW)


DEAD = RepositoryLock(time=NOW, hostname=OURS)
ALIVE = RepositoryLock(time=NOW, hostname="somebodys-laptop")
STALE = RepositoryLock(time=NOW - stale_locks.STALE, hostname="somebodys-laptop")


@pytest.mark.parametrize(
    ("found", "alive", "all_dead"),
    [
        ([DEAD, DEAD], [], True),
        ([DEAD, ALIVE], [], False),  # not one of somebody else's
        ([DEAD, STALE], [], False),
        ([DEAD], [OURS], False),
        ([DEAD], None, False),  # nobody can tell who is alive
        ([locks.UNREADABLE_LOCK, DEAD], [], False),
    ],
)
def test_all_locks_are_removed_only_where_each_is_of_a_dead_job_of_ours(
    found: list[RepositoryLock], alive: list[str] | None, all_dead: bool
) -> None:
    assert stale_locks.are_all_dead(found, alive, lambda host: host == OURS, NOW) is all_dead


@pytest.mark.parametrize(
    ("lock", "stale"), [(STALE, True), (ALIVE, False), (DEAD, False), (locks.UNREADABLE_LOCK, False)]
)
def test_restic_itself_removes_only_locks_that_are_half_an_hour_old(
    lock: RepositoryLock, stale: bool
) -> None:
    assert stale_locks.is_stale(lock, NOW) is stale
