"""A claim with a policy of its own, as the Jobs view shows it beside the CronJobs."""

import msgspec
from tests.ui.canned import NOW, cronjob

from kronkeep_common.models import BackupPolicy
from kronkeep_common.record_filter import cronjob_statuses
from kronkeep_tui.pages import jobs
from kronkeep_tui.store import Store
from kronkeep_tui.widgets.cells import plain

CLAIM = msgspec.structs.replace(
    cronjob("pvc/data-db-0"),
    kind="PersistentVolumeClaim",
    schedule="",
    schedule_text="",
    recent=(),
    next_at=None,
    policy=BackupPolicy(id="p", storage_id="vault", schedule="0 3 * * *"),
)


def test_a_claim_is_told_from_a_cronjob_that_never_ran() -> None:
    cells = jobs.row(CLAIM, Store(), NOW).cells
    assert (cells[0], cells[4], cells[12]) == ("claim", "-", "vault")
    assert cronjob_statuses(CLAIM) == ("claim",)


def test_its_details_have_no_runs() -> None:
    lines = [plain(line) for line in jobs.detail(CLAIM, Store(), NOW, 80)]
    assert any("0 3 * * *" in line for line in lines)
    assert "RUNS" not in lines
