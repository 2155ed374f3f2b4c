"""What a tenant can put into the log of an archive never becomes a record that cannot be read again.

A dump shares its container with restic: it may write any line to restic's own standard output.
"""

import json
from collections.abc import Callable

import msgspec
import pytest

from kronkeep_common.models import BackupResult, Progress
from kronkeep_daemon.restic import backup, output, restore, stats

BIG = 10**400
VALUES: tuple[object, ...] = (
    -1,
    -0.5,
    BIG,
    -BIG,
    2**63,
    2**64,
    1e308,
    -1e308,
    1e-320,
    0,
    True,
    None,
    "9" * 5000,
    [],
    {},
)
SUMMARY = {
    "files_new": 1,
    "files_changed": 1,
    "files_unmodified": 1,
    "total_files_processed": 3,
    "total_bytes_processed": 1000,
    "total_duration": 2.5,
    "data_added": 500,
    "data_added_packed": 100,
}
STATUS = {
    "percent_done": 0.5,
    "bytes_done": 5,
    "total_bytes": 10,
    "files_done": 1,
    "total_files": 2,
    "seconds_remaining": 7,
    "current_files": ["/a"],
}
RESTORED = {
    "percent_done": 0.5,
    "bytes_restored": 5,
    "total_bytes": 10,
    "files_restored": 1,
    "total_files": 2,
}


def message(kind: str, fields: dict[str, object]) -> bytes:
    """Return a line of restic, its type first, as restic writes it."""
    return json.dumps({"message_type": kind, **fields}, separators=(",", ":")).encode()


def read_summary(line: bytes) -> BackupResult | None:
    return backup.parse_summary(line, "0.19.1")


def read_status(line: bytes) -> Progress | None:
    return next((backup.parse_progress(obj) for obj in output.parse_objects(line)), None)


CASES: tuple[tuple[str, dict[str, object], Callable[[bytes], msgspec.Struct | None]], ...] = (
    ("summary", {"snapshot_id": "deadbeef", **SUMMARY}, read_summary),
    ("status", dict(STATUS), read_status),
    ("status", dict(RESTORED), restore.parse_progress),
)


@pytest.mark.parametrize(("kind", "fields", "read"), CASES, ids=("summary", "status", "restore"))
def test_a_record_of_any_numbers_can_be_read_again(
    kind: str, fields: dict[str, object], read: Callable[[bytes], msgspec.Struct | None]
) -> None:
    assert read(message(kind, fields)) is not None
    for field in fields:
        for value in VALUES:
            record = read(message(kind, fields | {field: value}))
            if record is None:
                continue
            text = msgspec.json.encode(record)
            assert msgspec.json.decode(text, type=type(record)) == record, (field, value)
            assert len(text) < 5000


def test_all_numbers_at_their_limits_at_once() -> None:
    most = {
        **SUMMARY,
        **dict.fromkeys(SUMMARY, 2**63 - 1),
        "total_duration": 1e-320,
        "snapshot_id": "deadbeef",
    }
    result = read_summary(message("summary", most))
    assert result is not None
    assert msgspec.json.decode(msgspec.json.encode(result), type=BackupResult) == result


@pytest.mark.parametrize("value", VALUES, ids=range(len(VALUES)))
def test_figures_of_a_repository_and_of_a_restore(value: object) -> None:
    figures = stats.parse(message("", {"total_size": value, "snapshots_count": value}))
    assert figures is None or figures.total_size >= 0
    verified = restore.parse_verified(message("summary", {"files_restored": value, "files_skipped": 1}))
    assert verified is None or 0 <= verified <= 2**64


def test_more_than_everything_is_almost_everything() -> None:
    """restic reads files that grow, so its own share may exceed 1; what it has read may not be stored yet."""
    progress = read_status(message("status", STATUS | {"percent_done": 1.25, "seconds_remaining": 1e300}))
    assert progress is not None
    assert (progress.percent, progress.remaining_seconds) == (99, None)
