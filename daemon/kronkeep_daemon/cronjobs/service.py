"""The base service: CronJobs of all clusters and their runs, without backups.

`subjects` has the claims with policies of their own too.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from datetime import datetime
from functools import partial
from itertools import islice
from typing import NamedTuple

import msgspec

from kronkeep_common import subject_names
from kronkeep_common.archive_contents import list_mounted_claims
from kronkeep_common.clock import Clock
from kronkeep_common.errors import (
    ConfirmationMissing,
    Conflict,
    CronJobNotFound,
    ExecutionNotFound,
    KronkeepError,
    NameTaken,
    NotAllowedNow,
    Unavailable,
)
from kronkeep_common.evidence import Period
from kronkeep_common.models import CronJob, CronJobCreate, CronJobExecution, EnvVar
from kronkeep_common.name_rules import check_image, check_name
from kronkeep_common.name_suggestions import closest_name
from kronkeep_common.schedule import Schedule
from kronkeep_common.states import EXECUTION_TRANSITIONS, ExecutionStatus, is_final
from kronkeep_common.text import clean
from kronkeep_daemon.cronjobs import cronjob_manifests, maintenance_marks, resume, spec_limits
from kronkeep_daemon.cronjobs.claim_view import view_claim
from kronkeep_daemon.cronjobs.job_to_run import job_uid
from kronkeep_daemon.cronjobs.manual_runs import is_of_request, name_of_job, require_idle
from kronkeep_daemon.cronjobs.pod_volumes import list_mounted_volumes
from kronkeep_daemon.cronjobs.policy_subjects import (
    PolicySubjects,
    has_subject,
    is_unlisted,
    no_claim_error,
)
from kronkeep_daemon.cronjobs.run_recorder import RunRecorder
from kronkeep_daemon.events import Bus, CronJobChanged
from kronkeep_daemon.history import CronJobMemo, History
from kronkeep_daemon.kube import idempotent_create, paths
from kronkeep_daemon.kube.client import Cluster
from kronkeep_daemon.kube.clusters import Clusters
from kronkeep_daemon.kube.errors import AlreadyExists
from kronkeep_daemon.kube.lease import Leaderships
from kronkeep_daemon.kube.objects import CronJobObject, CronJobRef, JsonObject
from kronkeep_daemon.kube.subjects import PolicyClaim, PolicySubject
from kronkeep_daemon.kube.watch import WatchState
from kronkeep_daemon.settings import Settings
from kronkeep_daemon.supervisor import Supervisor

RECENT_RUNS = 20
MOST_CLAIMS = 100  # that are shown of a CronJob; a pod template holds thousands
OPEN_STATUSES = frozenset(s for s in ExecutionStatus if not is_final(EXECUTION_TRANSITIONS, s))


class RecentRuns(NamedTuple):
    """What lists show of a CronJob's runs: the newest statuses, oldest first, and the newest run."""

    statuses: tuple[ExecutionStatus, ...]
    last_id: str | None
    last_started_at: datetime | None
    last_duration_seconds: float | None


class CronJobService:
    """Manages CronJobs; `leads` says on which clusters this daemon acts without being asked."""

    def __init__(
        self,
        *,
        clusters: Clusters,
        recorders: Mapping[str, RunRecorder],
        leads: Leaderships,
        history: History,
        bus: Bus,
        clock: Clock,
        settings: Callable[[], Settings],
    ) -> None:
        self.clusters = clusters
        self.recorders = recorders
        self.subjects = PolicySubjects(recorders)
        self.leads = leads
        self._history = history
        self._recent_runs = CronJobMemo(self._read_recent_runs, history.executions)
        self._clock = clock
        self._settings = settings
        self._supervisor: Supervisor | None = None
        bus.subscribe(CronJobChanged, self._on_cronjob_changed)

    def start(self, supervisor: Supervisor) -> None:
        """Start to hold the Leases and to watch, as tasks of the supervisor."""
        self._supervisor = supervisor
        for leadership in self.leads:
            supervisor.start(f"lease {leadership.name}", leadership.run, death="restart")
        for recorder in self.recorders.values():
            recorder.start(supervisor)

    async def wait_until_synced(self) -> None:
        """Wait until every cluster has been listed."""
        for recorder in self.recorders.values():
            await recorder.synced.wait()

    async def wait_until_one_synced(self) -> None:
        """Wait until one cluster has been listed; another may be unreachable for long."""
        waits = [asyncio.ensure_future(recorder.synced.wait()) for recorder in self.recorders.values()]
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()

    def pending_clusters(self) -> frozenset[str]:
        """Return the ids of the clusters that have not been listed yet."""
        return frozenset(i for i, recorder in self.recorders.items() if not recorder.synced.is_set())

    def carriers_led_here(self) -> AsyncIterator[PolicySubject]:
        """Yield what carries a policy on the clusters that are listed and on which this daemon acts now."""
        return self.subjects.carriers(self._list_led_clusters)

    def _list_led_clusters(self) -> frozenset[str]:
        return self.leads.led_clusters() - self.pending_clusters()

    async def release_leases(self) -> None:
        """Give the Leases back, so that another daemon can act at once."""
        for leadership in self.leads:
            await leadership.release()

    def watch_states(self) -> list[WatchState]:
        """Return how fresh each watch is."""
        return [state for recorder in self.recorders.values() for state in recorder.watches.states()]

    def resolve(self, namespace: str, name: str, cluster: str | None = None) -> CronJobRef:
        """Return the CronJob or claim that a name means; `cluster` is the name or id of one, as in a request.

        Raises CronJobNotFound, ClusterNotFound, and Conflict where several clusters have it, or where one
        that is not listed yet may have it too. Raises Unavailable where only such a cluster may have it.
        """
        candidates = list(self.recorders.values())
        if cluster:
            candidates = [self.recorders[self.clusters.by_name(cluster).id]]
        owners = [
            recorder
            for recorder in candidates
            if has_subject(recorder, CronJobRef(recorder.cluster.id, namespace, name))
        ]
        title = _title(namespace, name)
        if not owners:
            raise _not_found_error(namespace, name, candidates)
        if len(candidates) > 1:
            _require_unambiguous(title, owners, candidates)
        return CronJobRef(owners[0].cluster.id, namespace, name)

    def resolve_or_new(self, namespace: str, name: str, cluster: str | None = None) -> CronJobRef:
        """Return the CronJob that a manifest means; one that does not exist is on the named or first cluster.

        Raises what `resolve` raises, except CronJobNotFound.
        """
        try:
            return self.resolve(namespace, name, cluster)
        except CronJobNotFound:
            return CronJobRef(self.clusters.by_name(cluster).id, namespace, name)

    def find(self, ref: CronJobRef) -> CronJobObject:
        """Return a CronJob as it was last seen; raises CronJobNotFound, Unavailable, ClusterNotFound.

        Raises NotAllowedNow for a claim, which has no runs.
        """
        subject = self.find_subject(ref)
        if not isinstance(subject, CronJobObject):
            raise NotAllowedNow(
                f"{_title(ref.namespace, ref.name)} is a claim: it has no runs to start or stop.",
                next_step="Back it up with kronkeep backup; change its policy with kronkeep apply.",
            )
        return subject

    def find_subject(self, ref: CronJobRef) -> PolicySubject:
        """Return a CronJob, or a claim with a policy, as it was last seen; raises as `find` does."""
        cluster = self.clusters.by_name(ref.cluster).id
        subject = self.subjects.get(CronJobRef(cluster, ref.namespace, ref.name))
        if subject is None:
            raise _not_found_error(ref.namespace, ref.name, [self.recorders[cluster]])
        return subject

    def view(self, cronjob: PolicySubject) -> CronJob:
        """Return a CronJob as answers show it, with its runs from the history; or a claim with a policy."""
        if isinstance(cronjob, PolicyClaim):
            return view_claim(cronjob, self._clock.now())
        assert isinstance(cronjob, CronJobObject)
        spec = cronjob.spec
        recent = self._recent_runs(cronjob.uid)
        schedule = self._schedule(spec.schedule, spec.time_zone)
        next_at = schedule.next(self._clock.now()) if schedule and not spec.suspend else None
        containers = cronjob.pod.containers
        standing = self.recorders[cronjob.cluster].slot_tracker.open_slots_of(cronjob.uid)
        return CronJob(
            id=cronjob.uid,
            cluster=cronjob.cluster,
            namespace=cronjob.namespace,
            name=clean(cronjob.name, 253),
            schedule=clean(spec.schedule, 200),
            time_zone=spec.time_zone,
            schedule_text=schedule.describe() if schedule else "never: the schedule cannot be read",
            image=clean(containers[0].image if containers else "", 500),
            suspended=bool(spec.suspend),
            maintenance=next(iter(maintenance_marks.read_marks(cronjob)), None) if spec.suspend else None,
            created_at=cronjob.created_at or self._clock.now(),
            resource_version=cronjob.metadata.resource_version,
            next_at=next_at,
            last_scheduled_at=cronjob.last_scheduled_at,
            late_since=standing.late_since,
            delayed_since=standing.delayed_since,
            active=sum(status in OPEN_STATUSES for status in recent.statuses),
            recent=recent.statuses,
            last_execution_id=recent.last_id,
            last_started_at=recent.last_started_at,
            last_duration_seconds=recent.last_duration_seconds,
            claims=_list_shown_claims(cronjob),
        )

    def _read_recent_runs(self, cronjob_id: str) -> RecentRuns:
        last, statuses = self._history.executions.recent(RECENT_RUNS, cronjob_id=cronjob_id)
        return RecentRuns(
            statuses=msgspec.convert(statuses[::-1], tuple[ExecutionStatus, ...]),
            last_id=last.id if last else None,
            last_started_at=last.started_at if last else None,
            last_duration_seconds=last.duration_seconds if last else None,
        )

    def _schedule(self, expression: str, time_zone: str | None) -> Schedule | None:
        try:
            zone = self._settings().controller_zone
            return Schedule.parse_existing(expression, time_zone, controller_zone=zone)
        except KronkeepError:
            return None

    def planned_runs(self, cronjob: CronJobObject, period: Period, most: int) -> tuple[datetime, ...]:
        """Return when a CronJob will run in a period, at most so many times; never while it is suspended."""
        schedule = self._schedule(cronjob.spec.schedule, cronjob.spec.time_zone)
        if schedule is None or cronjob.spec.suspend:
            return ()
        return tuple(islice(schedule.between(period.start, period.end), most))

    def check_spec(self, spec: CronJobCreate) -> None:
        """Raise InvalidName, InvalidImage, InvalidSchedule, InvalidTimeZone or Denied."""
        check_name(spec.name)
        check_image(spec.image)
        Schedule.parse(spec.schedule, spec.time_zone)
        self.check_allowed(cronjob_manifests.build_cronjob(spec.namespace, spec.name, spec, {}))

    def check_allowed(self, body: JsonObject) -> None:
        """Raise Denied for a CronJob that the settings do not allow."""
        settings = self._settings()
        spec_limits.require_allowed(body, settings.allow, own_namespace=settings.namespace)

    def check_namespace(self, namespace: str) -> None:
        """Raise Denied for a namespace in which the settings allow nothing to be created or written."""
        settings = self._settings()
        spec_limits.require_allowed_namespace(namespace, settings.allow, settings.namespace)

    async def create(
        self,
        spec: CronJobCreate,
        cluster: Cluster,
        *,
        annotations: dict[str, str] | None = None,
        dry_run: bool = False,
    ) -> CronJobObject:
        """Create a CronJob in one request; raises NameTaken and what `check_spec` raises."""
        self.check_spec(spec)
        body = cronjob_manifests.build_cronjob(spec.namespace, spec.name, spec, annotations or {})
        return await self.create_manifest(body, cluster, dry_run=dry_run)

    async def create_manifest(
        self, body: JsonObject, cluster: Cluster, *, dry_run: bool = False
    ) -> CronJobObject:
        """Create a CronJob from a batch/v1 manifest; raises Denied, NameTaken, InvalidObject."""
        self.check_allowed(body)
        meta = body["metadata"]
        try:
            created = await _create_object(cluster, paths.cronjobs(meta["namespace"]), body, dry_run)
        except AlreadyExists as fault:
            message = f"There is a CronJob {_title(meta['namespace'], meta['name'])} already."
            raise NameTaken(message, field="name") from fault
        return self._take_answer(created, cluster, dry_run)

    def _take_answer(self, body: JsonObject, cluster: Cluster, dry_run: bool) -> CronJobObject:
        """Return the CronJob of an answer; unless that was of a dry run, cache it before the watch."""
        cronjob = CronJobObject.from_manifest(body, cluster.id)
        cronjob.record_id = self.recorders[cluster.id].record_id_of(cronjob.metadata.uid)
        if not dry_run:
            self.recorders[cronjob.cluster].cache.update_cronjob("MODIFIED", cronjob)
        return cronjob

    async def patch(self, ref: CronJobRef, body: JsonObject, *, dry_run: bool = False) -> CronJobObject:
        """Apply a merge patch to a CronJob; raises CronJobNotFound, InvalidObject."""
        self.find(ref)
        path = paths.cronjobs(ref.namespace, ref.name)
        cluster = self.clusters.by_name(ref.cluster)
        patched = await cluster.patch(path, body, dry_run=dry_run, strict=True)
        return self._take_answer(patched, cluster, dry_run)

    async def trigger(
        self,
        ref: CronJobRef,
        *,
        env: Sequence[EnvVar] = (),
        key: str | None = None,
        only_if_idle: bool = False,
    ) -> CronJobExecution:
        """Run the CronJob now, only once for a `key`; the run is recorded before this returns.

        A Job that cannot be recorded is deleted, and the reason raised. Raises NameTaken where a Job of the
        run's name is not of this request, and AlreadyRuns with `only_if_idle`.
        """
        cronjob = self.find(ref)
        recorder = self.recorders[cronjob.cluster]
        cluster = recorder.cluster
        job_name = name_of_job(ref, key)
        if only_if_idle:
            require_idle(self._history, cronjob, job_name, self._clock.now())
        try:
            body = cronjob_manifests.build_manual_job(cronjob, job_name, env, key)
            job = await idempotent_create.create(cluster, paths.jobs(ref.namespace), body)
        except AlreadyExists as taken:
            job = await cluster.get(paths.jobs(ref.namespace, job_name))
            if not is_of_request(job, cronjob, key):
                raise NameTaken(
                    f"There is a Job {ref.namespace}/{job_name} already, which is not of this request.",
                    next_step="Trigger the CronJob again; with another Idempotency-Key, where you gave one.",
                ) from taken
        try:
            return await recorder.adopt(job)
        except KronkeepError:
            await cluster.delete(paths.jobs(ref.namespace, job_name), uid=job["metadata"]["uid"])
            raise

    async def suspend(self, ref: CronJobRef) -> CronJobObject:
        """Stop new runs; those that have begun are not stopped."""
        return await self.patch(ref, maintenance_marks.without_marks({"spec": {"suspend": True}}))

    async def resume(self, ref: CronJobRef) -> CronJobObject:
        """Allow new runs from the next slot on; a slot that was missed meanwhile is not started."""
        cronjob = self.find(ref)
        slot = await self._wait_past_missed_slot(cronjob)
        body = resume.resume_patch(cronjob, slot, self._clock.now())
        return await self.patch(ref, maintenance_marks.without_marks(body))

    async def _wait_past_missed_slot(self, cronjob: CronJobObject) -> datetime | None:
        """Return the slot that a resume would start, once that is old enough to be left out."""
        schedule = self._schedule(cronjob.spec.schedule, cronjob.spec.time_zone)
        slot = resume.find_missed_slot(cronjob, schedule, self._clock.now())
        if slot is not None:
            await self._clock.sleep(resume.seconds_to_wait(slot, self._clock.now()))
        return slot

    async def suspend_for(self, ref: CronJobRef, maintenance_id: str) -> None:
        """Suspend a CronJob for a maintenance, unless somebody has suspended it.

        Raise ConflictInCluster where it was changed meanwhile.
        """
        body = maintenance_marks.suspend_patch(self.find(ref), maintenance_id)
        if body is not None:
            await self.patch(ref, body)

    async def release_from(self, ref: CronJobRef, over: Collection[str]) -> None:
        """Resume a CronJob that only maintenances that are `over` keep suspended.

        Raise ConflictInCluster where it was changed meanwhile.
        """
        cronjob = self.find(ref)
        slot = await self._wait_past_missed_slot(cronjob)
        body = maintenance_marks.release_patch(cronjob, over, slot, self._clock.now())
        if body is not None:
            await self.patch(ref, body)

    def _on_cronjob_changed(self, event: CronJobChanged) -> None:
        cronjob = event.cronjob
        if event.kind == "removed" or resume.deadline_patch(cronjob) is None:
            return
        cluster = self.clusters.of(cronjob.cluster)
        name = f"restore deadline {cronjob.cluster} {cronjob.ref}"
        if self._supervisor is not None and not self._supervisor.running(name):
            patch = partial(cluster.patch, paths.cronjobs(cronjob.namespace, cronjob.name))
            self._supervisor.start(name, partial(resume.restore_deadline, cronjob, patch), death="quiet")

    async def delete(self, ref: CronJobRef, *, confirm: str | None, user: str) -> None:
        """Delete a CronJob and its Jobs; its history stays. Raises ConfirmationMissing."""
        cronjob = self.find(ref)
        if confirm != ref.name:
            raise ConfirmationMissing(f"Deleting {ref} needs its name as confirmation.", field="confirm")
        cluster = self.clusters.by_name(ref.cluster)
        runs = [r for r in self.recent_runs(cronjob.uid) if not is_final(EXECUTION_TRANSITIONS, r.status)]
        await self._record_canceller(runs, user)
        try:
            await cluster.delete(paths.cronjobs(ref.namespace, ref.name), uid=cronjob.metadata.uid)
        except KronkeepError:
            await self._record_canceller(runs, None)
            raise

    def recent_runs(self, cronjob_id: str) -> Sequence[CronJobExecution]:
        """Return the newest runs of a CronJob."""
        return self._history.executions.newest(limit=RECENT_RUNS, cronjob_id=cronjob_id).items

    def execution(self, execution_id: str) -> CronJobExecution:
        """Return one run; raises ExecutionNotFound."""
        run = self._history.executions.get(execution_id)
        if run is None:
            raise ExecutionNotFound(f"There is no execution {clean(execution_id, 80)}.")
        return run

    async def cancel(self, execution_id: str, user: str) -> CronJobExecution:
        """Delete the Job of a run that has not ended; its record, with the user's name, follows from that."""
        run = self.execution(execution_id)
        if run.job and not is_final(EXECUTION_TRANSITIONS, run.status):
            path = paths.jobs(run.namespace, run.job)
            await self._record_canceller([run], user)
            try:
                await self.clusters.of(run.cluster).delete(path, uid=job_uid(run))
            except KronkeepError:
                await self._record_canceller([run], None)
                raise
        return self.execution(execution_id)

    async def _record_canceller(self, runs: Sequence[CronJobExecution], user: str | None) -> None:
        """Record, before their Jobs are deleted, who stops the runs; None where that failed."""
        for run in runs:
            current = self._history.executions.get(run.id) or run
            if not is_final(EXECUTION_TRANSITIONS, current.status):
                self._history.executions.put(msgspec.structs.replace(current, cancelled_by=user))
        await self._history.commit()


async def _create_object(cluster: Cluster, path: str, body: JsonObject, dry_run: bool) -> JsonObject:
    if dry_run:
        return await cluster.create(path, body, dry_run=True, strict=True)
    return await idempotent_create.create(cluster, path, body, strict=True)


def _title(namespace: str, name: str) -> str:
    return f"{clean(namespace, 63)}/{clean(name, 63)}"


def _not_found_error(namespace: str, name: str, candidates: list[RunRecorder]) -> KronkeepError:
    """Return CronJobNotFound, or Unavailable while a cluster that may have it has not been listed."""
    title = _title(namespace, name)
    claim = subject_names.claim_of(name)
    names = ", ".join(clean(r.cluster.name, 80) for r in candidates if is_unlisted(r, name))
    if not names and claim is not None:
        return no_claim_error(namespace, claim)
    if not names:
        refs = [ref for recorder in candidates for ref in recorder.cache.cronjobs]
        near = _closest_cronjob(namespace, name, refs)
        step = f"Did you mean {near}?" if near else None
        return CronJobNotFound(f"There is no CronJob {title}.", next_step=step)
    kind = "CronJobs" if claim is None else "claims"
    return Unavailable(f"The {kind} of {names} have not been listed yet, so {title} may be there.")


def _closest_cronjob(namespace: str, name: str, refs: Sequence[CronJobRef]) -> str | None:
    """Return the CronJob that was probably meant: of that name elsewhere, else of a name that is alike."""
    elsewhere = sorted(_title(ref.namespace, ref.name) for ref in refs if ref.name == name)
    if elsewhere:
        return elsewhere[0]
    beside = closest_name(name, (ref.name for ref in refs if ref.namespace == namespace))
    if beside is not None:
        return _title(namespace, beside)
    alike = closest_name(name, (ref.name for ref in refs))
    return next((_title(ref.namespace, ref.name) for ref in refs if ref.name == alike), None)


def _require_unambiguous(title: str, owners: list[RunRecorder], candidates: list[RunRecorder]) -> None:
    """Raise Conflict where the name may mean another cluster's CronJob too."""
    unlisted = [r for r in candidates if r not in owners and not r.synced.is_set()]
    if len(owners) == 1 and not unlisted:
        return
    names = ", ".join(clean(recorder.cluster.name, 80) for recorder in [*owners, *unlisted])
    message = f"The clusters {names} each have a CronJob {title}."
    if unlisted:
        message = f"Not all of the clusters {names} have been listed, so {title} may be on several."
    raise Conflict(message, next_step="Name one with ?cluster=NAME (on the command line --cluster NAME).")


def _list_shown_claims(cronjob: CronJobObject) -> tuple[str, ...]:
    claims = list_mounted_claims(list_mounted_volumes(cronjob))
    return tuple(clean(claim, 253) for claim in claims[:MOST_CLAIMS])
