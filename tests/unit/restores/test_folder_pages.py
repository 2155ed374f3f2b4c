"""Pages of a folder of any size: every entry once, folders first, with what is below them."""

import gzip
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest
from tests.records import make_backup

from kronkeep_common.clock import SystemClock
from kronkeep_common.errors import InvalidRequest, PathNotFound
from kronkeep_common.models import BackupResult, SnapshotFile
from kronkeep_daemon.restores.snapshot_listing import SnapshotListings
from kronkeep_daemon.settings import Settings
from kronkeep_daemon.supervisor import Supervisor

BACKUP = make_backup(id="b", result=BackupResult(snapshot_id="s" * 64))


def entry(path: str, kind: str = "file", size: int = 0) -> SnapshotFile:
    return SnapshotFile(name=path.rpartition("/")[2], path=path, kind=kind, size=size)


def listings_of(folder: Path, entries: list[SnapshotFile]) -> SnapshotListings:
    """Return listings of which that of BACKUP is kept."""
    (folder / "listings").mkdir()
    with gzip.open(folder / "listings" / "b.jsonl.gz", "wb") as file:
        file.writelines(msgspec.json.encode(each) + b"\n" for each in entries)
    nothing: Any = None
    places: Any = SimpleNamespace(list_places=lambda *_: [BACKUP])
    return SnapshotListings(
        jobs=nothing,
        backups=nothing,
        places=places,
        storages=nothing,
        queues=nothing,
        reconciliation=nothing,
        settings=lambda: msgspec.structs.replace(Settings(), state=str(folder)),
        supervisor=Supervisor(SystemClock()),
    )


ENTRIES = [
    entry("/s", "dir"),
    *(entry(f"/s/a{number}", size=number) for number in range(3)),
    entry("/s/d1", "dir"),
    entry("/s/d1/x", size=10),
    entry("/s/d1/y", "dir"),
    entry("/s/d1/y/z", size=5),
    entry("/s/d2", "dir"),
    *(entry(f"/s/e{number}", size=1) for number in range(4)),
    entry("/s/z", "dir"),
    entry("/s/z/1", size=7),
    entry("/sx", size=99),
]


@pytest.mark.parametrize("limit", [1, 2, 3, 4, 9, 10, 11])
async def test_the_pages_together_are_the_folder(tmp_path: Path, limit: int) -> None:
    listings = listings_of(tmp_path, ENTRIES)
    page = await listings.fetch_folder("b", "/s", limit, None)
    items = list(page.items)
    while page.next_cursor is not None:
        assert (page.total, page.size, len(page.items)) == (10, 29, limit)
        page = await listings.fetch_folder("b", "/s", limit, page.next_cursor)
        items += page.items
    assert [item.path for item in items] == [
        *("/s/d1", "/s/d2", "/s/z"),
        *("/s/a0", "/s/a1", "/s/a2", "/s/e0", "/s/e1", "/s/e2", "/s/e3"),
    ]
    assert [(item.files, item.size) for item in items[:3]] == [(2, 15), (0, 0), (1, 7)]


async def test_a_cursor_of_something_else_is_refused_and_a_file_is_no_folder(tmp_path: Path) -> None:
    listings = listings_of(tmp_path, ENTRIES)
    for cursor in ("5", "5.", "-1.2", "\u00b3.1"):
        with pytest.raises(InvalidRequest):
            await listings.fetch_folder("b", "/s", 2, cursor)
    with pytest.raises(PathNotFound):
        await listings.fetch_folder("b", "/sx", 2, None)
