"""Why a restore failed, from the exit codes of its containers and what they printed; pure."""

from kronkeep_common.errors import KronkeepError
from kronkeep_common.models import Restore
from kronkeep_common.reasons import Reason
from kronkeep_common.text import clean
from kronkeep_daemon.jobs.outcome import ContainerResult, FinishedJob
from kronkeep_daemon.restic import output
from kronkeep_daemon.restic import restore as restic_restore
from kronkeep_daemon.restic.faults import Fault
from kronkeep_daemon.restores import move_script

REST_STAYS = "what it had written stays; the last file may be incomplete"
KILLED = 137  # 128 + SIGKILL
INTERRUPTED = Fault(
    Reason.INTERRUPTED,
    "The restore's pod was killed before it had ended, by its node or for its use of memory.",
    "Look at the node and at the memory limit in the settings (archive.limits); restore again.",
)


def with_rest(restore: Restore, fault: Fault) -> Fault:
    """Return a fault with what is left in the target of a restore that wrote to the files' final place."""
    is_begun = restore.restoring_at is not None or restore.attempt > 1
    if restore.purpose != "restore" or restore.overwrite or not is_begun:
        return fault
    rest = REST_STAYS if fault.reason != Reason.DIFFERENT else "what it had written stays"
    return fault._replace(message=f"{fault.message.rstrip('.')}; {rest}.")


def job_stays(job: str, fault: KronkeepError) -> str:
    """Return a warning about a Job that could not be removed; it has the deadline of its restore."""
    return f"Its Job {job} could not be removed, and ends at the restore's deadline: {fault.message}"


def still_suspended(restore: Restore, fault: KronkeepError) -> str:
    """Return a warning about a CronJob that was suspended for a restore and could not be resumed."""
    name = f"{restore.namespace}/{restore.cronjob}"
    return f"The CronJob {name} is still suspended (kronkeep resume {name}): {fault.message}"


def restore_containers(finished: FinishedJob) -> list[ContainerResult]:
    """Return the containers that ran `restic restore`."""
    return [container for container in finished.containers if container.name.startswith("restore")]


def explain_failure(finished: FinishedJob) -> Fault | None:
    """Return why the Job of a restore failed; None where every container did its work."""
    if finished.complete:
        return _explain_silence(finished)
    if finished.reason == Reason.DEADLINE_EXCEEDED:
        return Fault(
            Reason.DEADLINE_EXCEEDED, "The restore was stopped at its deadline.", "Give it a longer one."
        )
    if finished.reason == Reason.PODS_DISAGREE:
        return Fault(Reason.PODS_DISAGREE, finished.message, Reason.PODS_DISAGREE.next_step)
    failed = finished.first_failure
    if failed is None:
        message = clean(f"The Job failed: {finished.message or finished.reason}", 500)
        return Fault(Reason.JOB_FAILED, message, Reason.JOB_FAILED.next_step)
    return _explain_container(failed)


def _explain_silence(finished: FinishedJob) -> Fault | None:
    """Return a fault where restic ended well without the words that say that it compared the files."""
    containers = restore_containers(finished)
    if containers and all(restic_restore.parse_verified(c.text) is not None for c in containers):
        return None
    return Fault(
        Reason.NO_SUMMARY,
        "restic ended without an error but did not say that it had compared the files.",
        "Look at the target, and restore again.",
    )


def _explain_container(failed: ContainerResult) -> Fault:
    """Return why the first container that failed did so."""
    if failed.exit_code == KILLED and failed.name != "check":
        return INTERRUPTED
    if failed.name.startswith("restore"):
        return restic_restore.explain(failed.exit_code, failed.text)
    last_line = output.last_line(failed.text)
    if failed.name == "check":
        reason = Reason.CHECK_FAILED
        message = f"The drill's check command exited with {failed.exit_code}: {last_line}"
    elif failed.name in ("move", "recover"):
        return _explain_move(failed.exit_code, last_line)
    else:
        reason = Reason.LOOK_FAILED
        message = f"The restored files could not be read: {last_line}"
    return Fault(reason, message, reason.next_step)


def _explain_move(exit_code: int | None, last_line: str) -> Fault:
    """Return why files were not moved from their stage, and how the target is now."""
    reason = Reason.MOVE_FAILED
    if exit_code == move_script.NOT_PUT_BACK:
        return Fault(
            reason,
            f"The restored files could not be moved, nor what they replaced be put back: {last_line}",
            "What was replaced is in the target's folder .kronkeep-old-ID/replaced. Correct what the message "
            "names, then move it back by hand.",
        )
    rest = "nothing was changed" if exit_code == move_script.NOTHING_MOVED else "everything is as it was"
    message = f"The restored files could not be moved to their place; {rest}: {last_line}"
    return Fault(reason, message, reason.next_step)
