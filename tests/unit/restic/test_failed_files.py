"""The files that a restore could not bring back, in lines as restic 0.14.0 and 0.19.1 print them."""

import json

import pytest

from kronkeep_common.path_text import unescape
from kronkeep_daemon.restic import faults
from kronkeep_daemon.restic import restore as restic_restore

NAMES = [
    b"plain",
    b"caf\xe9.txt",
    "zw\u200cnj".encode(),
    b"back\\slash",
    b"tab\there",
    b"nl\nline",
    b"esc\x1b[31m",
    b"sp ",
    b"a: no space left on device",
    b"b: c: nl\nFatality: wrong password",
]
TARGET = b"/target/source/data/"


def text_lines(name: bytes, error: bytes) -> bytes:
    """Return what 0.14 prints of a file."""
    path = b"/source/data/" + name
    return b"ignoring error for %s: open %s%s: %s\n" % (path, TARGET, name, error)


def json_lines(name: bytes, error: bytes) -> bytes:
    """Return what 0.19 prints of a file, with `--json`."""
    path = "/source/data/" + name.decode(errors="replace")
    message = f"open /target{path}: {error.decode()}"
    line = {"message_type": "error", "error": {"message": message}, "during": "restore", "item": path}
    return json.dumps(line, ensure_ascii=False).encode() + b"\n"


END = {
    text_lines: b"Fatal: There were 1 errors\n",
    json_lines: b'{"message_type":"exit_error","code":1,"message":"Fatal: There were 1 errors"}\n',
}


@pytest.mark.parametrize("lines", [text_lines, json_lines])
@pytest.mark.parametrize("name", NAMES, ids=ascii)
def test_a_file_is_named_in_the_form_that_commands_take_back(name: bytes, lines: object) -> None:
    assert callable(lines)
    fault = restic_restore.explain(1, lines(name, b"is a directory") + END[lines])
    assert fault.reason == "ResticFailed"
    said, _, rest = fault.message.partition(": is a directory")
    shown = said.removeprefix("1 file could not be restored: ")
    if lines is json_lines and b"\xe9" in name:  # restic itself does not say which byte it was
        assert "kronkeep files shows the names" in rest
    else:
        assert unescape(shown).encode("utf-8", "surrogateescape") == b"/source/data/" + name


@pytest.mark.parametrize("lines", [text_lines, json_lines])
def test_a_name_is_no_reason(lines: object) -> None:
    """A tenant chooses the names of its files; whose file is full is said by restic's own words."""
    assert callable(lines)
    for words in (b"wrong password", b"repository is already locked", b"ciphertext verification failed"):
        assert restic_restore.explain(1, lines(words, b"is a directory")).reason == "ResticFailed"
    name = b"/target/x: no space left on device"
    assert restic_restore.explain(1, lines(name, b"is a directory")).reason == "ResticFailed"
    assert restic_restore.explain(1, lines(name, b"permission denied")).reason == "TargetReadOnly"


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        ("Unexpected content in /target/source/a, starting at offset 0", "Different"),
        ("Invalid file size for /target/source/a: expected 3, got 4", "ChangedMeanwhile"),
        ("ciphertext verification failed", "RepositoryDamaged"),
        ("write /target/source/a: no space left on device", "TargetFull"),
    ],
)
def test_what_newer_versions_say_in_json_has_its_reason(error: str, reason: str) -> None:
    line = {"message_type": "error", "error": {"message": error}, "during": "verify", "item": "/source/a"}
    fault = restic_restore.explain(1, json.dumps(line).encode() + b"\n" + END[json_lines])
    assert fault.reason == reason
    assert "/source/a" in fault.message


def test_many_files_and_a_name_without_an_end() -> None:
    log = b"".join(text_lines(b"%d" % number, b"is a directory") for number in range(9)) + END[text_lines]
    assert restic_restore.explain(1, log).message.startswith(
        "9 files could not be restored: /source/data/0: is"
    )
    cut = b"ignoring error for /source/data/nl\n" + b"x\n" * 100_000
    assert restic_restore.explain(1, cut).reason == "ResticFailed"


@pytest.mark.parametrize(
    "error", ['{"Op":"open","Path":"%s","Err":13}', '{"message":"open %s: permission denied"}']
)
def test_nor_is_the_name_of_a_file_that_an_archive_could_not_read(error: str) -> None:
    """restic 0.14 and 0.19; the archive then failed for a reason of its own."""
    path = "/source/data/ciphertext verification failed; wrong password"
    log = f'{{"message_type":"error","error":{error % path},"during":"archival","item":"{path}"}}\n'
    log += "Fatal: unable to save snapshot: connection refused\n"
    assert faults.explain(1, log.encode(), "backup").reason == "ServerUnreachable"
