"""A run's page shows the backup that was made for it, and beside it those that somebody started later."""

from datetime import UTC, datetime, timedelta

import msgspec
import pytest
from tests.records import make_backup, make_run

from kronkeep_common.states import BackupStatus, ExecutionStatus
from kronkeep_tui.pages import runs
from kronkeep_tui.store import Store, backup_of, with_records
from kronkeep_tui.widgets.cells import plain

NOW = datetime(2026, 11, 24, 3, tzinfo=UTC)
RUN = make_run(id="r1", created_at=NOW - timedelta(hours=1))
OWN = make_backup(id="own", cronjob_execution_id="r1", created_at=NOW - timedelta(minutes=50))
MANUAL = make_backup(
    id="manual",
    cronjob_execution_id="r1",
    trigger="manual",
    status=BackupStatus.FAILED,
    reason="RepositoryMissing",
    created_at=NOW - timedelta(minutes=5),
)


@pytest.mark.parametrize("order", [(OWN, MANUAL), (MANUAL, OWN)])
def test_a_later_backup_by_hand_does_not_stand_for_the_runs_own(order: tuple[object, ...]) -> None:
    store = with_records(Store(), "backups", order)
    assert backup_of(store, RUN) == OWN
    text = "\n".join(plain(line) for line in runs.head(RUN, store, NOW, 80))
    assert "backup ok" in text
    assert "by hand FAIL → s  5m ago  RepositoryMissing" in text


def test_a_good_run_with_a_failed_backup_says_so_beside_the_failed_runs() -> None:
    failed = make_backup(id="own", cronjob_execution_id="r1", status=BackupStatus.FAILED, message="No space.")
    why = [column.title for column in runs.columns_at(80)].index("WHY")
    for backup, words in ((failed, "backup: No space."), (OWN, "")):
        row = runs.row(RUN, with_records(Store(), "backups", (backup,)), NOW)
        assert row.cells[why] == words
        assert row.role == "ok"
    gone = msgspec.structs.replace(RUN, status=ExecutionStatus.FAILED, message="Exit code 3.")
    assert runs.row(gone, with_records(Store(), "backups", (failed,)), NOW).cells[why] == "Exit code 3."


def test_a_run_without_a_backup_of_its_own_has_none() -> None:
    store = with_records(Store(), "backups", (MANUAL,))
    assert backup_of(store, RUN) is None
    text = "\n".join(plain(line) for line in runs.head(RUN, store, NOW, 80))
    assert "none belongs to this run" in text
    assert "by hand FAIL" in text
