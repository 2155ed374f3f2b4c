"""Questions that take long: the client asks again meanwhile, and what is searched is bounded."""

import threading
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from tests.records import make_backup
from tests.waiting import eventually

from kronkeep_common.clock import SystemClock
from kronkeep_common.errors import StillReading
from kronkeep_common.models import BackupExecution, BackupResult, SnapshotFile
from kronkeep_common.models.file_changes import BackupDiff
from kronkeep_daemon.history import History
from kronkeep_daemon.restores import snapshot_search
from kronkeep_daemon.restores.snapshot_search import SnapshotSearch
from kronkeep_daemon.supervisor import Supervisor


class SlowListings:
    """Listings of one file each, which cannot be read before `gate` is open."""

    def __init__(self) -> None:
        self.gate = threading.Event()
        self.reads = 0

    async def open(self, backup_id: str, *_: object) -> BackupExecution:
        return make_backup(id=backup_id)

    def read_entries(self, backup: BackupExecution) -> Iterator[SnapshotFile]:
        self.gate.wait(60)
        self.reads += 1
        yield SnapshotFile(name="x.sql", path="/x.sql", kind="file", size=len(backup.id))


class SearchScene:
    """A search over slow listings."""

    def __init__(self, history: History) -> None:
        self.listings = SlowListings()
        self.supervisor = Supervisor(SystemClock())
        self.history = history
        listings: Any = self.listings
        self.search = SnapshotSearch(
            listings=listings, history=history, clock=SystemClock(), supervisor=self.supervisor
        )


@pytest.fixture
async def scene(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[SearchScene]:
    monkeypatch.setattr(snapshot_search, "WAIT_SECONDS", 0.01)
    history = await History.open(tmp_path / "h", clock=SystemClock())
    made = SearchScene(history)
    yield made
    made.listings.gate.set()
    await made.supervisor.close()
    await history.close()


async def test_who_asks_again_gets_the_answer_of_one_comparison(scene: SearchScene) -> None:
    async def ask() -> BackupDiff | None:
        try:
            return await scene.search.diff("a", "bb", "/", 10, 0)
        except StillReading:
            return None

    assert await ask() is None
    assert await ask() is None
    scene.listings.gate.set()
    answer = await eventually(ask, lambda diff: diff is not None)
    assert answer is not None
    assert answer.changed == 1
    assert scene.listings.reads == 2


async def test_a_search_ends_at_so_many_entries_and_says_what_was_not_searched(
    scene: SearchScene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(snapshot_search, "MOST_SEARCHED", 2)
    monkeypatch.setattr(snapshot_search, "WAIT_SECONDS", 60)
    scene.listings.gate.set()
    for number in range(4):
        result = BackupResult(snapshot_id=f"{number}" * 64)
        backup = make_backup(id=f"b{number}", cronjob_id="c", status="succeeded", result=result)
        scene.history.backups.put(backup)
    await scene.history.commit()
    matches = await scene.search.find(("c",), "*.sql", 10, 0)
    assert (matches.backups, len(matches.items), len(matches.unread)) == (2, 1, 2)
    assert "very many files" in matches.unread[0]


async def test_the_backups_of_before_a_cronjob_was_made_again_are_searched_too(
    scene: SearchScene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(snapshot_search, "MOST_LISTINGS", 2)
    monkeypatch.setattr(snapshot_search, "WAIT_SECONDS", 60)
    scene.listings.gate.set()
    for day, (number, owner) in enumerate((("old", "before"), ("lost", "before"), ("new", "now")), 1):
        result = BackupResult(snapshot_id=number * 8)
        created_at = datetime(2026, 1, day, tzinfo=UTC)
        scene.history.backups.put(
            make_backup(id=number, cronjob_id=owner, created_at=created_at, status="succeeded", result=result)
        )
    await scene.history.commit()
    matches = await scene.search.find(("before", "now"), "*.sql", 10, 0)
    assert [(match.first_backup_id, match.last_backup_id) for match in matches.items] == [("lost", "new")]
    assert matches.is_cut
