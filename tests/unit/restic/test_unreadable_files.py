"""Files that restic could not read, from real lines of 0.14.0 and of later versions."""

import json

import pytest

from kronkeep_common import path_text
from kronkeep_common.states import BackupStatus
from kronkeep_daemon.restic import backup, unreadable_files

SUMMARY = b'{"message_type":"summary","snapshot_id":"0123abcd","total_files_processed":2}\n'
LOST_AND_FOUND = (
    b'{"message_type":"error","error":{},"during":"archival","item":"/source/data/lost+found"}\n'
    b'{"message_type":"error","error":{},"during":"scan","item":"/source/data/lost+found"}\n'
)


def error_line(path: str, error: object, during: str = "archival") -> bytes:
    line = {"message_type": "error", "error": error, "during": during, "item": path}
    return json.dumps(line).encode() + b"\n"


def test_files_are_counted_once_and_before_any_cut() -> None:
    log = b""
    for number in range(25):
        path = f"/source/data/{number}"
        error = {"Op": "open", "Path": path, "Err": 13}
        log += error_line(path, error, "scan") + error_line(path, error)
    outcome = backup.judge(3, log + SUMMARY, "0.14.0")
    assert outcome.message is not None
    assert outcome.message.startswith("25 files (permission denied: 25) could not be read")
    assert len(outcome.warnings) == 21
    assert outcome.warnings[0] == "/source/data/0: permission denied"
    assert outcome.warnings[-1] == "5 more could not be read."


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        ({"Op": "open", "Path": "/source/data/a", "Err": 13}, "permission denied"),
        ({"Op": "lstat", "Path": "/source/data/a", "Err": 36}, "file name too long"),
        ({"Op": "read", "Path": "/source/data/a", "Err": 5}, "input/output error"),
        ({"message": "open /source/data/a: permission denied"}, "permission denied"),
        ({"message": "the file vanished"}, "the file vanished"),
        ({}, "restic does not say why"),
        (None, "restic does not say why"),
        (True, "restic does not say why"),
    ],
)
def test_the_reason_of_a_file_is_in_words(error: object, reason: str) -> None:
    assert unreadable_files.parse(error_line("/source/data/a", error)) == [("/source/data/a", reason)]


def test_a_reason_that_only_one_of_two_lines_has_is_kept() -> None:
    path = "/source/data/a"
    log = error_line(path, {}) + error_line(path, {"Err": 13}, "scan") + error_line(path, {})
    assert unreadable_files.parse(log) == [(path, "permission denied")]


def test_a_long_path_keeps_its_ends_and_its_reason() -> None:
    path = "/source/data/" + "d" * 4000 + "/report.pdf"
    (warning,) = unreadable_files.warnings_of(unreadable_files.parse(error_line(path, {"Err": 36})))
    assert warning.startswith("/source/data/d")
    assert warning.endswith("/report.pdf: file name too long")
    assert len(warning) < 300


def test_the_lost_and_found_of_a_claim_makes_no_backup_partial() -> None:
    outcome = backup.judge(3, LOST_AND_FOUND + SUMMARY, "0.14.0")
    assert outcome.status is BackupStatus.SUCCEEDED
    assert outcome.warnings == ("/source/data/lost+found: restic does not say why",)


@pytest.mark.parametrize(
    "other", ["/source/data/a", "/source/data/sub/lost+found", "/source/data/lost+found/a", "/lost+found"]
)
def test_any_other_file_beside_it_does(other: str) -> None:
    outcome = backup.judge(3, LOST_AND_FOUND + error_line(other, {"Err": 13}) + SUMMARY, "0.14.0")
    assert outcome.status is BackupStatus.PARTIAL
    assert outcome.reason == "Incomplete"


def test_no_error_line_at_all_stays_partial() -> None:
    assert backup.judge(3, SUMMARY, "0.14.0").status is BackupStatus.PARTIAL


def test_a_path_is_shown_in_the_form_that_commands_take_back() -> None:
    odd = "/source/data/a\u200cb/\x1b[31mred/ space \\"
    log = error_line(odd, {"Op": "open", "Path": odd, "Err": 13}) + SUMMARY
    (warning,) = backup.judge(3, log, "0.14.0").warnings
    shown, _, reason = warning.rpartition(": ")
    assert (path_text.unescape(shown), reason) == (odd, "permission denied")
    assert shown.isprintable()
