"""A client without a daemon: canned records, and a note of what was asked."""

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

import msgspec
from tests.ui.canned_holds import CannedAlerts, CannedMaintenance, CannedSilences
from tests.ui.canned_storages import CannedStorages, adopted
from tests.ui.canned_timeline import CannedTimeline

from kronkeep_common import api
from kronkeep_common.client.cronjobs import TaggedSpec
from kronkeep_common.errors import AlreadyRuns, DaemonUnreachable, NotFound, PreconditionFailed
from kronkeep_common.models import (
    Alert,
    BackupExecution,
    BackupPolicy,
    BackupResult,
    BackupStorage,
    CronJob,
    CronJobCreate,
    CronJobExecution,
    OrphanedPolicy,
    Progress,
    QueueEntry,
    Restore,
    RestorePlan,
    RestoreRequest,
    Retention,
    RetentionPlan,
    ScheduleCheckRequest,
    ScheduleVerdict,
    SilenceView,
    SnapshotFile,
    SnapshotFolder,
    SnapshotVerdict,
)
from kronkeep_common.models.file_changes import BackupDiff, FileChange
from kronkeep_common.models.log_search import SearchLine
from kronkeep_common.models.maintenance import MaintenanceView
from kronkeep_common.record_filter import parse_filter
from kronkeep_common.states import BackupStatus, ExecutionStatus, RestoreStatus, Trigger
from kronkeep_tui.form.schedule_fit import check_locally

R = TypeVar("R")
NOW = datetime(2026, 11, 24, 3, 14, 20, tzinfo=UTC)
OK = ExecutionStatus.SUCCEEDED
BAD = ExecutionStatus.FAILED


def cronjob(name: str, *recent: ExecutionStatus, **more: Any) -> CronJob:
    return CronJob(
        id=f"id-{name}",
        cluster="c",
        namespace="default",
        name=name,
        created_at=NOW - timedelta(days=30),
        recent=recent,
        next_at=NOW + timedelta(minutes=46),
        last_started_at=NOW - timedelta(minutes=14),
        **{"schedule": "0 3 * * *", "schedule_text": "every day at 03:00, UTC"} | more,
    )


def run(name: str, status: ExecutionStatus, **more: Any) -> CronJobExecution:
    return CronJobExecution(
        id=f"run-{name}",
        cluster="c",
        namespace="default",
        cronjob=name,
        cronjob_id=f"id-{name}",
        job=f"{name}-29925000",
        status=status,
        trigger=Trigger.SCHEDULED,
        scheduled_at=NOW - timedelta(minutes=14),
        created_at=NOW - timedelta(minutes=14),
        started_at=NOW - timedelta(minutes=14),
        duration_seconds=728,
        **more,
    )


POLICY = BackupPolicy(id="p1", storage_id="s3-eu")
CRONJOBS = [
    cronjob("pg-main-nightly", *[OK] * 9, BAD, policy=POLICY, last_execution_id="run-pg-main-nightly"),
    cronjob("pg-ledger", *[OK] * 10, policy=POLICY, schedule="0 3 * * *"),
    cronjob("pg-wal-hourly", *[OK] * 9, ExecutionStatus.RUNNING, schedule="5 * * * *"),
    cronjob("etcd-snap", *[OK] * 10, late_since=NOW - timedelta(minutes=9), schedule="*/30 * * * *"),
    cronjob("pg-old", suspended=True),
]
RUNS = [
    run(
        "pg-main-nightly",
        BAD,
        exit_code=137,
        reason="OOMKilled",
        message="Container main was killed: it needed more memory than its limit of 512Mi.",
        next_step="Raise resources.limits.memory or make the run smaller.",
    ),
    run("pg-ledger", OK),
    run("pg-wal-hourly", ExecutionStatus.RUNNING),
]
BACKUPS = [
    BackupExecution(
        id="b1",
        cluster="c",
        namespace="default",
        cronjob="pg-ledger",
        cronjob_id="id-pg-ledger",
        cronjob_execution_id="run-pg-ledger",
        policy_id="p1",
        storage_id="s3-eu",
        status=BackupStatus.SUCCEEDED,
        created_at=NOW,
        result=BackupResult(
            snapshot_id="bb11eaba", files_total=12, bytes_read=44_238_000_000, bytes_added=1_200_000
        ),
    )
]
LOG = b"2026-11-24T03:11:57Z part 311/402 uploaded\n2026-11-24T03:12:08Z killed\n"


def verdict(days: int, why: str) -> SnapshotVerdict:
    """What retention says of a snapshot of so many days ago."""
    return SnapshotVerdict(
        backup_id=f"b{days}",
        snapshot_id=f"{days:08x}",
        created_at=NOW - timedelta(days=days),
        status=BackupStatus.SUCCEEDED,
        bytes_stored=44_000_000 + days,
        why=why or "no rule keeps it",
    )


class FixedClock:
    """A clock that stands still, for pictures that repeat; each look at `monotonic` is a second later."""

    moment = NOW
    looks = 0

    def now(self) -> datetime:
        return self.moment

    def monotonic(self) -> float:
        self.looks += 1
        return float(self.looks)

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


BROKEN = "The connection broke."


def the_one(found: Iterator[R]) -> R:
    """The record that was found, else what the daemon says where there is none."""
    record = next(found, None)
    if record is None:
        raise NotFound("There is no such record.")
    return record


class CannedResource:
    """Some of the calls of one resource; what they answer and note is the client's."""

    def __init__(self, canned: "CannedClient") -> None:
        self._canned = canned


class CannedCronJobs(CannedResource):
    """`client.cronjobs`."""

    async def adopt(
        self, namespace: str, name: str, request: api.AdoptRequest, *, dry_run: bool = False
    ) -> api.Adopted:
        if not dry_run:
            self._canned.answer("undo" if request.undo else "adopt", f"{namespace}/{name}", request.policy_id)
            self._canned.orphans_given = []
        return adopted(request.policy_id, ("data",) if name == "stranger" else ())

    async def list(self, namespace: str | None = None) -> api.ListOf[CronJob]:
        return api.ListOf(items=self._canned.cronjobs_given)

    async def get(self, namespace: str, name: str) -> CronJob:
        return the_one(
            found
            for found in self._canned.cronjobs_given
            if (found.namespace, found.name) == (namespace, name)
        )

    async def spec(self, namespace: str, name: str) -> CronJobCreate:
        return msgspec.structs.replace(self._canned.spec, namespace=namespace, name=name)

    async def spec_with_tag(self, namespace: str, name: str) -> TaggedSpec:
        return TaggedSpec(await self.spec(namespace, name), self._canned.tag)

    async def trigger(self, namespace: str, name: str, *, only_if_idle: bool = False) -> CronJob:
        if only_if_idle and name in self._canned.busy:
            raise AlreadyRuns(f"The run r1 of {namespace}/{name} has gone on for 14s.")
        return self._canned.answer("trigger", namespace, name)

    async def suspend(self, namespace: str, name: str) -> CronJob:
        return self._canned.answer("suspend", namespace, name)

    async def resume(self, namespace: str, name: str) -> CronJob:
        return self._canned.answer("resume", namespace, name)

    async def back_up(self, namespace: str, name: str) -> CronJob:
        return self._canned.answer("back_up", namespace, name)

    async def drill(self, namespace: str, name: str) -> CronJob:
        return self._canned.answer("drill", namespace, name)

    async def delete(self, namespace: str, name: str, confirm: str) -> CronJob:
        return self._canned.answer("delete", namespace, name, confirm)

    async def create(self, spec: Any, *, dry_run: bool = False) -> CronJob:
        return self._canned.answer("try" if dry_run else "create", msgspec.json.encode(spec).decode())

    async def replace(self, spec: Any, *, dry_run: bool = False, if_match: str | None = None) -> CronJob:
        if if_match not in (None, self._canned.tag):
            raise PreconditionFailed("It has changed since you read it.")
        return self._canned.answer("try" if dry_run else "replace", msgspec.json.encode(spec).decode())


class CannedRuns(CannedResource):
    """`client.runs`."""

    async def list(self, filter: str | None = None, **query: Any) -> api.ListOf[CronJobExecution]:
        start = int(query.get("cursor") or 0)
        only = query.get("cronjob_id")
        given = self._canned.runs_given
        runs = [r for r in given if r.cronjob_id == only] if only else given
        if filter:
            question = parse_filter(filter)
            runs = [run for run in runs if question.matches(run, NOW)]
        more = str(start + 1000) if start + 1000 < len(runs) else None
        return api.ListOf(items=runs[start : start + 1000], next_cursor=more)

    async def get(self, execution_id: str) -> CronJobExecution:
        return the_one(run for run in self._canned.runs_given if run.id == execution_id)

    async def log(
        self, execution_id: str, *, follow: bool = False, tail: int | None = None
    ) -> AsyncIterator[bytes]:
        yield self._canned.log_text

    async def grep(self, text: str, **query: Any) -> AsyncIterator[SearchLine]:
        self._canned.searches.append((text, query))
        for line in self._canned.hits_given:
            yield line

    async def events(self, execution_id: str) -> api.ListOf[api.EventView]:
        one = api.EventView(at=NOW, type="Warning", reason="BackOff", message="again", object="Job/x")
        return api.ListOf(items=[one])

    async def manifest(self, execution_id: str) -> dict[str, Any]:
        return {"kind": "Job", "metadata": {"name": "x"}}


class CannedBackups(CannedResource):
    """`client.backups`."""

    async def list(self, filter: str | None = None, **query: Any) -> api.ListOf[BackupExecution]:
        only = query.get("cronjob_id")
        return api.ListOf(items=[b for b in self._canned.backups_given if only in (None, b.cronjob_id)])

    async def get(self, backup_id: str) -> BackupExecution:
        return the_one(backup for backup in self._canned.backups_given if backup.id == backup_id)

    async def files(
        self, backup_id: str, path: str = "/", limit: int | None = None, cursor: str | None = None
    ) -> SnapshotFolder:
        items = [
            SnapshotFile(
                name="odd\x1b[31m dir",
                path="/odd\x1b[31m dir",
                kind="dir",
                size=7,
                files=2,
                folds_to="/odd\x1b[31m dir/only",
            ),
            SnapshotFile(name="dump.sql", path="/dump.sql", kind="file", size=300, modified_at=NOW),
            SnapshotFile(name="notes", path="/notes", kind="file", size=12),
        ]
        entries = items if path == "/" else []
        return SnapshotFolder(
            backup_id=backup_id, snapshot_id="s", path=path, items=entries, total=len(entries)
        )

    async def download(self, backup_id: str, path: str) -> AsyncIterator[bytes]:
        self._canned.asked.append(("download", backup_id, path))
        yield b"-- dump \x1b[2J of shop\n"
        yield b"CREATE TABLE a;\n" * 8000

    async def diff(
        self, older_id: str, newer_id: str, *, path: str = "/", limit: int | None = None
    ) -> BackupDiff:
        changed = FileChange(change="changed", path="/shop.sql", kind="file", size=314, old_size=300)
        added = FileChange(change="added", path="/new.csv", kind="file", size=38_000, modified_at=NOW)
        gone = FileChange(change="removed", path="/tmp/\x1b[2Jlock", kind="file", old_size=0)
        return BackupDiff(
            older_id=older_id, newer_id=newer_id, items=[changed, added, gone], added=1, removed=1, changed=1
        )

    async def plan_restore(self, backup_id: str, request: RestoreRequest) -> RestorePlan:
        self._canned.asked.append(("plan", backup_id, msgspec.json.encode(request).decode()))
        in_place = request.target.kind == "in-place"
        return RestorePlan(
            backup_id=backup_id,
            snapshot_id="abcdef123456",
            target=request.target,
            files=2,
            folders=1,
            total_bytes=312,
            written=1,
            overwritten=1,
            overwritten_examples=("/dump.sql",),
            confirm="pg-main-nightly" if in_place else None,
            refusal=None if request.overwrite else "The target holds files: allow it with overwrite.",
        )

    async def restore(self, backup_id: str, request: RestoreRequest) -> Restore:
        self._canned.asked.append(("restore", backup_id, msgspec.json.encode(request).decode()))
        restore = Restore(
            id="r1",
            cluster="c",
            namespace="default",
            cronjob="pg-main-nightly",
            cronjob_id="id-pg-main-nightly",
            policy_id="p1",
            backup_id=backup_id,
            storage_id="s3-eu",
            target=request.target,
            status=RestoreStatus.RESTORING,
            progress=Progress(percent=41, bytes_done=128, bytes_total=312),
            created_at=NOW,
        )
        self._canned.restores_given.append(restore)
        return restore

    async def verify(self, backup_id: str) -> CronJob:
        return self._canned.answer("verify", backup_id)

    async def pin(self, backup_id: str) -> CronJob:
        return self._canned.answer("pin", backup_id)

    async def unpin(self, backup_id: str) -> CronJob:
        return self._canned.answer("unpin", backup_id)


class CannedRestores(CannedResource):
    """`client.restores`."""

    async def get(self, restore_id: str) -> Restore:
        return the_one(restore for restore in self._canned.restores_given if restore.id == restore_id)

    async def log(self, restore_id: str) -> AsyncIterator[bytes]:
        yield b"restoring <Snapshot \x1b[2Jabc>\nSumm"
        yield b"ary: done"

    async def cancel(self, restore_id: str) -> CronJob:
        return self._canned.answer("cancel_restore", restore_id)


class CannedPolicies(CannedResource):
    """`client.policies`."""

    async def retention(self, policy_id: str, namespace: str | None = None) -> RetentionPlan:
        return RetentionPlan(
            policy_id=policy_id,
            computed_at=NOW,
            retention=Retention(days=None, keep_daily=7, min_good=3),
            keep=tuple(
                verdict(number, self._canned.why or "one of the newest 3 good ones, younger than 7 days")
                for number in range(self._canned.kept)
            ),
            remove=tuple(verdict(9 + number, self._canned.why) for number in range(self._canned.removed)),
            token="t0ken",
            blocked_by=f"{self._canned.removed} snapshots would go at once."
            if self._canned.removed > 1
            else None,
        )

    async def preview_retention(self, namespace: str, name: str, rules: Retention) -> RetentionPlan:
        self._canned.asked.append(("try rules", f"{namespace}/{name}", msgspec.json.encode(rules).decode()))
        plan = await self.retention("p1")
        count = len(plan.keep) + len(plan.remove)
        kept = min(count, rules.keep_last or 0) if rules.days is None else count
        return msgspec.structs.replace(
            plan,
            retention=rules,
            keep=(*plan.keep, *plan.remove)[:kept],
            remove=(*plan.keep, *plan.remove)[kept:],
        )

    async def approve_retention(self, policy_id: str, token: str, namespace: str | None = None) -> None:
        self._canned.answer("approve", policy_id, token)
        self._canned.removed = 0

    async def check_schedule(self, request: ScheduleCheckRequest) -> ScheduleVerdict:
        if self._canned.away:
            raise DaemonUnreachable(self._canned.away)
        return check_locally(request, NOW)


class CannedClient(CannedTimeline):
    """The methods of Client that the terminal uses."""

    def __init__(
        self,
        cronjobs: list[CronJob] | None = None,
        runs: list[CronJobExecution] | None = None,
        backups: list[BackupExecution] | None = None,
        storages: list[BackupStorage] | None = None,
        alerts: list[Alert] | None = None,
    ) -> None:
        self.asked: list[tuple[str, ...]] = []
        self.busy: set[str] = set()  # CronJobs with a run beside which they allow no other
        self.cronjobs_given = CRONJOBS if cronjobs is None else cronjobs
        self.runs_given = RUNS if runs is None else runs
        self.backups_given = BACKUPS if backups is None else backups
        self.orphans_given: list[OrphanedPolicy] = []
        self.queue_given: list[QueueEntry] = []
        self.silences_given: list[SilenceView] = []
        self.maintenances_given: list[MaintenanceView] = []
        self.coverage_given = api.CoverageList(items=[])
        self.hits_given: list[SearchLine] = []
        self.searches: list[tuple[str, dict[str, Any]]] = []
        self.storages_given = storages or []
        self.alerts_given = alerts or []
        self.restores_given: list[Restore] = []
        self.log_text = LOG
        self.spec = CronJobCreate(name="x", image="busybox", schedule="0 3 * * *")
        self.tag = '"1"'
        self.kept = 7
        self.removed = 4
        self.why = ""
        self.lost = asyncio.Event()
        self.away = ""  # why nobody answers
        self.answers = asyncio.Event()
        self.answers.set()
        self.watches: list[api.WatchView] = []
        self.clusters: list[api.ClusterView] = []
        self.only_here_given: dict[str, int] = {}  # by storage: what no other one has
        self.cluster = ""
        self.cronjobs = CannedCronJobs(self)
        self.runs = CannedRuns(self)
        self.backups = CannedBackups(self)
        self.restores = CannedRestores(self)
        self.policies = CannedPolicies(self)
        self.storages = CannedStorages(self)
        self.alerts = CannedAlerts(self)
        self.silences = CannedSilences(self)
        self.maintenance = CannedMaintenance(self)

    def for_cluster(self, cluster: str) -> "CannedClient":
        self.cluster = cluster
        return self

    def answer(self, *asked: str) -> CronJob:
        self.asked.append(asked)
        return self.cronjobs_given[0]

    async def queue(self) -> api.ListOf[QueueEntry]:
        return api.ListOf(items=self.queue_given)

    async def coverage(self) -> api.CoverageList:
        return self.coverage_given

    async def snapshot(self) -> api.Snapshot:
        await self.answers.wait()
        if self.away:
            raise DaemonUnreachable(self.away)
        return api.Snapshot(
            seq=1,
            now=NOW,
            version="0",
            cronjobs=self.cronjobs_given,
            executions=self.runs_given[:200],
            backups=self.backups_given[:200],
            storages=self.storages_given,
            alerts=self.alerts_given,
            restores=self.restores_given,
            watches=self.watches,
            clusters=self.clusters,
        )

    async def ready(self) -> api.Ready:
        await self.answers.wait()
        return api.Ready(ready=True, watches=self.watches)

    async def events(
        self, after: int | None = None, *, tables: Sequence[str] | None = None
    ) -> AsyncIterator[api.ChangeEvent]:
        await self.lost.wait()
        raise DaemonUnreachable(BROKEN)
        yield
