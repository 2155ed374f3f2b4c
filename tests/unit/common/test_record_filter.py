"""The filter grammar: each term on records of several kinds, and what it refuses."""

from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from kronkeep_common.api import ManifestFile
from kronkeep_common.errors import InvalidFilter
from kronkeep_common.models import BackupExecution, BackupPolicy, BackupResult, CronJob, CronJobExecution
from kronkeep_common.record_filter import parse_filter
from kronkeep_common.states import BackupStatus, ExecutionStatus, Trigger

NOW = datetime(2026, 1, 15, 10, 0, tzinfo=UTC)
RUN = CronJobExecution(
    id="u1",
    cluster="c",
    namespace="pay",
    cronjob="invoices",
    cronjob_id="j",
    status=ExecutionStatus.FAILED,
    trigger=Trigger.MANUAL,
    created_at=NOW - timedelta(hours=2),
    reason="OOMKilled",
)
CRONJOB = CronJob(
    id="j",
    cluster="c",
    namespace="pay",
    name="invoices",
    schedule="@daily",
    created_at=NOW - timedelta(days=9),
    recent=(ExecutionStatus.FAILED, ExecutionStatus.SUCCEEDED),
    policy=BackupPolicy(id="p1", storage_id="vault"),
)
BACKUP = BackupExecution(
    id="b",
    cluster="c",
    namespace="pay",
    cronjob="invoices",
    cronjob_id="j",
    policy_id="p1",
    storage_id="old",
    status=BackupStatus.SUCCEEDED,
    created_at=NOW,
)
KEPT = BackupResult(snapshot_id="5" * 64)
FILE = ManifestFile(file="shop.yaml", status="refused", since=NOW)


@pytest.mark.parametrize(
    ("text", "record", "taken"),
    [
        ("", RUN, True),
        ("status:failed ns:pay", RUN, True),
        ("status:failed ns:shop", RUN, False),
        ("!status:failed", RUN, False),
        ("reason:OOMKilled trigger:manual", RUN, True),
        ("age:<3h", RUN, True),
        ("age:<999999999d", RUN, True),
        ("age:>3h", RUN, False),
        ("!age:>3h", RUN, True),
        ("name:VOICE", RUN, True),
        ("voice", RUN, True),
        ("pa", RUN, True),
        ("ledger", RUN, False),
        ("policy:none", RUN, False),
        ("status:succeeded", CRONJOB, True),
        ("status:failed", CRONJOB, False),
        ("status:failed", msgspec.structs.replace(CRONJOB, recent=()), False),
        ("storage:vault policy:p1", CRONJOB, True),
        ("storage:vault", msgspec.structs.replace(CRONJOB, policy=None), False),
        ("status:refused shop age:<1m", FILE, True),
        ("ns:pay", FILE, False),
        ("refusedby", msgspec.structs.replace(FILE, code="RefusedByPolicy"), True),
        ("none", FILE, False),
        ("snapshot:none", BACKUP, True),
        ("snapshot:removed", BACKUP, False),
        ("snapshot:removed", msgspec.structs.replace(BACKUP, result=KEPT, snapshot_removed_at=NOW), True),
        ("!snapshot:present", msgspec.structs.replace(BACKUP, result=KEPT), False),
    ],
)
def test_terms(text: str, record: object, taken: bool) -> None:
    assert parse_filter(text).matches(record, NOW) is taken


def test_what_a_record_says_itself_goes_before_its_policy() -> None:
    moved = msgspec.structs.replace(BACKUP, policy=BackupPolicy(id="p1", storage_id="new"))
    assert parse_filter("storage:old policy:p1").matches(moved, NOW)
    assert not parse_filter("storage:new").matches(moved, NOW)


def test_an_index_may_answer_whole_words_that_are_not_turned_around() -> None:
    assert parse_filter("status:failed !ns:pay reason:OOMKilled age:<1h x").indexed_values == {
        "status": "failed"
    }
    assert parse_filter("storage:s policy:p").indexed_values == {"storage_id": "s", "policy_id": "p"}


@pytest.mark.parametrize(
    ("text", "column"),
    [("a colour:red", 3), ("status:", 1), ("age:3h", 1), ("x age:<3y", 3), ("age:<9999999999d", 1)],
)
def test_refusals_name_the_column(text: str, column: int) -> None:
    with pytest.raises(InvalidFilter) as refused:
        parse_filter(text)
    assert refused.value.details["column"] == column
