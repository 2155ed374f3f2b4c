"""The Job controller: applies what the core plans, and removes finished Jobs whose time is over."""

from datetime import datetime, timedelta

from kronkeep_common.clock import Clock
from kronkeep_common.errors import KronkeepError
from kronkeep_daemon.embedded.controllers import job_plan as core
from kronkeep_daemon.embedded.controllers.event_recorder import Recorder
from kronkeep_daemon.embedded.controllers.object_cache import Mirrors, key_of
from kronkeep_daemon.embedded.controllers.object_fields import (
    TRACKING,
    controller_of,
    finished,
    moment,
    stamp,
)
from kronkeep_daemon.kube import paths
from kronkeep_daemon.kube.client import Cluster
from kronkeep_daemon.kube.errors import NotFoundInCluster
from kronkeep_daemon.kube.objects import JsonObject


class JobController:
    """Brings each Job's pods and status to what they should be."""

    def __init__(self, *, cluster: Cluster, mirrors: Mirrors, recorder: Recorder, clock: Clock) -> None:
        self._cluster = cluster
        self._mirrors = mirrors
        self._recorder = recorder
        self._clock = clock

    async def sync(self, namespace: str, name: str) -> float | None:
        """One look at a Job; returns the seconds after which to look again."""
        job = self._mirrors.jobs.get((namespace, name))
        if job is None:
            return None
        uid = job["metadata"]["uid"]
        pods = [p for p in self._mirrors.pods.all(namespace) if (controller_of(p) or {}).get("uid") == uid]
        plan = core.plan(job, pods, self._clock.now())
        for pod in plan.create:
            await self._create(job, pod)
        for pod in plan.discard:
            await self.release(pod)
            await self._delete(job, pod)
        for pod in plan.delete:
            await self._delete(job, pod)
        for status in plan.before:
            job = await self._write(job, status)
        for pod in plan.release:
            await self.release(pod)
        for status in plan.after:
            job = await self._write(job, status)
        for level, reason, message in plan.events:
            await self._recorder.tell("Job", job, level, reason, message)
        return plan.requeue

    async def _create(self, job: JsonObject, pod: JsonObject) -> None:
        try:
            made = await self._cluster.create(paths.pods(job["metadata"]["namespace"]), pod)
        except KronkeepError as fault:
            words = f"Error creating: {fault.message}"
            await self._recorder.tell("Job", job, "Warning", "FailedCreate", words)
            raise
        self._mirrors.pods.written(made)
        words = f"Created pod: {made['metadata']['name']}"
        await self._recorder.tell("Job", job, "Normal", "SuccessfulCreate", words)

    async def _delete(self, job: JsonObject, pod: JsonObject) -> None:
        await self._cluster.delete(paths.pods(*key_of(pod)), uid=pod["metadata"]["uid"])
        self._mirrors.pods.expect_deletion(pod, stamp(self._clock.now()))
        words = f"Deleted pod: {pod['metadata']['name']}"
        await self._recorder.tell("Job", job, "Normal", "SuccessfulDelete", words)

    async def release(self, pod: JsonObject) -> None:
        """Takes the finalizer by which a pod waits to be counted."""
        kept = [f for f in pod["metadata"].get("finalizers") or [] if f != TRACKING]
        body = {"metadata": {"uid": pod["metadata"]["uid"], "finalizers": kept or None}}
        try:
            self._mirrors.pods.written(await self._cluster.patch(paths.pods(*key_of(pod)), body))
        except NotFoundInCluster:
            self._mirrors.pods.drop(pod)

    async def _write(self, job: JsonObject, status: JsonObject) -> JsonObject:
        path = f"{paths.jobs(*key_of(job))}/status"
        try:
            new = await self._cluster.replace(path, {**job, "status": status})
        except NotFoundInCluster:
            self._mirrors.jobs.drop(job)
            raise
        self._mirrors.jobs.written(new)
        return new

    async def expire(self) -> None:
        """Deletes finished Jobs past ttlSecondsAfterFinished, their pods first."""
        now = self._clock.now()
        for job in self._mirrors.jobs.all():
            if not job["metadata"].get("deletionTimestamp") and _expired(job, now):
                uid = job["metadata"]["uid"]
                await self._cluster.delete(paths.jobs(*key_of(job)), uid=uid, propagation="Foreground")


def _expired(job: JsonObject, now: datetime) -> bool:
    seconds = job["spec"].get("ttlSecondsAfterFinished")
    if seconds is None or not finished(job):
        return False
    ended = moment(max(entry["lastTransitionTime"] for entry in job["status"]["conditions"]))
    return ended is not None and ended + timedelta(seconds=seconds) <= now
