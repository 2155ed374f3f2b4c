"""What the pages of retention say of sizes: a sum only where each of them is known."""

from datetime import UTC, datetime

from tests.ui import canned

from kronkeep_common.models import Retention, RetentionPlan, SnapshotVerdict
from kronkeep_common.states import BackupStatus
from kronkeep_tui.pages import retention
from kronkeep_tui.widgets.cells import plain

NOW = datetime(2026, 1, 1, tzinfo=UTC)
WHY = "What 1 of 2 snapshots take is not known."


def plan(*stored: int | None) -> RetentionPlan:
    """A plan whose removals stored so much."""
    going = tuple(
        SnapshotVerdict(
            backup_id=str(number),
            snapshot_id="0" * 8,
            created_at=NOW,
            status=BackupStatus.SUCCEEDED,
            bytes_stored=one,
            why="no rule keeps it",
        )
        for number, one in enumerate(stored)
    )
    return RetentionPlan(
        policy_id="p",
        computed_at=NOW,
        retention=Retention(),
        remove=going,
        token="t",
        sizes_unknown=WHY if None in stored else None,
    )


def test_a_sum_is_said_where_each_part_of_it_was_shown() -> None:
    job = canned.cronjob("job")
    assert retention.row(job, plan(1024, 1024)).cells[2] == "2.0 KiB"
    assert retention.row(job, plan(1024, None)).cells[2] == "-"
    assert retention.row(job, plan()).cells[2] == "-"


def test_why_a_size_is_not_known_is_read() -> None:
    owner = retention.PlanOwner("job")
    for found in (plan(1024, None), plan(1024)):
        said = WHY in [plain(line).strip() for line in retention.detail(found, NOW, 100)]
        assert said is (found.sizes_unknown is not None)
        assert said is any(WHY in plain(line) for line in retention.plan_lines(found, owner, NOW, 100))
