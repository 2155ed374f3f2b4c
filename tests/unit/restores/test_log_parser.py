"""Checksums and paths as sha256sum and find print them, whatever names files have."""

from kronkeep_daemon.restic.backup import UnchangedFilesParser
from kronkeep_daemon.restores.log_parser import ChecksumParser, FileListParser

ONE = "1" * 64
TWO = "2" * 64


def parse_checksums(text: bytes) -> dict[str, str]:
    parser = ChecksumParser()
    for line in text.rstrip(b"\n").split(b"\n"):
        parser.add_line(line)
    parser.close()
    return parser.sha256_of


def test_gnu_escapes_and_busybox_does_not() -> None:
    expected = {"/a b": ONE, "/new\nline": TWO, "/back\\slash": ONE}
    gnu = f"{ONE}  /a b\n\\{TWO}  /new\\nline\n\\{ONE}  /back\\\\slash\n"
    assert parse_checksums(f"{ONE}  /tab\\there\n".encode()) == {"/tab\\there": ONE}
    busybox = f"{ONE}  /a b\n{TWO}  /new\nline\n{ONE}  /back\\slash\n"
    assert parse_checksums(gnu.encode()) == expected
    assert parse_checksums(busybox.encode()) == expected


def test_lines_before_the_first_checksum_are_passed_over() -> None:
    assert parse_checksums(f"find: warning\n{ONE}  /a\n".encode()) == {"/a": ONE}


def test_names_with_line_feeds_come_through_whole() -> None:
    parser = FileListParser()
    for line in b"d/target/a\0\nf/target/a/two\n\nlines\0\nl/target/b\0\no/target/c\0".split(b"\n"):
        parser.add_line(line)
    assert parser.type_of == {
        "/target/a": "folder",
        "/target/a/two\n\nlines": "file",
        "/target/b": "link",
        "/target/c": "special file",
    }


def test_names_are_bounded_and_the_rest_is_counted() -> None:
    parser = FileListParser(most=2)
    for number in range(5):
        parser.add_line(b"f/%d\0" % number)
    assert (len(parser.type_of), parser.left_out) == (2, 3)


def test_unchanged_files_are_those_that_restic_calls_so() -> None:
    parser = UnchangedFilesParser(most=2)
    parser.add_line(b'{"message_type":"verbose_status","action":"unchanged","item":"/s/a"}')
    parser.add_line(b'{"message_type":"verbose_status","action":"modified","item":"/s/b"}')
    parser.add_line(b'not "unchanged" JSON')
    parser.add_line(b'{"message_type":"verbose_status","action":"unchanged","item":"/s/c"}')
    parser.add_line(b'{"message_type":"verbose_status","action":"unchanged","item":"/s/d"}')
    assert parser.paths == {"/s/a", "/s/c"}
