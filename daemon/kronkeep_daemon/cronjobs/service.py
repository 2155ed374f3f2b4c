"""CronJobs and their executions: list, create, trigger, suspend, resume, delete, logs."""

import secrets
from collections.abc import AsyncIterator, Callable, Sequence
from datetime import datetime, timedelta
from typing import Any

from kronkeep_common.clock import Clock
from kronkeep_common.errors import (
    ConfirmationMissing,
    CronJobNotFound,
    ExecutionNotFound,
    KronkeepError,
    LogNotFound,
    NameTaken,
)
from kronkeep_common.models import CronJob, CronJobCreate, CronJobExecution, EnvVar
from kronkeep_common.schedule import Schedule
from kronkeep_common.states import EXECUTION_TRANSITIONS, ExecutionStatus, is_final
from kronkeep_common.text import clean
from kronkeep_daemon.cronjobs import bounds, manifests
from kronkeep_daemon.cronjobs.recorder import Recorder
from kronkeep_daemon.events import Bus
from kronkeep_daemon.history import History
from kronkeep_daemon.kube import paths, sure
from kronkeep_daemon.kube.client import Cluster
from kronkeep_daemon.kube.errors import AlreadyExists, NotFoundInCluster
from kronkeep_daemon.kube.observe import moment
from kronkeep_daemon.kube.watch import WatchState
from kronkeep_daemon.settings import ClusterSettings, Settings
from kronkeep_daemon.supervisor import Supervisor

Object = dict[str, Any]
RECENT = 20


class CronJobService:
    """The base service over all clusters; requests go to the first unless a record names another."""

    def __init__(
        self,
        clusters: Sequence[tuple[Cluster, ClusterSettings]],
        history: History,
        bus: Bus,
        clock: Clock,
        settings: Callable[[], Settings],
    ) -> None:
        self._history = history
        self._clock = clock
        self._settings = settings
        self.recorders = {
            cluster.id: Recorder(cluster, history, bus, clock, configured.namespaces)
            for cluster, configured in clusters
        }
        self._first = clusters[0][0]

    def start(self, supervisor: Supervisor) -> None:
        """Starts watching."""
        for recorder in self.recorders.values():
            recorder.start(supervisor)

    async def synced(self) -> None:
        """Returns once every collection has been listed."""
        for recorder in self.recorders.values():
            await recorder.synced.wait()

    def watch_states(self) -> list[WatchState]:
        """How fresh what is shown is."""
        return [state for recorder in self.recorders.values() for state in recorder.states()]

    def cluster(self, cluster_id: str | None = None) -> Cluster:
        """The connection to a cluster; the first without an id."""
        return self.recorders[cluster_id or self._first.id].cluster

    def raw(self, namespace: str, name: str) -> Object:
        """The CronJob's Kubernetes object; raises CronJobNotFound."""
        for recorder in self.recorders.values():
            if (found := recorder.seen.cronjobs.get((namespace, name))) is not None:
                return found
        raise CronJobNotFound(f"There is no CronJob {clean(namespace, 63)}/{clean(name, 63)}.")

    def raws(self) -> list[tuple[str, Object]]:
        """(cluster id, object) of every CronJob."""
        return [
            (cluster_id, raw)
            for cluster_id, recorder in self.recorders.items()
            for _, raw in sorted(recorder.seen.cronjobs.items())
        ]

    def list(self, namespace: str | None = None) -> list[CronJob]:
        """Every CronJob, by namespace and name."""
        return [
            self.view(cluster_id, raw)
            for cluster_id, raw in self.raws()
            if namespace in (None, raw["metadata"]["namespace"])
        ]

    def get(self, namespace: str, name: str) -> CronJob:
        """One CronJob; raises CronJobNotFound."""
        raw = self.raw(namespace, name)
        found = next((c for c, r in self.raws() if r is raw), self._first.id)
        return self.view(found, raw)

    def view(self, cluster_id: str, raw: Object) -> CronJob:
        """The CronJob as it is shown, with what the history knows of its runs."""
        meta, spec, status = raw["metadata"], raw["spec"], raw.get("status") or {}
        page = self._history.executions.newest(limit=RECENT, cronjob_id=meta["uid"])
        last = page.items[0] if page.items else None
        schedule = self._schedule(spec)
        next_at = schedule.next(self._clock.now()) if schedule and not spec.get("suspend") else None
        pod = spec["jobTemplate"]["spec"]["template"]["spec"]
        return CronJob(
            id=meta["uid"],
            cluster=cluster_id,
            namespace=meta["namespace"],
            name=clean(meta["name"], 253),
            schedule=clean(spec.get("schedule", ""), 200),
            time_zone=spec.get("timeZone"),
            schedule_text=schedule.describe() if schedule else "never: the schedule cannot be read",
            image=clean((pod.get("containers") or [{}])[0].get("image", ""), 500),
            suspended=bool(spec.get("suspend")),
            created_at=moment(meta["creationTimestamp"]) or self._clock.now(),
            resource_version=meta.get("resourceVersion", ""),
            next_at=next_at,
            last_scheduled_at=moment(status.get("lastScheduleTime")),
            late_since=self._late(raw, schedule, page.items),
            active=sum(not is_final(EXECUTION_TRANSITIONS, e.status) for e in page.items),
            recent=tuple(e.status for e in reversed(page.items)),
            last_execution_id=last.id if last else None,
            last_started_at=last.started_at if last else None,
            last_duration_seconds=last.duration_seconds if last else None,
            claims=manifests.claims_of(raw),
        )

    def _schedule(self, spec: Object) -> Schedule | None:
        try:
            zone = self._settings().controller_zone
            return Schedule.existing(spec.get("schedule", ""), spec.get("timeZone"), controller_zone=zone)
        except KronkeepError:
            return None

    def _late(
        self, raw: Object, schedule: Schedule | None, recent: Sequence[CronJobExecution]
    ) -> datetime | None:
        """The newest due slot when no run of it has come within the grace, and none is still going."""
        if schedule is None or raw["spec"].get("suspend"):
            return None
        grace = timedelta(seconds=self._settings().late_after_seconds)
        slot = schedule.previous(self._clock.now() - grace)
        born = moment(raw["metadata"]["creationTimestamp"])
        if slot is None or born is None or slot <= born:
            return None
        for run in recent:
            if (run.scheduled_at and run.scheduled_at >= slot) or not is_final(
                EXECUTION_TRANSITIONS, run.status
            ):
                return None
        last = moment((raw.get("status") or {}).get("lastScheduleTime"))
        return None if last is not None and last >= slot else slot

    def check(self, spec: CronJobCreate) -> None:
        """Raises InvalidName, InvalidImage, InvalidSchedule, InvalidTimeZone or Denied."""
        manifests.check_name(spec.name)
        manifests.check_image(spec.image)
        Schedule.parse(spec.schedule, spec.time_zone)
        self.check_bounds(manifests.cronjob(spec.namespace, spec.name, spec, {}))

    def check_bounds(self, body: Object) -> None:
        """Raises Denied for a CronJob that the settings do not let anybody make."""
        bounds.check(body, self._settings().allow)

    async def create(
        self, spec: CronJobCreate, *, annotations: dict[str, str] | None = None, dry_run: bool = False
    ) -> CronJob:
        """Creates a CronJob in one request; raises NameTaken and what `check` raises."""
        self.check(spec)
        body = manifests.cronjob(spec.namespace, spec.name, spec, annotations or {})
        return await self.create_raw(body, dry_run=dry_run)

    async def create_raw(self, body: Object, *, dry_run: bool = False) -> CronJob:
        """Creates a CronJob as Kubernetes writes it; raises Denied, NameTaken, InvalidObject."""
        self.check_bounds(body)
        meta = body["metadata"]
        try:
            raw = await self._created(paths.cronjobs(meta["namespace"]), body, dry_run)
        except AlreadyExists as fault:
            words = f"There is a CronJob {clean(meta['namespace'], 63)}/{clean(meta['name'], 63)} already."
            raise NameTaken(words, field="name") from fault
        if not dry_run:
            self._known(raw)
        return self.view(self._first.id, raw)

    async def _created(self, path: str, body: Object, dry_run: bool) -> Object:
        if dry_run:
            return await self._first.create(path, body, dry_run=True)
        return await sure.create(self._first, path, body)

    def _known(self, raw: Object) -> None:
        """Shows a change of ours at once; the watch brings it again."""
        self.recorders[self._first.id].seen.cronjob_event("MODIFIED", raw)

    async def patch(self, namespace: str, name: str, body: Object, *, dry_run: bool = False) -> CronJob:
        """Merge-patches a CronJob; raises CronJobNotFound, InvalidObject."""
        self.raw(namespace, name)
        raw = await self._first.patch(paths.cronjobs(namespace, name), body, dry_run=dry_run)
        if not dry_run:
            self._known(raw)
        return self.view(self._first.id, raw)

    async def trigger(
        self, namespace: str, name: str, *, env: Sequence[EnvVar] = (), key: str | None = None
    ) -> CronJobExecution:
        """Runs the CronJob now, once a `key`; the execution is recorded before this returns.

        A Job whose execution cannot be recorded is deleted again, and the reason raised.
        """
        cronjob = self.raw(namespace, name)
        job_name = f"{name[:43]}-manual-{key[:8] if key else secrets.token_hex(3)}"
        try:
            body = manifests.manual_job(cronjob, job_name, env)
            job = await sure.create(self._first, paths.jobs(namespace), body)
        except AlreadyExists:
            if key is None:
                raise
            job = await self._first.get(paths.jobs(namespace, job_name))
        try:
            return await self.recorders[self._first.id].adopt(job)
        except KronkeepError:
            await self._first.delete(paths.jobs(namespace, job_name), uid=job["metadata"]["uid"])
            raise

    async def suspend(self, namespace: str, name: str) -> CronJob:
        """Stops new runs; those that are going on go on."""
        return await self.patch(namespace, name, {"spec": {"suspend": True}})

    async def resume(self, namespace: str, name: str) -> CronJob:
        """Allows new runs, from the next slot on.

        Kubernetes would start the newest slot missed meanwhile at once, and later at any change of the
        CronJob, unless startingDeadlineSeconds forbids it; so that is lowered below the slot's age.
        """
        spec = self.raw(namespace, name)["spec"]
        body: Object = {"suspend": False}
        schedule = self._schedule(spec)
        missed = schedule.previous(self._clock.now()) if schedule else None
        if missed is not None:
            age = int((self._clock.now() - missed).total_seconds())
            deadline = spec.get("startingDeadlineSeconds")
            if deadline is None or deadline >= age:
                body["startingDeadlineSeconds"] = max(0, age - 1)
        return await self.patch(namespace, name, {"spec": body})

    async def delete(self, namespace: str, name: str, *, confirm: str | None) -> None:
        """Deletes a CronJob and its Jobs; its history stays. Raises ConfirmationMissing."""
        raw = self.raw(namespace, name)
        if confirm != name:
            words = f"Deleting {namespace}/{name} needs its name as confirmation."
            raise ConfirmationMissing(words, field="confirm")
        await self._first.delete(paths.cronjobs(namespace, name), uid=raw["metadata"]["uid"])

    def recent(self, cronjob_id: str) -> Sequence[CronJobExecution]:
        """The newest runs of a CronJob."""
        return self._history.executions.newest(limit=RECENT, cronjob_id=cronjob_id).items

    def execution(self, execution_id: str) -> CronJobExecution:
        """One execution; raises ExecutionNotFound."""
        found = self._history.executions.get(execution_id)
        if found is None:
            raise ExecutionNotFound(f"There is no execution {clean(execution_id, 80)}.")
        return found

    async def cancel(self, execution_id: str) -> CronJobExecution:
        """Deletes the Job of a run that is going on; its record says so."""
        record = self.execution(execution_id)
        if record.job and not is_final(EXECUTION_TRANSITIONS, record.status):
            path = paths.jobs(record.namespace, record.job)
            await self.cluster(record.cluster).delete(path, uid=record.id)
        return self.execution(execution_id)

    async def log(self, execution_id: str, *, follow: bool = False) -> AsyncIterator[bytes]:
        """The log of a run, live while its pod is there, else as it was kept; raises LogNotFound."""
        record = self.execution(execution_id)
        if record.logs:
            for kept in record.logs:
                text = await self._history.logs.read(record.id, f"{kept.pod}.{kept.container}")
                if text is not None:
                    yield text
            return
        pods = list(self.recorders[record.cluster].seen.pods_of(record.id))
        for pod in pods:
            async for chunk in self._live(record, pod, follow):
                yield chunk
        if not pods:
            raise LogNotFound(f"No log of run {clean(execution_id, 80)} is kept, and no pod of it is there.")

    async def _live(self, record: CronJobExecution, pod: Object, follow: bool) -> AsyncIterator[bytes]:
        meta = pod["metadata"]
        follow = follow and record.status in (ExecutionStatus.PENDING, ExecutionStatus.RUNNING)
        for container in pod["spec"]["containers"]:
            try:
                chunks = self.cluster(record.cluster).log_chunks(
                    meta["namespace"], meta["name"], container["name"], follow=follow
                )
                async for chunk in chunks:
                    yield chunk
            except NotFoundInCluster as gone:
                raise LogNotFound(f"The pod {meta['name']} went before its log was read.") from gone
