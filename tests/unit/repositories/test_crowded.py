"""Repositories in which archives begin late: the median of the newest, and who says so."""

from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest
from tests.records import vault

from kronkeep_common.clock import SystemClock
from kronkeep_daemon.alerts.storage_rules import repository_crowded
from kronkeep_daemon.doctor import storage_checks
from kronkeep_daemon.events import Bus
from kronkeep_daemon.history import History
from kronkeep_daemon.repositories.repository import repository_in_folder
from kronkeep_daemon.repositories.repository_index import RepositoryIndex

STORAGE = vault(id="vault", settings={"path": "/srv"})
SHOP = repository_in_folder("namespace-shop-1", STORAGE)


@pytest.fixture
async def index(tmp_path: Path) -> AsyncIterator[RepositoryIndex]:
    history = await History.open(tmp_path / "h", clock=SystemClock())
    yield RepositoryIndex(history, SystemClock(), Bus())
    await history.close()


async def test_a_repository_is_crowded_by_the_median_of_its_newest_archives(index: RepositoryIndex) -> None:
    def slow() -> list[str]:
        return [each.id for each in index.describe(STORAGE, limit=30) if each.is_crowded]

    index.note_first_byte(SHOP, 90)
    index.note_first_byte(SHOP, 90)
    assert slow() == []  # two are too few to tell
    index.note_first_byte(SHOP, 80)
    assert slow() == [SHOP.id]
    for _ in range(3):
        index.note_first_byte(SHOP, 1)
    assert slow() == []  # pruned, or moved


async def test_it_is_an_alert_and_a_line_of_the_doctor_with_what_to_do(index: RepositoryIndex) -> None:
    for _ in range(3):
        index.note_first_byte(SHOP, 95)
    crowded = tuple(each for each in index.describe(STORAGE, limit=30) if each.is_crowded)
    storage = msgspec.structs.replace(STORAGE, crowded=crowded)
    result = repository_crowded(storage)
    assert result is not None
    assert "vault/namespace-shop-1 restic reads the first file only after 1m35s" in result.message
    assert "kronkeep storage move vault" in result.next_step
    (check,) = storage_checks.check_crowded([storage])
    assert "storage move vault" in (check.next_step or "")
    assert repository_crowded(STORAGE) is None
    assert list(storage_checks.check_crowded([STORAGE])) == []
