"""Maintenance Jobs: which repository they work on, and what they list of it."""

import threading
from pathlib import Path
from typing import Any

import pytest
from tests.records import make_backup, vault
from tests.unit.repositories.completed_jobs import REPOSITORY_ID, Jobs

from kronkeep_common.clock import SystemClock
from kronkeep_common.errors import StorageFailed
from kronkeep_common.models import BackupResult
from kronkeep_daemon.backups.snapshot_reconciliation import SnapshotReconciliation
from kronkeep_daemon.events import Bus
from kronkeep_daemon.history import History
from kronkeep_daemon.repositories import reconciliation
from kronkeep_daemon.repositories.maintenance import RepositoryMaintenance
from kronkeep_daemon.repositories.queue import RepositoryQueues
from kronkeep_daemon.repositories.repository import Repository
from kronkeep_daemon.repositories.repository_index import RepositoryIndex
from kronkeep_daemon.restic import cat
from kronkeep_daemon.settings import Settings

OWN = Repository(storage=vault())


@pytest.fixture
async def history(tmp_path: Path) -> Any:
    opened = await History.open(tmp_path, clock=SystemClock())
    yield opened
    await opened.close()


@pytest.fixture
def index(history: History) -> RepositoryIndex:
    return RepositoryIndex(history, SystemClock(), Bus())


def maintenance(index: RepositoryIndex, jobs: Jobs) -> RepositoryMaintenance:
    nothing: Any = None
    return RepositoryMaintenance(
        jobs=jobs,  # type: ignore[arg-type]
        index=index,
        stale_locks=nothing,
        queues=RepositoryQueues(clock=SystemClock(), settings=Settings),
    )


async def test_a_repository_whose_id_is_not_known_gets_it_at_the_next_contact(index: RepositoryIndex) -> None:
    jobs = Jobs()
    assert index.id_of(OWN) == ""
    await maintenance(index, jobs).run("check", [("check", ["restic", "check"])], OWN, 60)
    assert jobs.steps[0][0] == ("repository", cat.argv(lock=False))
    assert index.id_of(OWN) == REPOSITORY_ID
    for role in ("check", "usage", "data", "prune", "forget"):
        await maintenance(index, jobs).run(role, [(role, ["restic", role])], OWN, 60)
        assert jobs.steps[-1][0] == ("repository", cat.argv(REPOSITORY_ID, lock=False))


async def test_a_list_that_was_cut_is_no_list(index: RepositoryIndex) -> None:
    cut = maintenance(index, Jobs(b'[{"time":"2026"'))
    with pytest.raises(StorageFailed) as fault:
        await cut.run_and_list("list", [], OWN, 60)
    assert fault.value.details["reason"] == "ListingUnreadable"
    assert (await maintenance(index, Jobs(b"[]")).run_and_list("list", [], OWN, 60)).snapshots == []


class Records:
    """Records of one backup, which notes what is missing."""

    def __init__(self) -> None:
        self.missing: list[str] = []

    async def iter_in_storage(self, _storage_id: str) -> Any:
        yield make_backup(storage_id="vault", result=BackupResult(snapshot_id="01234567"))

    def is_accounted_for(self, _backup_id: str) -> bool:
        return True

    async def missing_in(self, _storage_id: str) -> list[str]:
        return self.missing

    async def set_missing(self, backup_id: str, _at: Any) -> None:
        self.missing.append(backup_id)


class Storages:
    """No storages with counts."""

    def find(self, _name: str) -> None:
        return None


class Upkeep:
    """Upkeep without storages."""

    def observe_lists(self, _observer: Any) -> None:
        """Take an observer."""


class CronJobs:
    """CronJobs of no cluster."""

    clusters = ()


async def test_records_and_list_are_compared_beside_the_event_loop(
    history: History, index: RepositoryIndex, monkeypatch: pytest.MonkeyPatch
) -> None:
    threads: list[int] = []
    compare = reconciliation.compare

    def note_thread(*arguments: Any) -> Any:
        threads.append(threading.get_ident())
        return compare(*arguments)

    monkeypatch.setattr(reconciliation, "compare", note_thread)
    nothing: Any = None
    records = Records()
    service = SnapshotReconciliation(
        records=records,  # type: ignore[arg-type]
        copies=nothing,
        unusual=nothing,
        first_comparisons=nothing,
        index=index,
        passwords=nothing,
        storages=Storages(),  # type: ignore[arg-type]
        upkeep=Upkeep(),  # type: ignore[arg-type]
        maintenance=maintenance(index, Jobs(b"[]")),
        queues=RepositoryQueues(clock=SystemClock(), settings=Settings),
        cronjobs=CronJobs(),  # type: ignore[arg-type]
        policies=nothing,
        history=history,
        bus=Bus(),
        clock=SystemClock(),
        supervisor=nothing,
    )
    await service.list_and_apply(OWN)
    assert records.missing == ["b"]
    assert threads
    assert threading.get_ident() not in threads
