"""Turns what a cluster shows into durable records: each Job once, its end once, its log before the pod goes.

Watches only mark Jobs as touched. One task takes all that are touched, writes their records, commits once and
then tells the bus; so a burst of events costs one sync, and nothing is told before it is durable.
"""

import asyncio
import logging
from typing import Any

import msgspec

from kronkeep_common.clock import Clock
from kronkeep_common.errors import KronkeepError, ReadOnlyHistory
from kronkeep_common.models import CronJobExecution
from kronkeep_common.states import EXECUTION_TRANSITIONS, ExecutionStatus, is_final
from kronkeep_daemon.cronjobs import recording
from kronkeep_daemon.cronjobs.keeping import LogKeeper
from kronkeep_daemon.cronjobs.seen import Kind, Seen
from kronkeep_daemon.events import Bus, CronJobChanged, ExecutionChanged
from kronkeep_daemon.history import History
from kronkeep_daemon.kube import paths
from kronkeep_daemon.kube.client import Cluster
from kronkeep_daemon.kube.watch import ListWatch, WatchState
from kronkeep_daemon.supervisor import Supervisor

log = logging.getLogger(__name__)
Object = dict[str, Any]
FULL_DISK_PAUSE = 2.0
MOST = 100_000  # runs that have not ended


class Recorder:
    """Records one cluster."""

    def __init__(
        self, cluster: Cluster, history: History, bus: Bus, clock: Clock, namespaces: tuple[str, ...] = ()
    ) -> None:
        self.cluster = cluster
        self._history = history
        self._bus = bus
        self._clock = clock
        self._namespaces: list[str | None] = list(namespaces) or [None]
        self._touched: dict[str, bool] = {}
        self._wake = asyncio.Event()
        self.seen = Seen(self._touch, self._turn)
        self._keeper = LogKeeper(cluster, history, self._log_kept)
        self._watches: list[ListWatch] = []
        self.synced = asyncio.Event()
        self._unsynced = 0

    def start(self, supervisor: Supervisor) -> None:
        """Starts watches, the writer and the log keeper as tasks of the supervisor."""
        seen, selector = self.seen, {"labelSelector": "batch.kubernetes.io/job-name"}
        for namespace in self._namespaces:
            self._watch(supervisor, paths.cronjobs(namespace), seen.sync_cronjobs, seen.cronjob_event, {})
            self._watch(supervisor, paths.pods(namespace), seen.sync_pods, seen.pod_event, selector)
            self._watch(supervisor, paths.jobs(namespace), seen.sync_jobs, seen.job_event, {})
        supervisor.start(f"recorder {self.cluster.name}", self._write_forever, death="restart")
        self._keeper.start(supervisor)

    def _watch(
        self, supervisor: Supervisor, path: str, sync: Any, event: Any, params: dict[str, str]
    ) -> None:
        self._unsynced += 1
        first = [True]

        def synced(items: list[Object]) -> None:
            sync(items)
            if first[0]:
                first[0] = False
                self._first_list()

        watch = ListWatch(
            self.cluster, path, on_sync=synced, on_event=event, clock=self._clock, params=params
        )
        self._watches.append(watch)
        supervisor.start(f"watch {self.cluster.name} {path}", watch.run, death="restart")

    def _first_list(self) -> None:
        self._unsynced -= 1
        if self._unsynced == 0:
            self._while_away()
            self.synced.set()

    def states(self) -> list[WatchState]:
        """How fresh each watch is."""
        return [watch.state for watch in self._watches]

    def _while_away(self) -> None:
        """Records that are not final and whose Job is no longer there: it went while nobody watched."""
        for status in ExecutionStatus:
            if not is_final(EXECUTION_TRANSITIONS, status):
                page = self._history.executions.newest(limit=MOST, cluster=self.cluster.id, status=status)
                for record in page.items:
                    if record.job is not None and record.id not in self.seen.jobs:
                        self._touch(record.id, False)

    def _touch(self, uid: str, watched: bool) -> None:
        self._touched[uid] = self._touched.get(uid, True) and watched
        self._wake.set()

    def _turn(self, kind: Kind, raw: Object) -> None:
        meta = raw["metadata"]
        self._bus.publish(
            CronJobChanged(
                cluster=self.cluster.id, namespace=meta["namespace"], name=meta["name"], kind=kind, raw=raw
            )
        )

    async def _write_forever(self) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            touched, self._touched = self._touched, {}
            try:
                await self._write(touched)
            except ReadOnlyHistory as full:
                log.error("recording waits: %s", full)
                self._touched = touched | self._touched
                await self._clock.sleep(FULL_DISK_PAUSE)
                self._wake.set()

    async def _write(self, touched: dict[str, bool]) -> None:
        changed: list[ExecutionChanged] = []
        for uid, watched in touched.items():
            try:
                self._record(uid, watched, changed)
            except (KeyError, TypeError, ValueError, msgspec.ValidationError):
                log.exception("the Job %s cannot be read; it is passed over", uid)
        if changed:
            await self._history.commit()
        for event in changed:
            self._bus.publish(event)
        for uid in touched:
            self._after(uid)

    def _record(self, uid: str, watched: bool, changed: list[ExecutionChanged]) -> None:
        old = self._history.executions.get(uid)
        job = self.seen.jobs.get(uid)
        new = recording.record(self.cluster.id, job, self.seen.pods_of(uid), old) if job is not None else old
        gone = job is None or job["metadata"].get("deleted")
        if new is not None and gone and not is_final(EXECUTION_TRANSITIONS, new.status):
            replaced = job is not None and self._replaced(job)
            new = recording.vanished(new, self._clock.now(), replaced=replaced, watched=watched)
        if new is not None and new is not old:
            self._history.executions.put(new)
            changed.append(ExecutionChanged(old, new))

    def _replaced(self, job: Object) -> bool:
        """Whether the CronJob's policy is Replace and a newer Job of it is there."""
        owner = recording.owner_of(job)
        if owner is None:
            return False
        cronjob = self.seen.cronjobs.get((job["metadata"]["namespace"], owner["name"]))
        if cronjob is None or cronjob["spec"].get("concurrencyPolicy") != "Replace":
            return False
        born = job["metadata"]["creationTimestamp"]
        others = (
            j for j in self.seen.jobs.values() if (recording.owner_of(j) or {}).get("uid") == owner["uid"]
        )
        return any(other["metadata"]["creationTimestamp"] > born for other in others)

    def _after(self, uid: str) -> None:
        job = self.seen.jobs.get(uid)
        if job is None or recording.owner_of(job) is None:
            return
        for pod in self.seen.pods_of(uid):
            self._keeper.look(uid, pod)
        if job["metadata"].get("deleted"):
            self.seen.forget_job(uid)

    async def _log_kept(self, uid: str, kept: Any) -> None:
        record = self._history.executions.get(uid)
        if record is None:
            return
        others = tuple(log for log in record.logs if (log.pod, log.container) != (kept.pod, kept.container))
        self._history.executions.put(msgspec.structs.replace(record, logs=(*others, kept)))
        await self._history.commit()

    async def adopt(self, job: Object) -> CronJobExecution:
        """Records a Job that we have just created, before the watch tells of it."""
        uid = job["metadata"]["uid"]
        self.seen.jobs.setdefault(uid, job)
        changed: list[ExecutionChanged] = []
        self._record(uid, True, changed)
        await self._history.commit()
        for event in changed:
            self._bus.publish(event)
        record = self._history.executions.get(uid)
        if record is None:
            raise KronkeepError(f"The Job {job['metadata']['name']} has no CronJob.")
        return record
