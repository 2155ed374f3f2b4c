"""CronJobs and their executions: list, create, trigger, suspend, resume, delete, logs."""

import asyncio
import secrets
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial

import msgspec

from kronkeep_common.clock import Clock
from kronkeep_common.errors import (
    ConfirmationMissing,
    Conflict,
    CronJobNotFound,
    ExecutionNotFound,
    KronkeepError,
    NameTaken,
    Unavailable,
)
from kronkeep_common.models import CronJob, CronJobCreate, CronJobExecution, EnvVar
from kronkeep_common.name_rules import check_image, check_name
from kronkeep_common.schedule import Schedule
from kronkeep_common.states import EXECUTION_TRANSITIONS, ExecutionStatus, is_final
from kronkeep_common.text import clean
from kronkeep_daemon.cronjobs import cronjob_manifests, resume, spec_limits
from kronkeep_daemon.cronjobs.run_reader import RunReader
from kronkeep_daemon.cronjobs.run_recorder import Recorder
from kronkeep_daemon.events import Bus, CronJobChanged
from kronkeep_daemon.history import History
from kronkeep_daemon.kube import idempotent_create, paths
from kronkeep_daemon.kube.chosen import chosen
from kronkeep_daemon.kube.client import Cluster
from kronkeep_daemon.kube.clusters import Clusters
from kronkeep_daemon.kube.errors import AlreadyExists
from kronkeep_daemon.kube.job_state import moment
from kronkeep_daemon.kube.lease import Leaderships
from kronkeep_daemon.kube.objects import JsonObject
from kronkeep_daemon.kube.watch import WatchState
from kronkeep_daemon.settings import Settings
from kronkeep_daemon.supervisor import Supervisor

RECENT = 20
GOING = frozenset(s for s in ExecutionStatus if not is_final(EXECUTION_TRANSITIONS, s))


class CronJobService:
    """The base service over all clusters; `leads` says on which of them this daemon acts by itself."""

    def __init__(
        self,
        *,
        clusters: Clusters,
        recorders: Mapping[str, Recorder],
        leads: Leaderships,
        reader: RunReader,
        history: History,
        bus: Bus,
        clock: Clock,
        settings: Callable[[], Settings],
    ) -> None:
        self.clusters = clusters
        self.recorders = recorders
        self.leads = leads
        self.reader = reader
        self._history = history
        self._clock = clock
        self._settings = settings
        self._supervisor: Supervisor | None = None
        bus.subscribe(CronJobChanged, self._changed)

    def start(self, supervisor: Supervisor) -> None:
        """Starts watching."""
        self._supervisor = supervisor
        for leadership in self.leads:
            supervisor.start(f"lease {leadership.name}", leadership.run, death="restart")
        for recorder in self.recorders.values():
            recorder.start(supervisor)

    async def synced(self) -> None:
        """Returns once every collection has been listed."""
        for recorder in self.recorders.values():
            await recorder.synced.wait()

    async def some_synced(self) -> None:
        """Returns once the collections of one cluster have been listed: another may be away for long."""
        waits = [asyncio.ensure_future(recorder.synced.wait()) for recorder in self.recorders.values()]
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()

    def unknown(self) -> frozenset[str]:
        """The ids of the clusters that have not been listed yet."""
        return frozenset(i for i, recorder in self.recorders.items() if not recorder.synced.is_set())

    def acting(self) -> Iterator[tuple[str, JsonObject]]:
        """(cluster id, object) of every CronJob of the clusters on which this daemon acts now."""
        unknown = self.unknown()
        return (pair for pair in self.raws() if pair[0] not in unknown and self.leads.leads(pair[0]))

    async def release(self) -> None:
        """Lets another daemon act at once."""
        for leadership in self.leads:
            await leadership.release()

    def watch_states(self) -> list[WatchState]:
        """How fresh what is shown is."""
        return [state for recorder in self.recorders.values() for state in recorder.watches.states()]

    def find(self, namespace: str, name: str, cluster: str | None = None) -> tuple[Recorder, JsonObject]:
        """The CronJob and who records its cluster; raises CronJobNotFound, Conflict where several have it.

        A name alone is not enough either while a cluster that may have it too has not been listed; before
        that nobody can say that it is not there: raises Unavailable.
        """
        named = cluster or chosen()
        among = list(self.recorders.values())
        if named:
            among = [self.recorders[self.clusters.named(named).id]]
        found = [(r, raw) for r in among if (raw := r.seen.cronjobs.get((namespace, name))) is not None]
        title = f"{clean(namespace, 63)}/{clean(name, 63)}"
        if not found:
            raise _absent(title, among)
        if len(among) > 1:
            _sure(title, found, among)
        return found[0]

    def home(self, namespace: str, name: str) -> Cluster:
        """The cluster of a CronJob, or the one where a request would make it; raises what `find` raises."""
        try:
            return self.find(namespace, name)[0].cluster
        except (CronJobNotFound, Unavailable):
            return self.clusters.named()

    def raw(self, namespace: str, name: str, cluster: str | None = None) -> JsonObject:
        """The CronJob's Kubernetes object; raises what `find` raises."""
        return self.find(namespace, name, cluster)[1]

    def raw_of(self, cluster_id: str, namespace: str, name: str) -> JsonObject | None:
        """Return the Kubernetes object of a CronJob of one cluster, None where it is not known."""
        recorder = self.recorders.get(cluster_id)
        return recorder.seen.cronjobs.get((namespace, name)) if recorder else None

    def raws(self, namespace: str | None = None) -> Iterator[tuple[str, JsonObject]]:
        """(cluster id, object) of every CronJob, by namespace and name, each as it is at its turn."""
        for cluster_id, recorder in list(self.recorders.items()):
            known = recorder.seen.cronjobs
            for key in sorted(key for key in known if namespace in (None, key[0])):
                if key in known:
                    yield cluster_id, known[key]

    def view(self, cluster_id: str, raw: JsonObject) -> CronJob:
        """The CronJob as it is shown, with what the history knows of its runs."""
        meta = raw["metadata"]
        spec = raw["spec"]
        status = raw.get("status") or {}
        last, statuses = self._history.executions.recent(RECENT, cronjob_id=meta["uid"])
        schedule = self._schedule(spec)
        next_at = schedule.next(self._clock.now()) if schedule and not spec.get("suspend") else None
        pod = spec["jobTemplate"]["spec"]["template"]["spec"]
        standing = self.recorders[cluster_id].ledger.standing(meta["uid"])
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
            late_since=standing.late_since,
            delayed_since=standing.delayed_since,
            active=sum(status in GOING for status in statuses),
            recent=msgspec.convert(statuses[::-1], tuple[ExecutionStatus, ...]),
            last_execution_id=last.id if last else None,
            last_started_at=last.started_at if last else None,
            last_duration_seconds=last.duration_seconds if last else None,
            claims=cronjob_manifests.claims_of(raw),
        )

    def _schedule(self, spec: JsonObject) -> Schedule | None:
        try:
            zone = self._settings().controller_zone
            return Schedule.existing(spec.get("schedule", ""), spec.get("timeZone"), controller_zone=zone)
        except KronkeepError:
            return None

    def check(self, spec: CronJobCreate) -> None:
        """Raises InvalidName, InvalidImage, InvalidSchedule, InvalidTimeZone or Denied."""
        check_name(spec.name)
        check_image(spec.image)
        Schedule.parse(spec.schedule, spec.time_zone)
        self.check_bounds(cronjob_manifests.cronjob(spec.namespace, spec.name, spec, {}))

    def check_bounds(self, body: JsonObject) -> None:
        """Raises Denied for a CronJob that the settings do not let anybody make."""
        spec_limits.check(body, self._settings().allow)

    async def create(
        self, spec: CronJobCreate, *, annotations: dict[str, str] | None = None, dry_run: bool = False
    ) -> CronJob:
        """Creates a CronJob in one request; raises NameTaken and what `check` raises."""
        self.check(spec)
        body = cronjob_manifests.cronjob(spec.namespace, spec.name, spec, annotations or {})
        return await self.create_raw(body, dry_run=dry_run)

    async def create_raw(self, body: JsonObject, *, dry_run: bool = False) -> CronJob:
        """Creates a CronJob as Kubernetes writes it; raises Denied, NameTaken, InvalidObject."""
        self.check_bounds(body)
        meta = body["metadata"]
        cluster = self.clusters.named()
        try:
            raw = await self._created(cluster, paths.cronjobs(meta["namespace"]), body, dry_run)
        except AlreadyExists as fault:
            words = f"There is a CronJob {clean(meta['namespace'], 63)}/{clean(meta['name'], 63)} already."
            raise NameTaken(words, field="name") from fault
        if not dry_run:
            self._known(cluster.id, raw)
        return self.view(cluster.id, raw)

    async def _created(self, cluster: Cluster, path: str, body: JsonObject, dry_run: bool) -> JsonObject:
        if dry_run:
            return await cluster.create(path, body, dry_run=True)
        return await idempotent_create.create(cluster, path, body)

    def _known(self, cluster_id: str, raw: JsonObject) -> None:
        """Shows a change of ours at once; the watch brings it again."""
        self.recorders[cluster_id].seen.cronjob_event("MODIFIED", raw)

    async def patch(
        self,
        namespace: str,
        name: str,
        body: JsonObject,
        cluster: str | None = None,
        *,
        dry_run: bool = False,
    ) -> CronJob:
        """Merge-patches a CronJob; raises CronJobNotFound, InvalidObject."""
        connection = self.find(namespace, name, cluster)[0].cluster
        raw = await connection.patch(paths.cronjobs(namespace, name), body, dry_run=dry_run)
        if not dry_run:
            self._known(connection.id, raw)
        return self.view(connection.id, raw)

    async def trigger(
        self, namespace: str, name: str, *, env: Sequence[EnvVar] = (), key: str | None = None
    ) -> CronJobExecution:
        """Runs the CronJob now, once a `key`; the execution is recorded before this returns.

        A Job whose execution cannot be recorded is deleted again, and the reason raised.
        """
        recorder, cronjob = self.find(namespace, name)
        cluster = recorder.cluster
        job_name = f"{name[:43]}-manual-{key[:8] if key else secrets.token_hex(3)}"
        try:
            body = cronjob_manifests.manual_job(cronjob, job_name, env)
            job = await idempotent_create.create(cluster, paths.jobs(namespace), body)
        except AlreadyExists:
            if key is None:
                raise
            job = await cluster.get(paths.jobs(namespace, job_name))
        try:
            return await recorder.adopt(job)
        except KronkeepError:
            await cluster.delete(paths.jobs(namespace, job_name), uid=job["metadata"]["uid"])
            raise

    async def suspend(self, namespace: str, name: str, cluster: str | None = None) -> CronJob:
        """Stops new runs; those that are going on go on."""
        return await self.patch(namespace, name, {"spec": {"suspend": True}}, cluster)

    async def resume(self, namespace: str, name: str, cluster: str | None = None) -> CronJob:
        """Allows new runs, from the next slot on; what was missed meanwhile is not started."""
        raw = self.raw(namespace, name, cluster)
        slot = resume.missed(raw, self._schedule(raw["spec"]), self._clock.now())
        if slot is not None:
            await self._clock.sleep(resume.patience(slot, self._clock.now()))
        return await self.patch(namespace, name, resume.body(raw, slot, self._clock.now()), cluster)

    def _changed(self, event: CronJobChanged) -> None:
        if event.kind == "removed" or resume.given_back(event.raw) is None:
            return
        cluster = self.clusters.of(event.cluster)
        name = f"give back {event.cluster} {event.namespace}/{event.name}"
        if self._supervisor is not None and not self._supervisor.running(name):
            path = paths.cronjobs(event.namespace, event.name)
            self._supervisor.start(
                name, lambda: resume.give_back(event.raw, partial(cluster.patch, path)), death="quiet"
            )

    async def delete(self, namespace: str, name: str, *, confirm: str | None) -> None:
        """Deletes a CronJob and its Jobs; its history stays. Raises ConfirmationMissing."""
        recorder, raw = self.find(namespace, name)
        if confirm != name:
            words = f"Deleting {namespace}/{name} needs its name as confirmation."
            raise ConfirmationMissing(words, field="confirm")
        await recorder.cluster.delete(paths.cronjobs(namespace, name), uid=raw["metadata"]["uid"])

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
            await self.clusters.of(record.cluster).delete(path, uid=Recorder.uid_of(record))
        return self.execution(execution_id)


def _absent(title: str, among: list[Recorder]) -> KronkeepError:
    """That there is no such CronJob, where every cluster that may have it has been listed."""
    names = ", ".join(clean(r.cluster.name, 80) for r in among if not r.synced.is_set())
    if not names:
        return CronJobNotFound(f"There is no CronJob {title}.")
    return Unavailable(f"The CronJobs of {names} have not been listed yet, so {title} may be there.")


def _sure(title: str, found: list[tuple[Recorder, JsonObject]], among: list[Recorder]) -> None:
    """Raises Conflict where the name may mean another cluster's CronJob too."""
    having = [recorder for recorder, _ in found]
    unlisted = [r for r in among if r not in having and not r.synced.is_set()]
    if len(having) == 1 and not unlisted:
        return
    names = ", ".join(clean(recorder.cluster.name, 80) for recorder in [*having, *unlisted])
    words = f"The clusters {names} each have a CronJob {title}."
    if unlisted:
        words = f"Not all of the clusters {names} have been listed, so {title} may be on several."
    raise Conflict(words, next_step="Name one with ?cluster=NAME (on the command line --cluster NAME).")
