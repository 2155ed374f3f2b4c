"""Records the runs of one cluster: each Job once, its end once, its logs before its pods are deleted.

Watches only mark Jobs as touched. One task takes the touched ones, writes their records, commits once and
then announces the changes. So a burst of events costs one sync, and nothing is announced before it is
durable.
"""

import asyncio
import logging
from collections.abc import Callable, Iterable
from datetime import timedelta
from functools import partial
from itertools import islice

import msgspec

from kronkeep_common import subject_names
from kronkeep_common.clock import Clock
from kronkeep_common.errors import KronkeepError, ReadOnlyHistory
from kronkeep_common.models import CronJobExecution, KeptLog
from kronkeep_common.states import EXECUTION_TRANSITIONS, ExecutionStatus, Trigger, is_final
from kronkeep_daemon.cronjobs import deleted_job_rules, job_to_run, missed_runs, run_logs
from kronkeep_daemon.cronjobs.claim_cache import PolicyClaimCache
from kronkeep_daemon.cronjobs.cluster_cache import ChangeKind, ClusterCache
from kronkeep_daemon.cronjobs.cluster_watch import ClusterWatches
from kronkeep_daemon.cronjobs.deleted_job_rules import DeletedJobFacts
from kronkeep_daemon.cronjobs.job_to_run import job_uid
from kronkeep_daemon.cronjobs.log_collector import LogCollector
from kronkeep_daemon.cronjobs.run_changes import RunChanges
from kronkeep_daemon.cronjobs.slot_tracker import TICK_SECONDS, SlotTracker, always_trusted
from kronkeep_daemon.cronjobs.unknown_owners import UnknownOwners
from kronkeep_daemon.events import ActingChanged, Bus, ClaimChanged, CronJobChanged
from kronkeep_daemon.history import History
from kronkeep_daemon.kube.client import Cluster
from kronkeep_daemon.kube.cluster_clock import ClusterClock
from kronkeep_daemon.kube.objects import (
    CronJobObject,
    CronJobRef,
    Job,
    JsonObject,
    convert_object,
    cronjob_owner_of,
)
from kronkeep_daemon.kube.shared_uids import SharedUids, qualify
from kronkeep_daemon.kube.subjects import PolicyClaim
from kronkeep_daemon.loop_turns import LoopTurn
from kronkeep_daemon.supervisor import Supervisor

log = logging.getLogger(__name__)
FULL_DISK_PAUSE = 2.0  # seconds
# After a write the task rests this long for each Job written, so that a burst shares the next commit.
REST_PER_JOB = 0.001
LONGEST_REST = 0.05
EVENT_PATIENCE = 3.0  # seconds to wait for an Event that explains why a Job was deleted
READ_AHEAD = 100  # Jobs whose records are read with one query; it takes half a millisecond
JOBS_PER_WRITE = 1000  # so that the first list of very many Jobs needs no more memory than this many
MOST_OPEN_RUNS = 100_000
MOST_UNRECORDED = 2 * JOBS_PER_WRITE  # Jobs of a list that wait for their record; 2 KB each
RECORD_PAUSE = 0.02  # seconds
LONGEST_RECORD_WAIT = 10.0
MOST_NAMESPACES = 10_000  # of CronJobs that are remembered


def default_grace() -> timedelta:
    """Return how late a run may begin by default."""
    return timedelta(seconds=120)


def default_zone() -> str:
    """Return the time zone of the CronJob controller by default."""
    return "UTC"


def record_no_bare_jobs() -> int:
    """Return the default: no Job without a CronJob is recorded."""
    return 0


class RunRecorder:
    """The recorder of one cluster.

    grace: how late a run may begin before its slot is late.
    event_patience: seconds to wait for an Event that explains why a Job was deleted.
    bare_jobs: for how many Jobs without a CronJob runs are kept in a namespace; 0 for none.
    cluster_clock: the clock by which slots are judged; `clock` where there is none.
    uids: the uids that other clusters have too; None where there is no other.
    """

    def __init__(
        self,
        *,
        cluster: Cluster,
        history: History,
        bus: Bus,
        clock: Clock,
        grace: Callable[[], timedelta] = default_grace,
        controller_zone: Callable[[], str] = default_zone,
        namespaces: tuple[str, ...] = (),
        event_patience: float = EVENT_PATIENCE,
        bare_jobs: Callable[[], int] = record_no_bare_jobs,
        cluster_clock: ClusterClock | None = None,
        uids: SharedUids | None = None,
    ) -> None:
        self._uids = uids
        self.cluster = cluster
        self._history = history
        self._bus = bus
        self._clock = clock
        self._event_patience = event_patience
        self._bare_jobs = bare_jobs
        self._touched: dict[str, None] = {}  # uids of Jobs, in the order in which they changed
        self._wake = asyncio.Event()
        self._idle = asyncio.Event()
        self._recorded_namespaces: dict[str, str] = {}
        self._unknown_owners = UnknownOwners()
        # Deleted Jobs whose explaining Event is waited for; True once the wait is over.
        self._event_waits: dict[str, bool] = {}
        self.synced = asyncio.Event()
        self.cache = ClusterCache(
            on_job_change=self._touch,
            on_cronjob_change=self._announce_cronjob,
            record_id_of=self.record_id_of,
        )
        self.claims = PolicyClaimCache(
            self._cluster_id, on_change=self._announce_claim, record_id_of=self.record_id_of
        )
        self.log_collector = LogCollector(
            cluster=cluster,
            history=history,
            on_log_saved=self._add_log,
            clock=clock,
            first_lists=self.synced,
        )
        self.watches = ClusterWatches(
            cluster=cluster,
            cache=self.cache,
            claims=self.claims,
            clock=clock,
            namespaces=namespaces,
            wait_for_records=self._wait_for_records,
        )
        self.slot_tracker = SlotTracker(
            cluster_id=self._cluster_id,
            cache=self.cache,
            history=history,
            bus=bus,
            clock=cluster_clock or clock,
            is_live=self.watches.is_live,
            is_time_trusted=cluster_clock.is_trusted if cluster_clock else always_trusted,
            grace=grace,
            controller_zone=controller_zone,
        )

    def start(self, supervisor: Supervisor) -> None:
        """Start to record, as tasks of the supervisor; a cluster that has never answered is waited for."""
        if self.cluster.fault is None:
            self._start_tasks(supervisor)
        else:
            waiting = partial(self._start_when_connected, supervisor)
            supervisor.start(f"recorder of a first connection {self.cluster.name}", waiting, death="quiet")

    async def _start_when_connected(self, supervisor: Supervisor) -> None:
        await self.cluster.wait_until_identified()
        self._start_tasks(supervisor)

    def _start_tasks(self, supervisor: Supervisor) -> None:
        """Start the watches, the writer, the slot tracker and the log copiers."""
        self.watches.start(supervisor, self.take_first_lists)
        supervisor.start(f"recorder {self.cluster.name}", self._write_forever, death="restart")
        supervisor.start(f"slots {self.cluster.name}", self._track_slots_forever, death="restart")
        self.log_collector.start(supervisor)

    def take_first_lists(self) -> None:
        """Touch the open runs whose Job is not listed, and announce that the lists are complete."""
        for status in ExecutionStatus:
            if is_final(EXECUTION_TRANSITIONS, status):
                continue
            open_runs = self._history.executions.newest(
                limit=MOST_OPEN_RUNS, cluster=self.cluster.id, status=status
            )
            for run in open_runs.items:
                if run.job is not None and job_uid(run) not in self.cache.jobs:
                    self._touch(job_uid(run))
        self.synced.set()
        for waiting in self._unknown_owners:
            self._touch(waiting)
        self._bus.publish(ActingChanged(self.cluster.id))
        self._wake.set()

    @property
    def has_unwritten(self) -> bool:
        """Whether a touched Job is not written yet, or the Event that explains a deletion is waited for."""
        return bool(self._touched or self._event_waits)

    async def flush(self) -> None:
        """Write the records of every touched Job; raises ReadOnlyHistory, with all of them still touched."""
        while self._touched:
            await self._write_some()

    async def _wait_for_records(self) -> None:
        """Wait while many Jobs are not recorded, but not for a disk that is full."""
        waited = 0.0
        while len(self._touched) > MOST_UNRECORDED and waited < LONGEST_RECORD_WAIT:
            await self._clock.sleep(RECORD_PAUSE)
            waited += RECORD_PAUSE

    def record_id_of(self, uid: str) -> str:
        """Return the id that records about a CronJob or a claim of this cluster have."""
        return uid if self._uids is None else self._uids.record_id(uid, self.cluster.id)

    def _cluster_id(self) -> str:
        return self.cluster.id

    def _touch(self, uid: str) -> None:
        self._touched[uid] = None
        self._idle.clear()
        self._wake.set()

    def _announce_cronjob(self, kind: ChangeKind, cronjob: CronJobObject) -> None:
        for job in self._unknown_owners.jobs_of(cronjob.metadata.uid):
            self._touch(job)
        self._bus.publish(CronJobChanged(kind, cronjob))

    def _announce_claim(self, kind: ChangeKind, claim: PolicyClaim) -> None:
        self._bus.publish(ClaimChanged(kind, claim))

    async def _write_forever(self) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            try:
                count = await self._write_some()
            except ReadOnlyHistory as full:
                log.error("runs cannot be recorded now: %s", full)
                await self._clock.sleep(FULL_DISK_PAUSE)
                self._wake.set()
                continue
            if self._touched:
                self._wake.set()
                continue
            self._idle.set()
            await asyncio.sleep(min(REST_PER_JOB * count, LONGEST_REST))

    async def _track_slots_forever(self) -> None:
        """Judge slots only while every Job that was seen is recorded: its record takes the slot."""
        await self.synced.wait()
        await self.watches.wait_for_events(self._event_patience)
        while True:
            await self._idle.wait()
            await self.slot_tracker.update()
            await self._clock.sleep(TICK_SECONDS)

    async def _write_some(self) -> int:
        """Write the first JOBS_PER_WRITE touched Jobs; return how many there were."""
        touched = list(islice(self._touched, JOBS_PER_WRITE))
        self._touched = dict.fromkeys(islice(self._touched, JOBS_PER_WRITE, None))
        try:
            await self._write(touched)
        except ReadOnlyHistory:
            self._touched = dict.fromkeys(touched) | self._touched
            raise
        return len(touched)

    async def _write(self, touched: Iterable[str]) -> None:
        changes = RunChanges(self._history, self._bus)
        uids = list(touched)
        records: dict[str, CronJobExecution | None] = dict.fromkeys(uids)
        turn = LoopTurn()
        for number, uid in enumerate(uids):
            if number % READ_AHEAD == 0:
                self._read_ahead(uids[number : number + READ_AHEAD])
            await turn.give_way()
            try:
                records[uid] = self._record(uid, changes)
            except (KeyError, TypeError, ValueError, msgspec.ValidationError):
                log.exception("the Job %s cannot be read and is not recorded", uid)
        if not changes.is_empty:
            await changes.commit()
        for uid, record in records.items():
            await turn.give_way()
            self._follow_up(uid, record)

    def _record(self, uid: str, changes: RunChanges) -> CronJobExecution | None:
        """Return a Job's record as of now; put it where it differs from the one in the history."""
        record_id, old = self._find_record(uid)
        job = self.cache.jobs.get(uid)
        new = old
        if job is not None and (old is not None or self._is_owner_local(job)):
            namespace = job.metadata.namespace
            pods = self.cache.pods_of(namespace, uid)
            metas = [job.metadata, *(pod.metadata for pod in pods)]
            new = job_to_run.run_of_job(
                cluster=self.cluster.id,
                record_id=record_id,
                job=job,
                pods=pods,
                events={meta.uid: self.cache.events_about(namespace, meta.uid) for meta in metas},
                old=old,
                owner_id_of=self._owner_id_of,
            )
        # Its slot may be recorded as missed: the controller was later than the grace allows.
        if new is not None and old is None:
            new = self._reconcile_new_run(new, changes)
        # The cache keeps a deleted Job until its record is final: Events may explain it a moment later.
        deleted = job is None or uid in self.cache.deleted_jobs
        if new is not None and deleted and not is_final(EXECUTION_TRANSITIONS, new.status):
            new = self._final_record(uid, new) or new
        if new is not None and new is not old:
            new = run_logs.with_last_line(new)
        if new is not None and new is not old and new != old:
            changes.put(old, new)
        return new

    def _is_owner_local(self, job: Job) -> bool:
        """Whether the CronJob that a Job names as its owner is, or was, in the Job's namespace.

        Anybody may write any uid into the ownerReferences of a Job of theirs. An owner that neither the
        cluster nor the history shows is believed once all CronJobs are listed; until then the Job waits.
        """
        owner = cronjob_owner_of(job)
        uid = job.metadata.uid
        self._unknown_owners.discard(uid)
        if owner is None:
            return self._bare_jobs() > 0 and job_to_run.is_bare(job)
        known = self.cache.namespace_of_cronjob(owner.uid)
        if known is None:
            known = self._find_recorded_namespace(self.record_id_of(owner.uid))
        if known is None and not self.synced.is_set():
            self._unknown_owners.add(uid, owner.uid)
            return False
        return known in (None, job.metadata.namespace)

    def _find_recorded_namespace(self, cronjob_uid: str) -> str | None:
        """Return the namespace of a CronJob that has runs in the history; it never changes."""
        if cronjob_uid not in self._recorded_namespaces:
            runs = self._history.executions.newest(limit=1, cronjob_id=cronjob_uid).items
            if not runs:
                return None
            if len(self._recorded_namespaces) >= MOST_NAMESPACES:
                self._recorded_namespaces.clear()
            self._recorded_namespaces[cronjob_uid] = runs[0].namespace
        return self._recorded_namespaces[cronjob_uid]

    def _read_ahead(self, uids: Iterable[str]) -> None:
        """Read the records that `_find_record` will look for, all with one query."""
        self._history.executions.read_ahead(
            [record_id for uid in uids for record_id in (uid, qualify(uid, self.cluster.id))]
        )

    def _find_record(self, uid: str) -> tuple[str, CronJobExecution | None]:
        """Return the id and the record of a Job's run, see `job_to_run.job_uid`."""
        run = self._history.executions.get(uid)
        if run is not None and run.cluster == self.cluster.id:
            return uid, run
        # The other cluster's run may have expired before this one's.
        own_id = qualify(uid, self.cluster.id)
        own = self._history.executions.get(own_id)
        return (uid, None) if run is None and own is None else (own_id, own)

    def _owner_id_of(self, uid: str) -> str:
        """Return the id of an owner in records; what stands for the owner of a bare Job is an id already."""
        return uid if uid.startswith(subject_names.BARE_ID_PREFIX) else self.record_id_of(uid)

    def _reconcile_new_run(self, new: CronJobExecution, changes: RunChanges) -> CronJobExecution:
        """Remove the record that its slot was missed, and explain a run that began late."""
        if new.scheduled_at is None or new.trigger is not Trigger.SCHEDULED:
            return new
        changes.remove(missed_runs.slot_run_id(new.cluster, new.cronjob_id, new.scheduled_at))
        if not job_to_run.is_late(new):
            return new
        others = self._history.executions.newest(limit=5, cronjob_id=new.cronjob_id)
        return job_to_run.explain_late_run(new, others.items)

    def _final_record(self, uid: str, run: CronJobExecution) -> CronJobExecution | None:
        """Return the final record of a Job that was deleted; None while an Event may still explain it."""
        waited = self._event_waits.get(uid, False)
        record = deleted_job_rules.final_record(
            run, self._deletion_facts(uid, run), self._clock.now(), waited=waited
        )
        if record is not None:
            self._event_waits.pop(uid, None)
        elif uid not in self._event_waits:
            self._event_waits[uid] = False
            asyncio.get_running_loop().call_later(self._event_patience, self._end_event_wait, uid)
        return record

    def _deletion_facts(self, uid: str, run: CronJobExecution) -> DeletedJobFacts:
        cronjob = self.cache.cronjobs.get(CronJobRef.of(run))
        if cronjob is not None and cronjob.uid != run.cronjob_id:
            cronjob = None  # another CronJob of the same name
        return DeletedJobFacts(
            watched=uid in self.cache.deleted_jobs,
            replaces=cronjob is not None and cronjob.spec.concurrency_policy == "Replace",
            has_newer=self._has_newer_job(run),
            cronjob_exists=cronjob is not None or subject_names.job_of(run.cronjob) is not None,
            events=self.cache.events_about(run.namespace, run.cronjob_id),
        )

    def _end_event_wait(self, uid: str) -> None:
        if uid in self._event_waits:
            self._event_waits[uid] = True
            self._touch(uid)

    def _has_newer_job(self, run: CronJobExecution) -> bool:
        """Whether its CronJob has a younger Job: one that is recorded, or one that is not packed yet."""
        newest = self._history.executions.newest(limit=5, cronjob_id=run.cronjob_id, cluster=run.cluster)
        if any(other.job is not None and other.created_at > run.created_at for other in newest.items):
            return True
        return any(
            (owner := cronjob_owner_of(job)) is not None
            and self.record_id_of(owner.uid) == run.cronjob_id
            and job.metadata.namespace == run.namespace
            and (job.metadata.creation_timestamp or "") > f"{run.created_at:%Y-%m-%dT%H:%M:%SZ}"
            for job in self.cache.jobs.list_unpacked()
        )

    def _follow_up(self, uid: str, record: CronJobExecution | None) -> None:
        """Have the logs of ended containers copied; forget a deleted Job whose end is recorded."""
        job = self.cache.jobs.get(uid)
        deleted = uid in self.cache.deleted_jobs
        if job is None or record is None:
            if deleted and uid not in self._unknown_owners:
                self.cache.forget_job(uid)
            elif job is not None and (job.true_condition("Complete") or job.true_condition("Failed")):
                self.cache.pack_job(uid)
            return
        for pod in self.cache.pods_of(record.namespace, uid):
            if self.cache.pod_exists(pod):
                self.log_collector.collect_logs(record.id, pod)
        if is_final(EXECUTION_TRANSITIONS, record.status):
            self.log_collector.collect_artifacts(record.id, job)
            if deleted:
                self.cache.forget_job(uid)
            else:
                self.cache.pack_job(uid)

    async def _add_log(self, record_id: str, saved: KeptLog) -> None:
        run = self._history.executions.get(record_id)
        if run is None:
            return
        new = run_logs.with_log(run, saved)
        changes = RunChanges(self._history, self._bus)
        if new.message == run.message:
            changes.put_silently(new)
        else:
            changes.put(run, new)
        await changes.commit()
        for dropped in run_logs.list_dropped_logs(run, new):
            name = run_logs.log_name(dropped.pod, dropped.container, dropped.attempt)
            await self._history.logs.remove_one(run, name)

    async def adopt(self, manifest: JsonObject) -> CronJobExecution:
        """Record a Job that this daemon has just created, without waiting for the watch.

        Raises KronkeepError for a Job that no CronJob owns, and what History.commit raises.
        """
        job = convert_object(manifest, Job)
        self.cache.add_job(job)
        changes = RunChanges(self._history, self._bus)
        record = self._record(job.metadata.uid, changes)
        await changes.commit()
        if record is None:
            raise KronkeepError(f"The Job {job.metadata.name} has no CronJob.")
        return record
