"""How a restore ended, from what its containers said and their exit codes; pure."""

from kronkeep_common.reasons import Reason
from kronkeep_common.text import clean
from kronkeep_daemon.jobs.outcome import ContainerResult, FinishedJob
from kronkeep_daemon.restic import output, restore
from kronkeep_daemon.restic.faults import Fault

KILLED = 137
INTERRUPTED = Fault(
    Reason.INTERRUPTED,
    "The restore's pod was killed before it had ended, by its node or for its use of memory.",
    "Look at the node and at the memory limit in the settings (archive.limits); restore again.",
)


def restores(ended: FinishedJob) -> list[ContainerResult]:
    """The containers that restored."""
    return [step for step in ended.containers if step.name.startswith("restore")]


def verified_files(ended: FinishedJob) -> int:
    """How many files restic compared in all."""
    return sum(restore.parse_verified(step.text) or 0 for step in restores(ended))


def fault(ended: FinishedJob) -> Fault | None:
    """Why the Job of a restore failed; None when all its containers did what they should."""
    if ended.complete:
        calls = restores(ended)
        if not calls or any(restore.parse_verified(step.text) is None for step in calls):
            words = "restic ended without an error but did not say that it had compared the files."
            return Fault(Reason.NO_SUMMARY, words, "Look at the target, and restore again.")
        return None
    if ended.reason == Reason.DEADLINE_EXCEEDED:
        return Fault(
            Reason.DEADLINE_EXCEEDED, "The restore was stopped at its deadline.", "Give it a longer one."
        )
    failed = ended.first_failure
    if failed is None:
        words = clean(f"The Job failed: {ended.message or ended.reason}", 500)
        return Fault(Reason.JOB_FAILED, words, Reason.JOB_FAILED.next_step)
    if failed.exit_code == KILLED and failed.name != "check":
        return INTERRUPTED
    if failed.name == "check":
        words = f"The drill's check command exited with {failed.exit_code}: {output.last_line(failed.text)}"
        return Fault(Reason.CHECK_FAILED, words, Reason.CHECK_FAILED.next_step)
    if failed.name.startswith("move"):
        words = f"What was restored could not take its place: {output.last_line(failed.text)}"
        return Fault(Reason.MOVE_FAILED, words, Reason.MOVE_FAILED.next_step)
    if not failed.name.startswith("restore"):
        words = f"What was restored could not be looked at: {output.last_line(failed.text)}"
        return Fault(Reason.LOOK_FAILED, words, Reason.LOOK_FAILED.next_step)
    return restore.explain(failed.exit_code, failed.text)
