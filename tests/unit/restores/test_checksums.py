"""Hashes and names as sha256sum and find print them, whichever names files have."""

from pathlib import Path

from kronkeep_daemon.restores.checksums import (
    ChecksumParser,
    ChecksumStore,
    FileChecksum,
    FileListParser,
    UnchangedFilesParser,
    build_checksums,
    compare_checksums,
)

ONE = "1" * 64
TWO = "2" * 64


def sums(text: bytes) -> dict[str, str]:
    found = ChecksumParser()
    for line in text.rstrip(b"\n").split(b"\n"):
        found.hear(line)
    found.end()
    return found.found


def test_gnu_escapes_and_busybox_does_not() -> None:
    wanted = {"/a b": ONE, "/new\nline": TWO, "/back\\slash": ONE}
    gnu = f"{ONE}  /a b\n\\{TWO}  /new\\nline\n\\{ONE}  /back\\\\slash\n"
    assert sums(f"{ONE}  /tab\\there\n".encode()) == {"/tab\\there": ONE}
    busybox = f"{ONE}  /a b\n{TWO}  /new\nline\n{ONE}  /back\\slash\n"
    assert sums(gnu.encode()) == wanted
    assert sums(busybox.encode()) == wanted


def test_names_with_line_feeds_come_through_whole() -> None:
    names = FileListParser()
    for line in b"d/target/a\0\nf/target/a/two\n\nlines\0\nf/target/b\0".split(b"\n"):
        names.hear(line)
    assert names.folders == {"/target/a"}
    assert names.files == {"/target/a/two\n\nlines", "/target/b"}


def test_names_are_bounded_and_the_rest_is_counted() -> None:
    names = FileListParser(most=2)
    for number in range(5):
        names.hear(b"f/%d\0" % number)
    assert (len(names.files), names.more) == (2, 3)


def test_only_what_restic_calls_unchanged_has_a_hash(tmp_path: Path) -> None:
    changes = UnchangedFilesParser()
    changes.hear(b'{"message_type":"verbose_status","action":"unchanged","item":"/s/a"}')
    changes.hear(b'{"message_type":"verbose_status","action":"modified","item":"/s/b"}')
    changes.hear(b'not "unchanged" JSON')
    found = ChecksumParser()
    found.found = {"/s/a": ONE, "/s/b": TWO}
    made = build_checksums(iter([("/s/a", 1), ("/s/b", 2)]), found, changes)
    assert made == [FileChecksum("/s/a", 1, ONE), FileChecksum("/s/b", 2, None)]
    kept = ChecksumStore(tmp_path / "m")
    kept.write("x", made)
    assert kept.read("x") == made
    kept.remove("x")
    assert kept.read("x") is None


def test_missing_and_changed_files_are_differences_and_unhashed_ones_must_be_there() -> None:
    manifest = [
        FileChecksum("/a", 1, ONE),
        FileChecksum("/b", 1, ONE),
        FileChecksum("/c", 1, None),
        FileChecksum("/d", 1, None),
    ]
    compared, wrong = compare_checksums(manifest, {"/a": ONE, "/b": TWO, "/c": TWO})
    assert (compared, wrong) == (2, ["/b", "/d (missing)"])
