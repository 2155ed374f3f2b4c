"""What restic prints, by subcommand, as the records that it becomes."""

from datetime import UTC

import pytest

from kronkeep_common.models import Progress
from kronkeep_daemon.restic import keys, locks, restore, stats
from kronkeep_daemon.restic.snapshots import ListedSnapshot
from kronkeep_daemon.restic.stats import RepositoryStats


@pytest.mark.parametrize(("tags", "part"), [(None, ""), (["backup=b"], ""), (["a", "part=files"], "files")])
def test_the_part_of_a_snapshot_is_in_its_tags(tags: list[str] | None, part: str) -> None:
    assert ListedSnapshot(id="0123", tags=tuple(tags) if tags else None).part == part


def test_the_figures_are_the_last_object() -> None:
    log = b'{"message_type":"warning"}\n{"total_size":9,"snapshots_count":2,"ratio":1.5}\n'
    assert stats.parse(log) == RepositoryStats(total_size=9, snapshots_count=2)
    assert stats.parse(b"no figures") is None
    assert stats.parse(b'{"total_size":"much"}') is None


def test_keys_are_whole_ids() -> None:
    key = "0123456789abcdef" * 4
    assert keys.parse(f"2026-01-01T00:00:00.0Z {key}\nfound 1 key\n".encode()) == [key]


def test_locks_are_listed_by_their_ids() -> None:
    lock_id = "0123456789abcdef" * 4
    assert locks.parse_list(f"2026-01-01T00:00:00.0Z {lock_id}\n".encode()) == [lock_id]


def test_a_lock_as_restic_prints_it() -> None:
    log = b"""2026-01-01T00:00:00.0Z {
2026-01-01T00:00:00.0Z   "time": "2026-01-01T11:59:00.123456789+01:00",
2026-01-01T00:00:00.0Z   "exclusive": false,
2026-01-01T00:00:00.0Z   "hostname": "pod",
2026-01-01T00:00:00.0Z   "username": "root",
2026-01-01T00:00:00.0Z   "pid": 7
2026-01-01T00:00:00.0Z }
"""
    lock = locks.parse_lock(log)
    assert (lock.hostname, lock.time.astimezone(UTC).hour) == ("pod", 10)


SUMMARY = b'{"message_type":"summary","total_files":5,"files_restored":3,"files_skipped":1,"total_bytes":9}'


def test_the_progress_of_a_restore_is_its_status_line() -> None:
    line = (
        b'{"message_type":"status","percent_done":0.256,"total_files":4,"files_restored":1,"total_bytes":9}'
    )
    progress = restore.parse_progress(line)
    assert progress is not None
    assert (
        progress.percent,
        progress.files_done,
        progress.files_total,
        progress.bytes_done,
        progress.bytes_total,
    ) == (25.6, 1, 4, 0, 9)
    assert restore.parse_progress(SUMMARY) is None
    assert restore.parse_progress(b'{"message_type":"status", broken') is None
    assert restore.parse_progress(b'{"message_type":"status","percent_done":"half"}') is None
    unknown = b'{"message_type":"status","percent_done":0.5,"action":"\xff"}'
    assert restore.parse_progress(unknown) == Progress(percent=50.0)


def test_different_files_are_counted_and_some_named() -> None:
    fault = restore.different_files([f"/f{n}" for n in range(9)])
    assert fault.message.startswith("9 files are not what was archived: /f0, /f1")
    assert fault.message.endswith("and 4 more.")
    few = restore.different_files(["/f0", "/f1"])
    assert few.message == "2 files are not what was archived: /f0, /f1."
