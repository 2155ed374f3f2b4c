"""Checksums of a backup: which files get one, and what differs after a restore."""

from pathlib import Path

from kronkeep_daemon.restores.checksums import (
    ChecksumStore,
    FileChecksum,
    build_checksums,
    compare_checksums,
)

ONE = "1" * 64
TWO = "2" * 64


def test_only_unchanged_files_have_a_checksum(tmp_path: Path) -> None:
    files = [("/s/a", 1), ("/s/b", 2), ("/s/c", 3)]
    checksums = build_checksums(files, {"/s/a": ONE, "/s/b": TWO}, {"/s/a", "/s/c"})
    assert checksums == [
        FileChecksum("/s/a", 1, ONE),
        FileChecksum("/s/b", 2, None),
        FileChecksum("/s/c", 3, None),
    ]
    store = ChecksumStore(tmp_path / "m")
    store.write("x", checksums)
    assert store.read("x") == checksums
    store.remove("x")
    assert store.read("x") is None


def test_missing_and_changed_files_differ_and_files_without_a_checksum_must_be_there() -> None:
    checksums = [
        FileChecksum("/a", 1, ONE),
        FileChecksum("/b", 1, ONE),
        FileChecksum("/c", 1, None),
        FileChecksum("/d", 1, None),
    ]
    assert compare_checksums(checksums, {"/a": ONE, "/b": TWO, "/c": TWO}) == (2, ["/b", "/d (missing)"])
