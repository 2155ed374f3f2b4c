"""Storages in the terminal: what is theirs, how full their place is, and nothing old of one that is away."""

from datetime import timedelta
from typing import Any

import msgspec
import pytest
from tests.records import VAULT, vault_with_usage

from kronkeep_common.models import BackupStorage
from kronkeep_common.states import StorageStatus
from kronkeep_tui.pages import storages
from kronkeep_tui.store import Store
from kronkeep_tui.widgets.cells import plain, spans

NOW = VAULT.created_at + timedelta(hours=3)
GIB = 1024**3


def filled(**fields: Any) -> BackupStorage:
    measured = vault_with_usage(
        used_bytes=1024**2,
        capacity_bytes=252 * GIB,
        available_bytes=38 * GIB,
        level="warning",
        growth_bytes_per_day=5.0,
        days_until_full=40.0,
        snapshots=3,
    )
    return msgspec.structs.replace(measured, settings={"path": "/srv/v"}, repository="/repository", **fields)


def cells_of(storage: BackupStorage) -> dict[str, str]:
    row = storages.row(storage, Store(), NOW)
    titles = [column.title for column in storages.COLUMNS]
    return {title: plain(spans(cell)) for title, cell in zip(titles, row.cells, strict=True)}


def detail_of(storage: BackupStorage) -> str:
    return "\n".join(plain(line) for line in storages.detail(storage, (), Store(), NOW, 80))


def test_what_is_ours_is_told_apart_from_how_full_the_place_is() -> None:
    cells = cells_of(filled())
    assert (cells["HOLDS"], cells["PLACE"]) == ("1.0 MiB", "/srv/v")
    assert cells["FULL"].endswith(" 85%")
    assert "holds 1.0 MiB in 3 snapshots, 38.0 GiB of 252.0 GiB left  measured 3h ago" in detail_of(filled())
    assert "/repository" not in detail_of(filled())


@pytest.mark.parametrize(
    "fields",
    [
        {"reason": "StorageUnreachable"},
        {"reason": "RepositoryMissing"},
        {"status": StorageStatus.FAILED, "reason": "WrongPassword"},
    ],
    ids=str,
)
def test_a_storage_that_is_away_shows_nothing_that_was_measured_before(fields: dict[str, Any]) -> None:
    cells = cells_of(filled(**fields))
    assert {cells[title] for title in ("HOLDS", "FULL", "FULL IN", "GROWTH", "SNAPSHOTS")} == {"-"}
    detail = detail_of(filled(**fields))
    assert "held 1.0 MiB in 3 snapshots" in detail
    assert "measured 3h ago" in detail
    assert "grows" not in detail


def test_a_full_or_damaged_one_is_there_and_its_figures_are_shown() -> None:
    for fields in ({"reason": "StorageFull"}, {"check_ok": False}):
        assert cells_of(filled(**fields))["HOLDS"] == "1.0 MiB"


def test_a_capacity_of_its_own_is_said_with_what_it_holds() -> None:
    measured = vault_with_usage(used_bytes=GIB, capacity_bytes=4 * GIB, snapshots=1)
    assert "holds 1.0 GiB of 4.0 GiB in 1 snapshot  measured" in detail_of(measured)


def test_one_that_was_never_measured_says_so() -> None:
    assert cells_of(VAULT)["FULL"] == "not measured"
