"""Who stopped a run stands in its record; only a deletion from elsewhere is to be found out."""

from datetime import UTC, datetime, timedelta

import msgspec

from kronkeep_common.models import CronJobExecution
from kronkeep_common.states import ExecutionStatus, Trigger
from kronkeep_daemon.cronjobs.deleted_job_rules import DeletedJobFacts, final_record

NOW = datetime(2026, 1, 15, 10, 0, tzinfo=UTC)
RUN = CronJobExecution(
    id="u1",
    cluster="c",
    namespace="pay",
    cronjob="too-slow",
    cronjob_id="j",
    job="too-slow-1",
    status=ExecutionStatus.RUNNING,
    trigger=Trigger.MANUAL,
    created_at=NOW - timedelta(minutes=2),
)
FACTS = DeletedJobFacts(watched=True, replaces=False, has_newer=False, cronjob_exists=True, events={})


def test_a_run_that_a_user_stopped_names_the_user() -> None:
    stopped = msgspec.structs.replace(RUN, cancelled_by="ada")
    for facts in (FACTS, FACTS._replace(watched=False), FACTS._replace(replaces=True, has_newer=True)):
        record = final_record(stopped, facts, NOW, waited=True)
        assert record is not None
        assert (record.status, record.reason) == (ExecutionStatus.CANCELLED, "Cancelled")
        assert record.message == "The run was cancelled by ada."
        assert record.next_step == "Start it again when it is needed."


def test_a_run_that_ended_with_its_cronjob_names_who_deleted_it() -> None:
    stopped = msgspec.structs.replace(RUN, cancelled_by="ada")
    record = final_record(stopped, FACTS._replace(cronjob_exists=False), NOW, waited=True)
    assert record is not None
    assert record.message == "The CronJob was deleted during this run by ada."


def test_a_deletion_from_elsewhere_is_recorded_as_one() -> None:
    record = final_record(RUN, FACTS, NOW, waited=True)
    assert record is not None
    assert (record.reason, record.next_step) == ("Deleted", "Find out who deleted it; run it again.")
