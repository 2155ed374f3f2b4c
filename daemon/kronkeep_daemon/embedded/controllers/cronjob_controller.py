"""The CronJob controller: carries out what `cronjob_plan` plans."""

from kronkeep_common.clock import Clock
from kronkeep_common.errors import KronkeepError
from kronkeep_daemon.embedded.controllers.cached_collection import ClusterObjects
from kronkeep_daemon.embedded.controllers.cronjob_plan import add_active_job, jobs_of, plan_cronjob
from kronkeep_daemon.embedded.controllers.event_recorder import EventRecorder
from kronkeep_daemon.embedded.controllers.object_fields import (
    PlannedEvent,
    controller_of,
    end_of_job,
    is_deleting,
    uid_of,
)
from kronkeep_daemon.kube.errors import AlreadyExists
from kronkeep_daemon.kube.objects import JsonObject


class CronJobController:
    """The controller that creates Jobs when they are due, and maintains status and history of CronJobs."""

    def __init__(self, *, objects: ClusterObjects, recorder: EventRecorder, clock: Clock) -> None:
        self._cronjobs = objects.cronjobs
        self._jobs = objects.jobs
        self._recorder = recorder
        self._clock = clock

    async def sync(self, namespace: str, name: str) -> float | None:
        """Look at a CronJob once; return the seconds after which to look again."""
        cronjob = self._cronjobs.cache.get(namespace, name)
        if cronjob is None or is_deleting(cronjob):
            return None
        jobs = jobs_of(cronjob, self._jobs.cache.all(namespace))
        plan = plan_cronjob(cronjob, jobs, self._clock.now())
        for job in plan.delete:
            await self._jobs.delete(job)
        # The Job comes before the status: after a crash in between, the next sync finds the Job under the
        # slot's name (AlreadyExists) and adds it to the status. The other order would lose the slot.
        status = plan.status
        if plan.create is not None:
            status = add_active_job(status, await self._create_job(cronjob, plan.create))
        if status != (cronjob.get("status") or {}):
            await self._cronjobs.replace_status(cronjob, status)
        for event in plan.events:
            await self._recorder.record("CronJob", cronjob, event)
        return plan.requeue

    async def _create_job(self, cronjob: JsonObject, body: JsonObject) -> JsonObject | None:
        """Return the Job of a slot: a new one, or the one of an interrupted sync.

        None where that one has ended, or where its name belongs to another's Job.
        """
        namespace = cronjob["metadata"]["namespace"]
        try:
            return await self._jobs.create(namespace, body)
        except AlreadyExists:
            job = await self._jobs.fetch(namespace, body["metadata"]["name"])
            owner = controller_of(job) or {}
            if end_of_job(job) or owner.get("uid") != uid_of(cronjob):
                return None
            return job
        except KronkeepError as fault:
            event = PlannedEvent("Warning", "FailedCreate", f"Error creating job: {fault.message}")
            await self._recorder.record("CronJob", cronjob, event)
            raise
