"""Manual runs: the names of their Jobs, whose they are, and whether one may begin beside others."""

from datetime import datetime

from kronkeep_common import object_keys
from kronkeep_common.errors import AlreadyRuns
from kronkeep_common.states import EXECUTION_TRANSITIONS, ExecutionStatus, is_final
from kronkeep_common.text import clean, duration, short_id
from kronkeep_daemon.history import History
from kronkeep_daemon.history.record_ids import new_id
from kronkeep_daemon.kube.objects import CronJobObject, CronJobRef, JsonObject

_OPEN = [status for status in ExecutionStatus if not is_final(EXECUTION_TRANSITIONS, status)]


def require_idle(history: History, cronjob: CronJobObject, job_name: str, now: datetime) -> None:
    """Raise AlreadyRuns while another run than `job_name` goes on, beside which none is allowed.

    Kubernetes applies `concurrencyPolicy` to the runs of a schedule only (CronJobSpec).
    """
    policy = cronjob.spec.concurrency_policy
    if policy not in ("Forbid", "Replace"):
        return
    for status in _OPEN:
        for run in history.executions.newest(limit=1, cronjob_id=cronjob.uid, status=status).items:
            if run.job == job_name:  # the same request again
                continue
            lasting = duration(max(0.0, (now - (run.started_at or run.created_at)).total_seconds()))
            title = clean(f"{cronjob.namespace}/{cronjob.name}", 320)
            raise AlreadyRuns(
                f"The run {short_id(run.id)} of {title} has gone on for {lasting}, and its "
                f"concurrencyPolicy is {policy}.",
                run_id=run.id,
            )


def name_of_job(ref: CronJobRef, key: str | None) -> str:
    """Return the name of the Job of a request, the same for the same `key`."""
    return f"{ref.name[:43]}-manual-{(key or new_id())[:12]}"


def is_of_request(job: JsonObject, cronjob: CronJobObject, request: str | None) -> bool:
    """Whether a Job was created for the CronJob by that request; a name alone proves nothing."""
    meta = job["metadata"]
    owners = {owner.get("uid") for owner in meta.get("ownerReferences") or []}
    recorded = (meta.get("annotations") or {}).get(object_keys.REQUEST)
    return request is not None and recorded == request and cronjob.metadata.uid in owners
