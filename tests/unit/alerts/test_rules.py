"""Each rule on records that meet it and on records that just fail to."""

from datetime import UTC, datetime, timedelta
from typing import Any, Literal

import msgspec
import pytest
from tests.records import make_backup

from kronkeep_common.alert_codes import AlertCode
from kronkeep_common.api import SinkView
from kronkeep_common.models import (
    BackupExecution,
    BackupPolicy,
    BackupResult,
    BackupStorage,
    CronJob,
    CronJobExecution,
    Drill,
    Hook,
    HookRun,
    Hooks,
    Restore,
    SecretKeyRef,
    StorageSnapshots,
    StorageUsage,
)
from kronkeep_common.models.storage import KitOutdated
from kronkeep_common.states import BackupStatus, ExecutionStatus, RestoreStatus, StorageStatus, Trigger
from kronkeep_daemon.alerts import cronjob_rules, storage_rules
from kronkeep_daemon.alerts.cluster_rules import watch_findings
from kronkeep_daemon.alerts.recovery_kit_rules import check_kit, recovery_kit_due
from kronkeep_daemon.alerts.rule_results import CronJobFacts
from kronkeep_daemon.alerts.sink_rules import sink_findings
from kronkeep_daemon.kube.watch import WatchState

NOW = datetime(2026, 6, 1, 12, 0, tzinfo=UTC)
E = ExecutionStatus
B = BackupStatus


def ago(minutes: float) -> datetime:
    return NOW - timedelta(minutes=minutes)


def run(minutes: float, status: ExecutionStatus, **fields: Any) -> CronJobExecution:
    return CronJobExecution(
        id=f"r{minutes}", cluster="c", namespace="shop", cronjob="dump", cronjob_id="j", status=status,
        trigger=Trigger.SCHEDULED, created_at=ago(minutes), ended_at=ago(minutes - 1), **fields,
    )  # fmt: skip


def backup(minutes: float, status: BackupStatus, **fields: Any) -> BackupExecution:
    return BackupExecution(
        id=f"b{minutes}", cluster="c", namespace="shop", cronjob="dump", cronjob_id="j", policy_id="p",
        storage_id="vault", status=status, created_at=ago(minutes), ended_at=ago(minutes - 1), **fields,
    )  # fmt: skip


def drill(minutes: float, status: RestoreStatus, **fields: Any) -> Restore:
    return Restore(
        id=f"d{minutes}", cluster="c", namespace="shop", cronjob="dump", cronjob_id="j", policy_id="p",
        backup_id="b", storage_id="vault", purpose="drill", status=status, created_at=ago(minutes), **fields,
    )  # fmt: skip


def facts(
    *,
    runs: list[CronJobExecution] | None = None,
    backups: list[BackupExecution] | None = None,
    drills: list[Restore] | None = None,
    unusual: list[BackupExecution] | None = None,
    policy: dict[str, Any] | None = None,
    bare: bool = False,
    **cronjob: Any,
) -> CronJobFacts:
    backup_policy = None if bare else BackupPolicy(id="p", storage_id="vault", **(policy or {}))
    fields = {"policy": backup_policy, "created_at": ago(10_000)} | cronjob
    shown_cronjob = CronJob(
        id="j", cluster="c", namespace="shop", name="dump", schedule="* * * * *", **fields
    )
    return CronJobFacts(
        cronjob=shown_cronjob,
        runs=runs or [],
        backups=backups or [],
        drills=drills or [],
        now=NOW,
        failing_runs=3,
        controller_zone="UTC",
        unusual=unusual or [],
    )


def results_of(facts_of_cronjob: CronJobFacts) -> list[tuple[str, str]]:
    return [(finding.code, finding.severity) for finding in cronjob_rules.cronjob_findings(facts_of_cronjob)]


DAILY = Drill(schedule="0 6 * * *", deadline_seconds=3600)
RESULT = BackupResult(snapshot_id="s")


@pytest.mark.parametrize(
    ("found", "codes"),
    [
        (facts(runs=[run(1, E.SUCCEEDED), run(9, E.FAILED)]), []),
        (facts(runs=[run(1, E.FAILED), run(9, E.SUCCEEDED)]), [("RunFailed", "warning")]),
        (facts(runs=[run(1, E.RUNNING), run(9, E.UNKNOWN)]), [("RunFailed", "warning")]),
        (facts(runs=[run(1, E.UNKNOWN), run(9, E.SUCCEEDED)])._replace(settled=False), []),
        (facts(runs=[run(1, E.FAILED)])._replace(settled=False), [("RunFailed", "warning")]),
        (facts(runs=[run(n, E.UNKNOWN) for n in (1, 2, 3)]), [("RunFailed", "warning")]),
        (facts(runs=[run(1, E.CANCELLED), run(9, E.SUCCEEDED)]), []),
        (facts(runs=[run(n, E.FAILED) for n in (1, 2)]), [("RunFailed", "warning")]),
        (facts(runs=[run(n, E.FAILED) for n in (1, 2, 3)]), [("RunFailed", "critical")]),
        (facts(runs=[run(1, E.MISSED), run(9, E.SUCCEEDED)]), [("RunMissed", "warning")]),
        (facts(runs=[run(1, E.SUCCEEDED), run(9, E.MISSED)]), []),
        (facts(late_since=ago(5)), [("RunMissed", "warning")]),
        (facts(late_since=ago(5))._replace(live=False), []),
        (facts(backups=[backup(1, B.FAILED), backup(9, B.SUCCEEDED)]), [("BackupFailed", "critical")]),
        (facts(backups=[backup(1, B.MISSED)]), [("BackupFailed", "critical")]),
        (facts(backups=[backup(1, B.RUNNING), backup(9, B.SUCCEEDED)]), []),
        (facts(backups=[backup(1, B.FAILED, reason="CronJobFailed"), backup(9, B.SUCCEEDED)]), []),
        (facts(backups=[backup(1, B.UNKNOWN, reason="CronJobUnknown"), backup(9, B.SUCCEEDED)]), []),
        (facts(backups=[backup(1, B.UNKNOWN, reason="ResultLost")]), [("BackupFailed", "warning")]),
        (facts(backups=[backup(1, B.UNKNOWN, reason="ResultLost")])._replace(settled=False), []),
        (facts(backups=[backup(1, B.FAILED)], policy={}, policy_fault=None), [("BackupFailed", "critical")]),
        (facts(backups=[backup(1, B.PARTIAL, result=RESULT)]), [("BackupPartial", "warning")]),
        (facts(policy={"rto_seconds": 3600}, expected_restore_seconds=3599), []),
        (facts(policy={"rto_seconds": 3600}), []),
        (
            facts(policy={"rto_seconds": 3600}, expected_restore_seconds=7200),
            [("RestoreTooSlow", "warning")],
        ),
        (
            facts(unusual=[backup(9, B.SUCCEEDED, result=RESULT, unusual=("It has 1 file.",))]),
            [("BackupUnusual", "warning")],
        ),
        (
            facts(backups=[backup(9, B.SUCCEEDED, result=RESULT, snapshot_missing_at=ago(1))]),
            [("SnapshotMissing", "critical")],
        ),
        (facts(backups=[backup(1, B.UNKNOWN, recovered_at=ago(1)), backup(9, B.SUCCEEDED)]), []),
        (facts(policy={"rpo_seconds": 3600}, last_good_backup_at=ago(59)), []),
        (
            facts(policy={"rpo_seconds": 3600}, last_good_backup_at=ago(61), backup_overdue=True),
            [("BackupOverdue", "critical")],
        ),
        (facts(policy={"rpo_seconds": 3600}, backup_overdue=True), [("BackupOverdue", "critical")]),
        (
            facts(policy={"drill": DAILY}, drills=[drill(300, RestoreStatus.FAILED)]),
            [("DrillFailed", "critical")],
        ),
        (facts(policy={"drill": DAILY}, drills=[drill(300, RestoreStatus.COMPLETED)]), []),
        (facts(drills=[drill(300, RestoreStatus.FAILED)]), []),  # the policy asks for drills no more
        (
            facts(policy={"drill": DAILY}, drills=[drill(360, RestoreStatus.COMPLETED)])._replace(
                drills_since={None: ago(3000)}
            ),
            [],
        ),
        (
            facts(policy={"drill": DAILY})._replace(drills_since={None: ago(361)}),
            [("DrillOverdue", "warning")],
        ),
        (facts(policy={"drill": DAILY})._replace(drills_since={None: ago(359)}), []),
        (facts(policy={"drill": DAILY}), []),
        (
            facts(policy={"drill": DAILY}, drills=[drill(350, RestoreStatus.COMPLETED)])._replace(
                drills_since={None: ago(3000)}
            ),
            [],
        ),
        (facts(policy_fault="no JSON"), [("PolicyInvalid", "critical")]),
        (facts(nothing_to_archive="No claim."), [("NothingToArchive", "critical")]),
        (facts(nothing_to_archive="No claim.", policy={"enabled": False}), []),
        (facts(storage_refusal="It serves others."), [("StorageNotUsable", "critical")]),
        (facts(storage_refusal="It serves others.", policy={"enabled": False}), []),
        (
            facts(policy={"on_conflict": "accept"}, policy_findings=("Overlap: a",)),
            [("ScheduleConflictAccepted", "warning")],
        ),
        (facts(policy_findings=("Overlap: a",)), []),
        (facts(policy={}, policy_findings=("TooClose: a", "SameTime: b")), [("ScheduleConflict", "warning")]),
        (facts(policy={}, policy_findings=("TooClose: a",)), []),
    ],
)
def test_a_cronjob(found: CronJobFacts, codes: list[tuple[str, str]]) -> None:
    assert results_of(found) == codes


def hook_run(stage: Literal["pre", "post"], status: Literal["succeeded", "failed", "timed-out"]) -> HookRun:
    return HookRun(
        name="thaw", stage=stage, status=status, job="hook", started_at=ago(5), message="Exit code 1."
    )


FROZEN = backup(9, B.SUCCEEDED, hooks=(hook_run("pre", "succeeded"), hook_run("post", "failed")))
THAWED = backup(1, B.SUCCEEDED, hooks=(hook_run("pre", "succeeded"), hook_run("post", "succeeded")))
FREEZE = {"hooks": Hooks(pre=(Hook(name="freeze", image="app:1", command=("freeze",)),))}


@pytest.mark.parametrize(
    ("newer", "policy", "codes"),
    [
        ([], FREEZE, [("PostHookFailed", "critical")]),
        ([], {}, [("PostHookFailed", "warning")]),
        ([backup(1, B.RUNNING)], FREEZE, [("PostHookFailed", "critical")]),
        (
            [backup(1, B.FAILED)],  # before any of its hooks ran
            FREEZE,
            [("BackupFailed", "critical"), ("PostHookFailed", "critical")],
        ),
        (
            [backup(1, B.CANCELLED, hooks=(hook_run("post", "timed-out"),))],
            FREEZE,
            [("PostHookFailed", "critical")],
        ),
        ([THAWED], FREEZE, []),
        ([backup(1, B.SUCCEEDED)], {}, []),  # the hook is no longer in the policy
    ],
)
def test_a_failed_post_hook_is_an_alert_until_those_of_a_later_backup_ended_well(
    newer: list[BackupExecution], policy: dict[str, Any], codes: list[tuple[str, str]]
) -> None:
    found = facts(backups=[*newer, FROZEN], policy=policy)
    assert results_of(found) == codes


def test_the_alert_of_a_post_hook_says_what_to_do_by_hand() -> None:
    (finding,) = cronjob_rules.cronjob_findings(facts(backups=[FROZEN]))
    assert "hook thaw failed after the backup: Exit code 1." in finding.message
    assert finding.next_step.startswith("Run its command by hand")
    assert "kronkeep describe backup b9" in finding.next_step
    assert (finding.record_id, finding.since) == ("b9", ago(8))


def test_since_is_the_first_of_a_row_and_the_newest_is_named() -> None:
    (finding,) = cronjob_rules.cronjob_findings(
        facts(runs=[run(n, E.FAILED, message="Exit code 3.", next_step="Fix it.") for n in (1, 5, 9)])
    )
    assert finding.since == ago(8)
    assert finding.record_id == "r1"
    assert finding.message == "The last 3 runs failed. Exit code 3."
    assert (finding.object, finding.storage_id, finding.next_step) == ("shop/dump", "vault", "Fix it.")


@pytest.mark.parametrize(
    ("statuses", "severity", "words"),
    [
        ([E.UNKNOWN], "warning", "How the newest run ended is not known. Gone."),
        ([E.UNKNOWN, E.UNKNOWN, E.UNKNOWN], "warning", "How the last 3 runs ended is not known. Gone."),
        (
            [E.UNKNOWN, E.FAILED],
            "warning",
            "Of the last 2 runs 1 failed, and how the other ended is not known. Gone.",
        ),
        (
            [E.FAILED, E.UNKNOWN, E.FAILED, E.FAILED],
            "critical",
            "Of the last 4 runs 3 failed, and how the other ended is not known. Gone.",
        ),
    ],
)
def test_a_run_whose_end_is_not_known_did_not_fail(
    statuses: list[ExecutionStatus], severity: str, words: str
) -> None:
    runs = [run(1 + number, status, message="Gone.") for number, status in enumerate(statuses)]
    (finding,) = cronjob_rules.cronjob_findings(facts(runs=runs))
    assert (finding.severity, finding.message) == (severity, words)


def test_an_alert_has_the_reason_that_the_list_of_its_object_has() -> None:
    (of_run,) = cronjob_rules.cronjob_findings(facts(runs=[run(1, E.FAILED, reason="OutOfMemory")]))
    (of_backup,) = cronjob_rules.cronjob_findings(
        facts(backups=[backup(1, B.FAILED, reason="RepositoryMissing")])
    )
    (of_storage,) = storage_rules.storage_findings(storage(reason="RepositoryMissing"), NOW)
    (failed,) = storage_rules.storage_findings(
        storage(status=StorageStatus.FAILED, reason="WrongPassword"), NOW
    )
    codes = [(found.code, found.reason) for found in (of_run, of_backup, of_storage, failed)]
    assert codes == [
        ("RunFailed", "OutOfMemory"),
        ("BackupFailed", "RepositoryMissing"),
        ("StorageUnreachable", "RepositoryMissing"),
        ("StorageFailed", "WrongPassword"),
    ]


def test_a_backup_is_described_in_words_not_by_its_status() -> None:
    words = {}
    for status in (B.FAILED, B.MISSED, B.UNKNOWN):
        (finding,) = cronjob_rules.cronjob_findings(facts(backups=[backup(1, status, message="So.")]))
        words[status] = finding.message
    assert words == {
        B.FAILED: "The newest backup failed. So.",
        B.MISSED: "The newest backup was not made. So.",
        B.UNKNOWN: "How the newest backup ended is not known. So.",
    }


def test_until_all_is_recorded_an_alert_about_an_unknown_end_neither_opens_nor_ends() -> None:
    unknown = facts(runs=[run(1, E.UNKNOWN)], backups=[backup(1, B.UNKNOWN)])
    assert cronjob_rules.keys_not_decided(unknown) == set()
    keys = cronjob_rules.keys_not_decided(unknown._replace(settled=False))
    assert keys == {("RunFailed", "cronjob", "j"), ("BackupFailed", "cronjob", "j")}
    failed = facts(runs=[run(1, E.FAILED)], backups=[backup(1, B.FAILED)])
    assert cronjob_rules.keys_not_decided(failed._replace(settled=False)) == set()


def test_without_a_policy_old_backups_are_no_concern() -> None:
    assert results_of(facts(backups=[backup(1, B.FAILED)], bare=True)) == []


def storage(**fields: Any) -> BackupStorage:
    base = {"status": StorageStatus.ACTIVE} | fields
    return BackupStorage(
        id="vault",
        cluster="c",
        kind="local",
        password=SecretKeyRef(secret="s"),
        created_at=NOW,
        **base,
        namespaces=("*",),
    )


def outdated(cause: Literal["repository", "rotation", "address"], repositories: int = 0) -> KitOutdated:
    return KitOutdated(at=NOW, cause=cause, repositories=repositories)


def usage(level: str, used: int) -> StorageUsage:
    return msgspec.convert(
        {"measured_at": NOW, "used_bytes": used, "capacity_bytes": 1000, "level": level}, StorageUsage
    )


@pytest.mark.parametrize(
    ("found", "codes"),
    [
        (storage(), []),
        (storage(status=StorageStatus.FAILED, message="No route."), [("StorageFailed", "critical")]),
        (storage(reason="Unreachable"), [("StorageUnreachable", "critical")]),
        (storage(status=StorageStatus.CREATING, reason="Unreachable"), []),
        (storage(check_ok=False, reason="Damaged"), [("StorageDamaged", "critical")]),
        (storage(usage=usage("ok", 849)), []),
        (storage(usage=usage("ok", 849), reason="StorageFull"), [("StorageFilling", "critical")]),
        (storage(usage=usage("warning", 850)), [("StorageFilling", "warning")]),
        (storage(usage=usage("critical", 950)), [("StorageFilling", "critical")]),
        (
            storage(snapshots=StorageSnapshots(listed_at=NOW, missing=2, unrecorded=3)),
            [("SnapshotMissing", "critical"), ("BackupsUnrecorded", "warning")],
        ),
        (storage(snapshots=StorageSnapshots(listed_at=NOW, foreign=2, elsewhere=3)), []),
        (storage(prune_waits="Snapshots are missing."), [("PruneWaits", "warning")]),
    ],
)
def test_a_storage(found: BackupStorage, codes: list[tuple[str, str]]) -> None:
    assert [
        (finding.code, finding.severity)
        for finding in storage_rules.storage_findings(found, found.created_at)
    ] == codes


@pytest.mark.parametrize(
    ("fields", "days", "words"),
    [
        ({}, 89, None),
        ({}, 90, "No recovery kit"),
        ({"kit_made_at": NOW + timedelta(days=5)}, 94, None),
        ({"kit_made_at": NOW + timedelta(days=5)}, 95, "Nobody has shown"),
        ({"kit_outdated": outdated("repository", 1)}, 0, "lacks a repository that"),
        ({"kit_outdated": outdated("repository", 3)}, 0, "lacks 3 repositories that"),
        ({"kit_outdated": outdated("rotation")}, 0, "passwords were changed at 2026-06-01 12:00 UTC"),
        ({"kit_outdated": outdated("address")}, 0, "address or credentials"),
        ({"kit_outdated": outdated("rotation"), "status": StorageStatus.DELETING}, 0, None),
    ],
)
def test_a_recovery_kit(fields: dict[str, Any], days: int, words: str | None) -> None:
    kept = storage(**fields)
    now = NOW + timedelta(days=days)
    due = recovery_kit_due(kept, now)
    line = check_kit(kept, now)
    if words is None:
        assert due is None
        assert line is None or "No recovery kit" in line.message or line.status == "ok"
        return
    assert due is not None
    assert line is not None
    assert (words in due.message, line.message, line.status) == (True, due.message, "warn")
    assert "kronkeep storage recovery-kit vault" in due.next_step


@pytest.mark.parametrize(
    ("status", "minutes", "needed", "severities"),
    [
        ("live", 99, True, []),
        ("stale", 0.9, True, []),
        ("failing", 1, True, ["critical"]),
        ("failing", 1, False, ["warning"]),
    ],
)
def test_a_watch(status: Any, minutes: float, needed: bool, severities: list[str]) -> None:
    watch = WatchState(name="c cronjobs", status=status, since=ago(minutes), why="refused", needed=needed)
    assert [finding.severity for finding in watch_findings(watch, NOW, 60)] == severities


@pytest.mark.parametrize(
    ("status", "minutes", "was_passed", "severities"),
    [
        ("live", 99, False, []),
        ("copying", 99, True, []),
        ("failed", 0.9, False, []),
        ("failed", 1, False, ["warning"]),
        ("failed", 1, True, ["critical"]),
    ],
)
def test_a_sink(status: Any, minutes: float, was_passed: bool, severities: list[str]) -> None:
    sink = SinkView(
        name="fleet", kind="postgres", status=status, since=ago(minutes), was_passed=was_passed, lag=7
    )
    findings = sink_findings(sink, NOW, 60)
    assert [finding.severity for finding in findings] == severities
    assert all(finding.next_step and "7 changes" in finding.message for finding in findings)


def test_an_overdue_backup_says_which_one_that_was_found_would_count_once_verified() -> None:
    found = [make_backup(id=f"b{n}", status=BackupStatus.UNKNOWN, recovered_at=NOW) for n in (2, 1)]
    overdue = facts(policy={"rpo_seconds": 3600}, backup_overdue=True)
    for backups, words in ((found, "2 backups were found"), (found[:1], "One backup was found"), ([], "")):
        finding = next(
            finding
            for finding in cronjob_rules.cronjob_findings(overdue._replace(backups=backups))
            if finding.code == AlertCode.BACKUP_OVERDUE
        )
        assert words in finding.next_step
        assert ("kronkeep verify b2" in finding.next_step) is bool(backups)
