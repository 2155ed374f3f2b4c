"""What excludes leave out of a listing, counted."""

import pytest

from kronkeep_common.models import SnapshotFile, Source
from kronkeep_daemon.restic.exclude_patterns import ExcludeFilter
from kronkeep_daemon.restores.exclude_preview import compute_effect, find_cache_folders

LISTING = [
    SnapshotFile(name="source", path="/source", kind="dir"),
    SnapshotFile(name="data", path="/source/data", kind="dir"),
    SnapshotFile(name="a.tmp", path="/source/data/a.tmp", kind="file", size=10),
    SnapshotFile(name="data", path="/source/data/data", kind="dir"),
    SnapshotFile(name="b", path="/source/data/data/b", kind="file", size=5000),
    SnapshotFile(name="c\\x0a.tmp", path="/source/data/data/c\\x0a.tmp", kind="file", size=1),
    SnapshotFile(name="tagged", path="/source/data/tagged", kind="dir"),
    SnapshotFile(name="CACHEDIR.TAG", path="/source/data/tagged/CACHEDIR.TAG", kind="file", size=43),
    SnapshotFile(name="x", path="/source/data/tagged/x", kind="file", size=7),
    SnapshotFile(name="configuration", path="/configuration", kind="dir"),
    SnapshotFile(name="d.tmp", path="/configuration/d.tmp", kind="file", size=9),
]


@pytest.mark.parametrize(
    ("source", "files", "left_out_bytes"),
    [
        (Source(exclude=("*.tmp",)), 2, 11),
        (Source(exclude=("/*.tmp",)), 1, 10),
        (Source(exclude=("data",)), 2, 5001),  # never the claim of that name itself
        (Source(exclude_larger_than=43), 1, 5000),
        (Source(exclude_caches=True), 1, 7),
        (Source(exclude=("*", "!data")), 3, 60),
        (Source(exclude=("nothing",)), 0, 0),
    ],
)
def test_excludes_leave_out_of_the_claims_what_they_match(
    source: Source, files: int, left_out_bytes: int
) -> None:
    caches = find_cache_folders(LISTING) if source.exclude_caches else frozenset()
    effect = compute_effect(LISTING, source, caches)
    assert (effect.files, effect.bytes, effect.all_files) == (files, left_out_bytes, 5)


@pytest.mark.parametrize("path", ["a/b", "a/x/b", "a/x/y/b", "x/a/b", "x/y/a/z/b", "a/b/c"])
@pytest.mark.parametrize("pattern", ["a/**/b", "**/a/**/b"])
def test_two_wildcards_for_folders_stand_for_any_number_of_them(pattern: str, path: str) -> None:
    assert ExcludeFilter([pattern]).leaves_out(f"/source/data/{path}", is_folder=False)
    assert not ExcludeFilter([pattern]).leaves_out(f"/source/data/{path.replace('a', 'n')}", is_folder=False)


def test_the_sentence_counts_and_names_some() -> None:
    effect = compute_effect(LISTING, Source(exclude=("**/*.tmp",)))
    assert effect.sentence("B1") == (
        "The excludes leave out 2 of 5 files (11 B) of the newest listing, of backup B1: "
        "/data/a.tmp, /data/data/c\\x0a.tmp"
    )
    none = compute_effect(LISTING, Source(exclude=("nothing",)))
    assert none.sentence("B1") == (
        "The excludes leave out none of the 5 files of the newest listing, of backup B1."
    )
