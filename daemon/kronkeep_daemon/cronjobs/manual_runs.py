"""Whether a CronJob may be run by hand now, beside the runs that go on."""

from datetime import datetime

from kronkeep_common.errors import AlreadyRuns
from kronkeep_common.states import EXECUTION_TRANSITIONS, ExecutionStatus, is_final
from kronkeep_common.text import clean, duration, short_id
from kronkeep_daemon.history import History
from kronkeep_daemon.kube.objects import CronJobObject

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
            lasting = (now - (run.started_at or run.created_at)).total_seconds()
            title = clean(f"{cronjob.namespace}/{cronjob.name}", 320)
            raise AlreadyRuns(
                f"The run {short_id(run.id)} of {title} has gone on for {duration(max(0.0, lasting))}, and its "
                f"concurrencyPolicy is {policy}.",
                run_id=run.id,
            )
