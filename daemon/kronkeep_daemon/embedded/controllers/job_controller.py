"""The Job controller: carries out what `job_plan` plans, and deletes ended Jobs past their time to live."""

from datetime import datetime, timedelta

from kronkeep_common.clock import Clock
from kronkeep_common.errors import KronkeepError
from kronkeep_daemon.embedded.controllers.cached_collection import ClusterObjects
from kronkeep_daemon.embedded.controllers.event_recorder import EventRecorder
from kronkeep_daemon.embedded.controllers.job_plan import plan_job
from kronkeep_daemon.embedded.controllers.object_fields import (
    OWN_CONTROLLER,
    TRACKING_FINALIZER,
    PlannedEvent,
    controller_of,
    end_of_job,
    is_deleting,
    uid_of,
)
from kronkeep_daemon.kube.objects import JsonObject
from kronkeep_daemon.kube.timestamps import parse_timestamp


class JobController:
    """The controller that brings the pods and the status of Jobs to what they should be."""

    def __init__(self, *, objects: ClusterObjects, recorder: EventRecorder, clock: Clock) -> None:
        self._jobs = objects.jobs
        self._pods = objects.pods
        self._recorder = recorder
        self._clock = clock

    async def sync(self, namespace: str, name: str) -> float | None:
        """Look at a Job once; return the seconds after which to look again."""
        job = self._jobs.cache.get(namespace, name)
        if job is None or _is_managed_elsewhere(job):
            return None
        plan = plan_job(job, self._pods_of(job), self._clock.now())
        for pod in plan.create:
            await self._create_pod(job, pod)
        for pod in plan.discard:
            await self._pods.remove_finalizer(pod, TRACKING_FINALIZER)
            await self._delete_pod(job, pod)
        for pod in plan.delete:
            await self._delete_pod(job, pod)
        # A pod keeps its finalizer until the status lists it. After a crash in between it is listed again; it
        # can never disappear uncounted.
        if plan.status_before_release is not None:
            job = await self._jobs.replace_status(job, plan.status_before_release)
        for pod in plan.release:
            await self._pods.remove_finalizer(pod, TRACKING_FINALIZER)
        if plan.status_after_release is not None:
            job = await self._jobs.replace_status(job, plan.status_after_release)
        for event in plan.events:
            await self._recorder.record("Job", job, event)
        return plan.requeue

    def _pods_of(self, job: JsonObject) -> list[JsonObject]:
        pods = self._pods.cache.all(job["metadata"]["namespace"])
        return [pod for pod in pods if (controller_of(pod) or {}).get("uid") == uid_of(job)]

    async def _create_pod(self, job: JsonObject, body: JsonObject) -> None:
        try:
            pod = await self._pods.create(job["metadata"]["namespace"], body)
        except KronkeepError as fault:
            event = PlannedEvent("Warning", "FailedCreate", f"Error creating: {fault.message}")
            await self._recorder.record("Job", job, event)
            raise
        event = PlannedEvent("Normal", "SuccessfulCreate", f"Created pod: {pod['metadata']['name']}")
        await self._recorder.record("Job", job, event)

    async def _delete_pod(self, job: JsonObject, pod: JsonObject) -> None:
        await self._pods.delete(pod)
        event = PlannedEvent("Normal", "SuccessfulDelete", f"Deleted pod: {pod['metadata']['name']}")
        await self._recorder.record("Job", job, event)

    async def delete_expired(self) -> None:
        """Delete ended Jobs past ttlSecondsAfterFinished, their pods first."""
        now = self._clock.now()
        for job in self._jobs.cache.all():
            if not is_deleting(job) and _is_expired(job, now):
                await self._jobs.delete(job, propagation="Foreground")


def _is_managed_elsewhere(job: JsonObject) -> bool:
    """Whether managedBy leaves the Job to another controller, such as Kueue's (KEP-4368)."""
    return job["spec"].get("managedBy") not in (None, OWN_CONTROLLER)


def _is_expired(job: JsonObject, now: datetime) -> bool:
    seconds = job["spec"].get("ttlSecondsAfterFinished")
    if seconds is None or not end_of_job(job):
        return False
    end = parse_timestamp(max(entry["lastTransitionTime"] for entry in job["status"]["conditions"]))
    return end is not None and end + timedelta(seconds=seconds) <= now
