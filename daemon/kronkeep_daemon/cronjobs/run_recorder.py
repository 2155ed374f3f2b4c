"""Turns what a cluster shows into durable records: each Job once, its end once, its log before the pod goes.

Watches only mark Jobs as touched. One task takes all that are touched, writes their records, commits once and
then tells the bus; so a burst of events costs one sync, and nothing is told before it is durable.
"""

import asyncio
import logging
from collections.abc import Callable, Iterable
from datetime import timedelta
from itertools import islice

import msgspec

from kronkeep_common.clock import Clock
from kronkeep_common.errors import KronkeepError, ReadOnlyHistory
from kronkeep_common.models import CronJobExecution, KeptLog
from kronkeep_common.states import EXECUTION_TRANSITIONS, ExecutionStatus, Trigger, is_final
from kronkeep_daemon.cronjobs import deleted_jobs, job_to_run, log_collector, missed_runs
from kronkeep_daemon.cronjobs.cluster_cache import ChangeKind, ClusterCache
from kronkeep_daemon.cronjobs.cluster_watch import ClusterWatches
from kronkeep_daemon.cronjobs.slot_tracker import TICK_SECONDS, SlotTracker
from kronkeep_daemon.events import Bus, CronJobChanged, ExecutionChanged
from kronkeep_daemon.history import History
from kronkeep_daemon.kube.client import Cluster
from kronkeep_daemon.kube.objects import (
    CronJobObject,
    CronJobRef,
    Job,
    JsonObject,
    convert_object,
    cronjob_owner_of,
)
from kronkeep_daemon.supervisor import Supervisor

log = logging.getLogger(__name__)
FULL_DISK_PAUSE = 2.0
BREATH = 0.001
LONGEST_BREATH = 0.05  # after a write, for each of its Jobs: a burst shares the next one
PATIENCE = 3.0  # for what may still be told of a Job that has gone
SLICE = 1000  # Jobs written at once: a first list of many costs no more memory than that
MOST = 100_000  # runs that have not ended


class RunRecorder:
    """Records one cluster."""

    def __init__(
        self,
        *,
        cluster: Cluster,
        history: History,
        bus: Bus,
        clock: Clock,
        namespaces: tuple[str, ...] = (),
        grace: Callable[[], timedelta] = lambda: timedelta(seconds=120),
        controller_zone: Callable[[], str] = lambda: "UTC",
        patience: float = PATIENCE,
        told: Callable[[], None] = lambda: None,
    ) -> None:
        self.cluster = cluster
        self._synced_told = told
        self._history = history
        self._bus = bus
        self._clock = clock
        self._patience = patience
        self._touched: dict[str, None] = {}
        self._wake = asyncio.Event()
        self._idle = asyncio.Event()
        self._waiting: dict[str, bool] = {}
        self.cache = ClusterCache(self._touch, self._turn)
        self.log_collector = log_collector.LogCollector(cluster=cluster, history=history, kept=self._log_kept)
        self.watches = ClusterWatches(cluster=cluster, seen=self.cache, clock=clock, namespaces=namespaces)
        self.synced = asyncio.Event()
        self.slot_tracker = SlotTracker(
            cluster_id=cluster.id,
            seen=self.cache,
            history=history,
            bus=bus,
            clock=clock,
            live=self.watches.is_live,
            grace=grace,
            controller_zone=controller_zone,
        )

    def start(self, supervisor: Supervisor) -> None:
        """Starts watches, the writer, the account of slots and the log keeper as tasks of the supervisor."""
        self.watches.start(supervisor, self._first_list)
        supervisor.start(f"recorder {self.cluster.name}", self._write_forever, death="restart")
        supervisor.start(f"slots {self.cluster.name}", self._account_forever, death="restart")
        self.log_collector.start(supervisor)

    def _first_list(self) -> None:
        self._while_away()
        self.synced.set()
        self._synced_told()
        self._wake.set()

    def _while_away(self) -> None:
        """Records that are not final and whose Job is no longer there: it went while nobody watched."""
        for status in ExecutionStatus:
            if not is_final(EXECUTION_TRANSITIONS, status):
                page = self._history.executions.newest(limit=MOST, cluster=self.cluster.id, status=status)
                for record in page.items:
                    if record.job is not None and self.job_uid(record) not in self.cache.jobs:
                        self._touch(self.job_uid(record))

    def _kept(self, uid: str) -> tuple[str, CronJobExecution | None]:
        """A Job's id and record: its uid, unless a cluster made of another's etcd has a Job of the same."""
        found = self._history.executions.get(uid)
        if found is None or found.cluster == self.cluster.id:
            return uid, found
        own = f"{uid}@{self.cluster.id}"
        return own, self._history.executions.get(own)

    @staticmethod
    def job_uid(record: CronJobExecution) -> str:
        """The uid of a record's Job."""
        return record.id.partition("@")[0]

    def _touch(self, uid: str) -> None:
        self._touched[uid] = None
        self._idle.clear()
        self._wake.set()

    def _turn(self, kind: ChangeKind, cronjob: CronJobObject) -> None:
        self._bus.publish(CronJobChanged(kind, cronjob))

    async def _write_forever(self) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            touched = list(islice(self._touched, SLICE))
            self._touched = dict.fromkeys(islice(self._touched, SLICE, None))
            try:
                await self._write(touched)
            except ReadOnlyHistory as full:
                log.error("recording waits: %s", full)
                self._touched = dict.fromkeys(touched) | self._touched
                await self._clock.sleep(FULL_DISK_PAUSE)
                self._wake.set()
            if self._touched:
                self._wake.set()
                continue
            self._idle.set()
            await asyncio.sleep(min(BREATH * len(touched), LONGEST_BREATH))

    async def _account_forever(self) -> None:
        """Judges slots only after every Job that was seen is recorded."""
        await self.synced.wait()
        await self.watches.wait_for_events(self._patience)
        while True:
            await self._idle.wait()
            await self.slot_tracker.update()
            await self._clock.sleep(TICK_SECONDS)

    async def _write(self, touched: Iterable[str]) -> None:
        changed: list[ExecutionChanged] = []
        records: dict[str, CronJobExecution | None] = dict.fromkeys(touched)
        for uid in touched:
            try:
                records[uid] = self._record(uid, changed)
            except (KeyError, TypeError, ValueError, msgspec.ValidationError):
                log.exception("the Job %s cannot be read; it is passed over", uid)
        if changed:
            await self._history.commit()
        for event in changed:
            self._bus.publish(event)
        for uid, record in records.items():
            self._after(uid, record)

    def _record(self, uid: str, changed: list[ExecutionChanged]) -> CronJobExecution | None:
        """The record of a Job as of now; one that is not as it was kept is put and added to `changed`."""
        record_id, old = self._kept(uid)
        job = self.cache.jobs.get(uid)
        new = old
        if job is not None:
            pods = self.cache.pods_of(uid)
            told = self.cache.events
            new = job_to_run.run_of_job(
                cluster=self.cluster.id, record_id=record_id, job=job, pods=pods, told=told, old=old
            )
        if new is not None and old is None:
            new = self._met(new)
        gone = job is None or uid in self.cache.deleted_jobs
        if new is not None and gone and not is_final(EXECUTION_TRANSITIONS, new.status):
            new = self._vanished(uid, new) or new
        if new is not None and new is not old:
            self._history.executions.put(new)
            changed.append(ExecutionChanged(old, new))
        return new

    def _met(self, new: CronJobExecution) -> CronJobExecution:
        """A run seen for the first time: its slot was not missed after all, and it may be a late one."""
        if new.scheduled_at is not None and new.trigger is Trigger.SCHEDULED:
            self._history.executions.remove(missed_runs.slot_run_id(new.cronjob_id, new.scheduled_at))
            if job_to_run.is_late(new):
                page = self._history.executions.newest(limit=5, cronjob_id=new.cronjob_id)
                return job_to_run.explain_late_run(new, page.items)
        return new

    def _vanished(self, uid: str, run: CronJobExecution) -> CronJobExecution | None:
        """The end of a Job that went without one; None when more may be told within the patience."""
        cronjob = self.cache.cronjobs.get(CronJobRef.of(run))
        there = cronjob is not None and cronjob.uid == run.cronjob_id
        facts = deleted_jobs.DeletedJobFacts(
            watched=uid in self.cache.deleted_jobs,
            replaces=cronjob is not None and there and cronjob.spec.concurrency_policy == "Replace",
            newer=self._newer(run),
            cronjob_there=there,
            told=self.cache.events_about(run.cronjob_id),
        )
        found = deleted_jobs.final_record(run, facts, self._clock.now(), waited=self._waiting.get(uid, False))
        if found is not None:
            self._waiting.pop(uid, None)
        elif uid not in self._waiting:
            self._waiting[uid] = False
            asyncio.get_running_loop().call_later(self._patience, self._waited_for, uid)
        return found

    def _waited_for(self, uid: str) -> None:
        if uid in self._waiting:
            self._waiting[uid] = True
            self._touch(uid)

    def _newer(self, run: CronJobExecution) -> bool:
        """Whether a later Job of the same CronJob is there."""
        return any(
            (owner := cronjob_owner_of(job)) is not None
            and owner.uid == run.cronjob_id
            and (job.metadata.creation_timestamp or "") > f"{run.created_at:%Y-%m-%dT%H:%M:%SZ}"
            for job in self.cache.jobs.values()
        )

    def _after(self, uid: str, record: CronJobExecution | None) -> None:
        """Copies the logs of what has ended; forgets a Job that is gone and whose end is recorded."""
        job = self.cache.jobs.get(uid)
        if job is None or cronjob_owner_of(job) is None:
            if uid in self.cache.deleted_jobs:
                self.cache.forget_job(uid)
            return
        if record is None:
            return
        for pod in self.cache.pods_of(uid):
            if self.cache.pod_exists(pod):
                self.log_collector.collect_logs(record.id, pod)
        over = is_final(EXECUTION_TRANSITIONS, record.status)
        if over:
            self.log_collector.collect_artifacts(record.id, job)
        if uid in self.cache.deleted_jobs and over:
            self.cache.forget_job(uid)

    async def _log_kept(self, record_id: str, kept: KeptLog) -> None:
        record = self._history.executions.get(record_id)
        if record is None:
            return
        new = log_collector.with_log(record, kept)
        self._history.executions.put(new)
        await self._history.commit()

    async def adopt(self, job: JsonObject) -> CronJobExecution:
        """Records a Job that we have just created, before the watch tells of it."""
        seen = convert_object(job, Job)
        uid = seen.metadata.uid
        self.cache.jobs.setdefault(uid, seen)
        changed: list[ExecutionChanged] = []
        record = self._record(uid, changed)
        await self._history.commit()
        for event in changed:
            self._bus.publish(event)
        if record is None:
            raise KronkeepError(f"The Job {seen.metadata.name} has no CronJob.")
        return record
