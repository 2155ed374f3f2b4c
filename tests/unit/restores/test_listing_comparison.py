"""What two listings differ in, and in which of many a path is."""

import os
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st
from tests.records import make_backup

from kronkeep_common import path_text
from kronkeep_common.models import SnapshotFile
from kronkeep_common.models.file_changes import BackupDiff
from kronkeep_daemon.restores.listing_comparison import MatchCollector, compare_listings

NOW = datetime(2026, 1, 15, 10, tzinfo=UTC)


def entry(path: str, size: int = 1, minutes: int = 0, kind: str = "file") -> SnapshotFile:
    at = NOW + timedelta(minutes=minutes)
    return SnapshotFile(name=path.rpartition("/")[2], path=path, kind=kind, size=size, modified_at=at)


def diff(
    older: list[SnapshotFile], newer: list[SnapshotFile], path: str = "/", limit: int = 100
) -> BackupDiff:
    def read_older() -> Iterator[SnapshotFile]:
        return iter(older)

    def read_newer() -> Iterator[SnapshotFile]:
        return iter(newer)

    return compare_listings("a", read_older, "b", read_newer, path=path, limit=limit)


def test_each_kind_of_change_is_listed_with_its_sizes() -> None:
    older = [entry("/s", kind="dir"), entry("/s/gone", 5), entry("/s/same", 7), entry("/s/grown", 10)]
    newer = [
        entry("/s", kind="dir", minutes=9),
        entry("/s/grown", 25, minutes=1),
        entry("/s/new", 3),
        entry("/s/same", 7),
    ]
    answer = diff(older, newer)
    shown = [(item.change, item.path, item.old_size, item.size) for item in answer.items]
    assert shown == [
        ("removed", "/s/gone", 5, None),
        ("changed", "/s/grown", 10, 25),
        ("added", "/s/new", None, 3),
    ]
    assert (answer.added, answer.removed, answer.changed) == (1, 1, 1)
    assert (answer.bytes_added, answer.bytes_removed) == (18, 5)


def test_a_file_that_became_a_folder_and_one_of_the_same_size_at_another_time_are_changed() -> None:
    answer = diff(
        [entry("/s/x"), entry("/s/y", minutes=0)], [entry("/s/x", kind="dir"), entry("/s/y", minutes=1)]
    )
    assert [item.path for item in answer.items] == ["/s/x", "/s/y"]
    assert answer.changed == 2


def test_only_what_is_below_the_folder_counts_and_the_first_are_listed() -> None:
    newer = [entry(f"/s/a/{number}") for number in range(9)] + [entry("/s/ab/x")]
    answer = diff([], newer, path="/s/a", limit=4)
    assert answer.added == 9
    assert len(answer.items) == 4


FILES = st.dictionaries(st.sampled_from("abcdefgh"), st.integers(0, 3), max_size=8)


@given(FILES, FILES)
def test_the_counts_are_those_of_two_dictionaries(old: dict[str, int], new: dict[str, int]) -> None:
    answer = diff(
        [entry(f"/{name}", size) for name, size in old.items()],
        [entry(f"/{name}", size) for name, size in new.items()],
    )
    assert answer.added == len(new.keys() - old.keys())
    assert answer.removed == len(old.keys() - new.keys())
    assert answer.changed == sum(old[name] != new[name] for name in old.keys() & new.keys())
    assert answer.bytes_added - answer.bytes_removed == sum(new.values()) - sum(old.values())


TREE_NAMES = ("a", "a b", "a-", "a.x", "ä", "B", "b\\\\x", "z\\xff")  # as path_text writes them
TREES = st.dictionaries(
    st.lists(st.sampled_from(TREE_NAMES), min_size=1, max_size=3).map(tuple),
    st.integers(0, 2),
    max_size=12,
)


def listed(tree: dict[tuple[str, ...], int], *, has_dump: bool) -> list[SnapshotFile]:
    """Return files and folders as restic lists them: names by their bytes, a folder before its content."""
    paths: dict[tuple[bytes, ...], SnapshotFile] = {}
    for names, size in tree.items():
        for depth in range(1, len(names) + 1):
            key = tuple(os.fsencode(path_text.unescape(name)) for name in names[:depth])
            path = "/source/" + "/".join(names[:depth])
            is_file = depth == len(names) and not any(o[:depth] == names and o != names for o in tree)
            kind = "file" if is_file else "dir"
            paths[key] = entry(path, size if is_file else 0, kind=kind)
    dump = [entry("/dump.sql", 9)] if has_dump else []
    return [entry("/source", kind="dir", size=0), *(paths[key] for key in sorted(paths)), *dump]


@given(TREES, TREES, st.booleans(), st.booleans())
def test_listings_read_side_by_side_differ_as_their_dictionaries_do(
    old: dict[tuple[str, ...], int], new: dict[tuple[str, ...], int], old_dump: bool, new_dump: bool
) -> None:
    older = listed(old, has_dump=old_dump)
    newer = listed(new, has_dump=new_dump)
    answer = diff(older, newer, limit=1000)
    before = {each.path: (each.kind, each.size) for each in older}
    after = {each.path: (each.kind, each.size) for each in newer}
    assert {i.path for i in answer.items if i.change == "added"} == after.keys() - before.keys()
    assert {i.path for i in answer.items if i.change == "removed"} == before.keys() - after.keys()
    assert {i.path for i in answer.items if i.change == "changed"} == {
        path for path in before.keys() & after.keys() if before[path] != after[path]
    }
    # The same, where no order can be relied on.
    again = diff(older[::-1], newer, limit=1000)
    assert (again.added, again.removed, again.changed) == (answer.added, answer.removed, answer.changed)
    assert (again.bytes_added, again.bytes_removed) == (answer.bytes_added, answer.bytes_removed)


def test_a_path_is_found_with_the_first_and_the_last_backup_that_has_it() -> None:
    collector = MatchCollector("*.sql", 10)
    listings = {
        3: [entry("/s/b.sql", 30), entry("/s/x.txt")],
        2: [entry("/s/a.sql", 2), entry("/s/b.sql", 20)],
        1: [entry("/s/b.sql", 10)],
    }
    for number, entries in listings.items():
        backup = make_backup(id=f"b{number}", created_at=NOW + timedelta(days=number))
        collector.add(backup, entries)
    first, second = collector.matches()
    assert (first.path, first.first_backup_id, first.last_backup_id, first.backups) == (
        "/s/a.sql",
        "b2",
        "b2",
        1,
    )
    assert (second.first_backup_id, second.last_backup_id, second.backups) == ("b1", "b3", 3)
    assert (second.size, second.first_seen_at) == (30, NOW + timedelta(days=1))


def test_a_pattern_with_a_slash_is_of_the_path_and_too_many_are_cut() -> None:
    collector = MatchCollector("/s/*/x", 2)
    collector.add(make_backup(), [entry(f"/s/{number}/x") for number in range(3)] + [entry("/s/x")])
    assert len(collector.matches()) == 2
    assert collector.is_cut
    exact = MatchCollector("x", 2)
    exact.add(make_backup(), [entry("/s/xx"), entry("/s/x")])
    assert [match.path for match in exact.matches()] == ["/s/x"]
