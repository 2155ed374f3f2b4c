"""The check of a backup's schedule against its CronJob's, by the durations and storages in the history."""

import asyncio
import dataclasses
from collections.abc import Callable
from datetime import datetime, timedelta
from itertools import islice
from typing import Literal

import msgspec

from kronkeep_common import compatibility, object_keys
from kronkeep_common.clock import Clock
from kronkeep_common.compatibility import DEFAULT_DURATION, CheckContext, OtherPolicy, percentile_95
from kronkeep_common.compatibility.strategies import ResolvedPolicy
from kronkeep_common.errors import KronkeepError
from kronkeep_common.evidence import Period
from kronkeep_common.models import (
    BackupPolicy,
    BackupPolicySpec,
    CronJob,
    ScheduleCheckRequest,
    ScheduleVerdict,
)
from kronkeep_common.schedule import Schedule
from kronkeep_common.states import BackupStatus, ExecutionStatus
from kronkeep_daemon.alerts.cronjob_rules import first_conflict
from kronkeep_daemon.backups import policy_annotations as policies
from kronkeep_daemon.cronjobs import CronJobService
from kronkeep_daemon.history import CronJobMemo, History
from kronkeep_daemon.kube.objects import CronJobObject, CronJobRef
from kronkeep_daemon.kube.subjects import PolicySubject
from kronkeep_daemon.settings import Settings

RECENT_DURATIONS = 100  # runs, or backups, whose durations count
MOST_PAIRS = 4096  # pairs of schedules whose findings are remembered
Source = Literal["history", "policy", "default"]
_Pair = tuple[str, str | None, str, str | None, int, int]


class ScheduleService:
    """The compatibility check and its strategies, run in threads: schedules of every minute take seconds."""

    def __init__(
        self, *, cronjobs: CronJobService, history: History, clock: Clock, settings: Callable[[], Settings]
    ) -> None:
        self._cronjobs = cronjobs
        self._history = history
        self._usual_run_seconds = CronJobMemo(self._read_usual_run_seconds, history.executions)
        self._usual_backup_seconds = CronJobMemo(self._read_usual_backup_seconds, history.backups)
        self._clock = clock
        self._settings = settings
        self._findings: dict[_Pair, tuple[str, ...]] = {}
        self._requested: dict[_Pair, None] = {}
        self._some_requested = asyncio.Event()

    def parse(self, expr: str, zone: str | None) -> Schedule:
        """Return the schedule, by default in the controller's zone; raises as Schedule.parse does."""
        return Schedule.parse(expr, zone, controller_zone=self._settings().controller_zone)

    def _parse_existing(self, expr: str, zone: str | None) -> Schedule:
        return Schedule.parse_existing(expr, zone, controller_zone=self._settings().controller_zone)

    async def check(self, request: ScheduleCheckRequest, cluster: str | None = None) -> ScheduleVerdict:
        """Return the verdict, with ways to resolve a conflict; raises InvalidSchedule, InvalidTimeZone."""
        cronjob = self.parse(request.cronjob_schedule, request.cronjob_time_zone)
        backup = self.parse(request.backup_schedule, request.backup_time_zone)
        uid = self._uid_of_named(request, cluster)
        question, source = self._question(cronjob, uid, request.expected_duration_seconds, request.storage_id)
        question = dataclasses.replace(question, horizon=timedelta(days=request.horizon_days))

        def work() -> ScheduleVerdict:
            verdict = compatibility.check(question, backup)
            offers = tuple(compatibility.offer_resolutions(backup, question, verdict))
            return msgspec.structs.replace(verdict, resolutions=offers, expected_from=source)

        return await asyncio.to_thread(work)

    async def settle(
        self, ref: CronJobRef, schedule: str, zone: str | None, policy: BackupPolicySpec
    ) -> ResolvedPolicy:
        """Return the policy as its strategy adjusts it to the CronJob; raises ScheduleConflict."""
        if policy.schedule is None:
            return ResolvedPolicy(policy, "")
        cronjob = self._parse_existing(schedule, zone)
        backup = self.parse(policy.schedule, policy.time_zone)
        uid = self._uid_of(ref)
        question, _ = self._question(cronjob, uid, policy.expected_duration_seconds, policy.storage_id)

        def work() -> ResolvedPolicy:
            verdict = compatibility.check(question, backup)
            return compatibility.resolve(policy.on_conflict, policy, backup, question, verdict)

        return await asyncio.to_thread(work)

    def _uid_of_named(self, request: ScheduleCheckRequest, cluster: str | None) -> str | None:
        """Return the uid of the CronJob that a request names; None where it names none, or one that is
        missing.
        """
        if not request.namespace or not request.cronjob:
            return None
        try:
            return self._uid_of(self._cronjobs.resolve(request.namespace, request.cronjob, cluster))
        except KronkeepError:
            return None

    def _uid_of(self, ref: CronJobRef) -> str | None:
        try:
            return self._cronjobs.find_subject(ref).uid
        except KronkeepError:
            return None

    def _question(
        self, cronjob: Schedule, uid: str | None, stated: float | None, storage: str | None
    ) -> tuple[CheckContext, Source]:
        expected, source = self._run_seconds(uid, stated)
        question = CheckContext(
            cronjob=cronjob,
            now=self._clock.now(),
            run_duration=timedelta(seconds=expected),
            other_policies=self._other_policies(storage, uid) if storage else (),
            backup_duration=timedelta(seconds=self._backup_seconds(uid)),
        )
        return question, source

    def _run_seconds(self, uid: str | None, stated: float | None) -> tuple[float, Source]:
        """Return the seconds of a run: the history's 95th percentile, else the stated number, else the
        default.
        """
        if uid is not None:
            seen = self._usual_run_seconds(uid)
            if seen is not None:
                return seen, "history"
        return (stated, "policy") if stated is not None else (DEFAULT_DURATION.total_seconds(), "default")

    def _backup_seconds(self, uid: str | None) -> float:
        """Return the seconds of a CronJob's backup: the history's 95th percentile, else the default."""
        if uid is None:
            return DEFAULT_DURATION.total_seconds()
        seen = self._usual_backup_seconds(uid)
        return DEFAULT_DURATION.total_seconds() if seen is None else seen

    def _read_usual_run_seconds(self, cronjob_id: str) -> float | None:
        runs = self._history.executions.newest(
            limit=RECENT_DURATIONS, cronjob_id=cronjob_id, status=ExecutionStatus.SUCCEEDED
        ).items
        return percentile_95([run.duration_seconds for run in runs if run.duration_seconds is not None])

    def _read_usual_backup_seconds(self, cronjob_id: str) -> float | None:
        done = self._history.backups.newest(
            limit=RECENT_DURATIONS, cronjob_id=cronjob_id, status=BackupStatus.SUCCEEDED
        ).items
        return percentile_95([one.duration_seconds for one in done if one.duration_seconds is not None])

    def _other_policies(self, storage: str, uid: str | None) -> tuple[OtherPolicy, ...]:
        """Return the enabled policies of other CronJobs and claims on the storage."""
        others = []
        for cronjob in self._cronjobs.subjects.objects():
            if cronjob.uid == uid or storage not in cronjob.annotations.get(object_keys.POLICY, ""):
                continue
            policy = policies.read_policy(cronjob).policy
            if policy is None or policy.storage_id != storage or not policy.enabled:
                continue
            other = self._other_policy(cronjob, policy)
            if other is not None:
                others.append(other)
        return tuple(others)

    def _other_policy(self, cronjob: PolicySubject, policy: BackupPolicy) -> OtherPolicy | None:
        """Return when another policy's backups use the storage; None where no schedule says so."""
        name = self._cronjobs.clusters.title(cronjob.cluster, str(cronjob.ref))
        lasting = self._backup_seconds(cronjob.uid)
        try:
            if policy.schedule is not None:
                return OtherPolicy(
                    name=name, schedule=self.parse(policy.schedule, policy.time_zone), duration=lasting
                )
            if not isinstance(cronjob, CronJobObject) or cronjob.spec.suspend:
                return None
            run, _ = self._run_seconds(cronjob.uid, policy.expected_duration_seconds)
            schedule = self._parse_existing(cronjob.spec.schedule, cronjob.spec.time_zone)
            return OtherPolicy(
                name=name, schedule=schedule, duration=lasting, delay=run + policy.delay_seconds
            )
        except KronkeepError:
            return None

    def findings(self, cronjob: CronJob, policy: BackupPolicy | None) -> tuple[str, ...]:
        """Return the findings on the CronJob's policy as `Code: sentence`; empty until they are computed."""
        pair = self._pair_of(cronjob, policy)
        if pair is None:
            return ()
        if pair not in self._findings and len(self._requested) < MOST_PAIRS:
            self._requested[pair] = None
            self._some_requested.set()
        return self._findings.get(pair, ())

    def has_findings(self, cronjob: CronJob) -> bool:
        """Whether the findings on the CronJob's policy are computed."""
        pair = self._pair_of(cronjob, cronjob.policy)
        return pair is None or pair in self._findings

    async def find_conflict(self, subject: PolicySubject, policy: BackupPolicy) -> str | None:
        """Return how a CronJob's and its policy's schedules conflict though the policy does not accept that,
        as after kubectl changed one of them; None where they do not.
        """
        if policy.on_conflict == "accept" or not isinstance(subject, CronJobObject):
            return None
        pair = self._pair(subject.uid, subject.spec.schedule, subject.spec.time_zone, policy)
        if pair is None:
            return None
        findings = self._findings.get(pair)
        if findings is None:
            findings = await asyncio.to_thread(self._compute, pair)
            self._keep_findings(pair, findings)
        return first_conflict(findings)

    def _pair_of(self, cronjob: CronJob, policy: BackupPolicy | None) -> _Pair | None:
        return self._pair(cronjob.id, cronjob.schedule, cronjob.time_zone, policy)

    def _pair(self, uid: str, schedule: str, zone: str | None, policy: BackupPolicy | None) -> _Pair | None:
        if policy is None or policy.schedule is None or not schedule:
            return None
        expected, _ = self._run_seconds(uid, policy.expected_duration_seconds)
        minutes = -int(-expected // 60)
        today = self._clock.now().toordinal()
        return (schedule, zone, policy.schedule, policy.time_zone, minutes, today)

    def _keep_findings(self, pair: _Pair, findings: tuple[str, ...]) -> None:
        while len(self._findings) >= MOST_PAIRS:
            del self._findings[next(iter(self._findings))]
        self._findings[pair] = findings

    def next_backup(self, cronjob: CronJob, policy: BackupPolicy | None) -> datetime | None:
        """Return when the next backup is due: by the policy's schedule, or with the run that it follows."""
        if policy is None or not policy.enabled:
            return None
        if policy.schedule is None:
            return cronjob.next_at
        try:
            return self.parse(policy.schedule, policy.time_zone).next(self._clock.now())
        except KronkeepError:
            return None

    def planned_backups(self, policy: BackupPolicy, period: Period, most: int) -> tuple[datetime, ...]:
        """Return the slots of the policy's own schedule in a period, at most so many; none while disabled."""
        if policy.schedule is None or not policy.enabled:
            return ()
        try:
            schedule = self.parse(policy.schedule, policy.time_zone)
        except KronkeepError:
            return ()
        return tuple(islice(schedule.between(period.start, period.end), most))

    async def compute_findings(self) -> None:
        """Compute for ever the findings that were asked for and are not known, one pair of schedules at a
        time.
        """
        while True:
            await self._some_requested.wait()
            self._some_requested.clear()
            while self._requested:
                pair = next(iter(self._requested))
                findings = await asyncio.to_thread(self._compute, pair)
                self._keep_findings(pair, findings)
                del self._requested[pair]

    def _compute(self, pair: _Pair) -> tuple[str, ...]:
        schedule, zone, backup, backup_zone, minutes, _ = pair
        try:
            question = CheckContext(
                cronjob=self._parse_existing(schedule, zone),
                now=self._clock.now(),
                run_duration=timedelta(minutes=minutes),
            )
            verdict = compatibility.check(question, self.parse(backup, backup_zone))
        except KronkeepError:
            return ()
        return tuple(f"{finding.code}: {finding.message}" for finding in verdict.findings)
