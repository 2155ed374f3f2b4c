"""The CronJob controller: applies what the core plans."""

from kronkeep_common.clock import Clock
from kronkeep_common.errors import KronkeepError
from kronkeep_daemon.embedded.controllers import cronjob_plan as core
from kronkeep_daemon.embedded.controllers.event_recorder import Recorder
from kronkeep_daemon.embedded.controllers.object_cache import Mirrors, key_of
from kronkeep_daemon.embedded.controllers.object_fields import controller_of, finished, stamp
from kronkeep_daemon.kube import paths
from kronkeep_daemon.kube.client import Cluster
from kronkeep_daemon.kube.errors import AlreadyExists
from kronkeep_daemon.kube.objects import JsonObject


class CronJobController:
    """Starts each CronJob's Jobs when they are due, and keeps its status and history."""

    def __init__(self, *, cluster: Cluster, mirrors: Mirrors, recorder: Recorder, clock: Clock) -> None:
        self._cluster = cluster
        self._mirrors = mirrors
        self._recorder = recorder
        self._clock = clock

    async def sync(self, namespace: str, name: str) -> float | None:
        """One look at a CronJob; returns the seconds after which to look again."""
        cronjob = self._mirrors.cronjobs.get((namespace, name))
        if cronjob is None or cronjob["metadata"].get("deletionTimestamp"):
            return None
        jobs = core.controlled(cronjob, self._mirrors.jobs.all(namespace))
        plan = core.plan(cronjob, jobs, self._clock.now())
        for job in plan.delete:
            await self._cluster.delete(paths.jobs(*key_of(job)), uid=job["metadata"]["uid"])
            self._mirrors.jobs.expect_deletion(job, stamp(self._clock.now()))
        status = plan.status
        if plan.create is not None:
            status = core.with_active(status, await self._start(cronjob, plan.create))
        if status != (cronjob.get("status") or {}):
            path = f"{paths.cronjobs(namespace, name)}/status"
            new = await self._cluster.replace(path, {**cronjob, "status": status})
            self._mirrors.cronjobs.written(new)
        for level, reason, message in plan.events:
            await self._recorder.tell("CronJob", cronjob, level, reason, message)
        return plan.requeue

    async def _start(self, cronjob: JsonObject, wanted: JsonObject) -> JsonObject | None:
        """The slot's Job: a new one, or the one that an interrupted look has made; None when it has ended, or
        when its name was taken by another's."""
        namespace = cronjob["metadata"]["namespace"]
        try:
            job = await self._cluster.create(paths.jobs(namespace), wanted)
        except AlreadyExists:
            job = await self._cluster.get(paths.jobs(namespace, wanted["metadata"]["name"]))
            owner = controller_of(job) or {}
            if finished(job) or owner.get("uid") != cronjob["metadata"]["uid"]:
                return None
        except KronkeepError as fault:
            words = f"Error creating job: {fault.message}"
            await self._recorder.tell("CronJob", cronjob, "Warning", "FailedCreate", words)
            raise
        self._mirrors.jobs.written(job)
        return job
