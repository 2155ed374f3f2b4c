"""How an archive ended, judged from the containers of its Job; pure.

The dump comes first, the files last: a dump that fails ends the pod with nothing archived, and files of which
some cannot be read still have their dump beside them.
"""

import msgspec

from kronkeep_common.errors import KronkeepError
from kronkeep_common.models import BackupExecution, BackupResult
from kronkeep_common.reasons import Reason
from kronkeep_common.states import BackupStatus
from kronkeep_common.text import clean
from kronkeep_daemon.backups import socket_search
from kronkeep_daemon.jobs.outcome import ContainerResult, FinishedJob
from kronkeep_daemon.repositories import reconciliation
from kronkeep_daemon.restic import backup as restic_backup
from kronkeep_daemon.restic import faults, first_byte, output, snapshots
from kronkeep_daemon.restic import version as restic_version
from kronkeep_daemon.restic.backup import BackupOutcome
from kronkeep_daemon.restic.faults import Fault
from kronkeep_daemon.restic.snapshots import ListedSnapshot

# restic 0.19.1 ends with 130, as if it had been interrupted, when the command of a dump fails (measured).
_COMMAND_FAILED = (b"command failed", b"failed to start command")
_KILLED = (137, 143)  # exit codes after SIGKILL and SIGTERM
_DEADLINE = Fault(
    Reason.DEADLINE_EXCEEDED,
    "The archive was stopped at its deadline.",
    "Raise the policy's deadline_seconds.",
)
_LOST_NEXT_STEP = "It is tried again where retries are left."


def judge_job(finished: FinishedJob) -> BackupOutcome:
    """Return the outcome of an archive's Job, with what the first archive of a policy tells besides.

    The first container that failed gives the reason; a dump that succeeded stays in the result of a failed
    archive, until it is tried again.
    """
    outcome = _judge_containers(finished)
    search = finished.container(socket_search.STEP)
    if search is None or outcome.result is None:
        return outcome
    return outcome._replace(warnings=(*outcome.warnings, *socket_search.warnings_of(search.log)))


def with_first_byte(outcome: BackupOutcome, finished: FinishedJob) -> BackupOutcome:
    """Return the outcome with the time that passed before restic read the first file, where that is known.

    It is not where a dump was made between the opening of the repository and the files.
    """
    opening = finished.container("repository") or finished.container("sources")
    files = finished.container("backup")
    if outcome.result is None or opening is None or files is None or finished.container("database"):
        return outcome
    seconds = first_byte.measure(opening.log, files.log)
    result = msgspec.structs.replace(outcome.result, first_byte_seconds=seconds)
    return outcome._replace(result=result)


def _judge_containers(finished: FinishedJob) -> BackupOutcome:
    if finished.reason == Reason.DEADLINE_EXCEEDED:
        return restic_backup.failure(_DEADLINE)
    if finished.reason == Reason.PODS_DISAGREE:
        return outcome_of_lost(Reason.PODS_DISAGREE, finished.message)
    probe = finished.container("version")
    version = str(restic_version.parse(probe.log)) if probe else ""
    dump = finished.container("database")
    dump_outcome = _judge_container(dump, version)
    if dump is not None and (dump_outcome is None or dump_outcome.status is not BackupStatus.SUCCEEDED):
        return _judge_dump(dump_outcome, dump) if dump_outcome is not None else _judge_unfinished(finished)
    files = finished.container("backup")
    if files is None:
        return dump_outcome or _judge_unfinished(finished)
    outcome = _judge_container(files, version) or _judge_unfinished(finished)
    if dump_outcome is None or dump_outcome.result is None:
        return outcome
    if outcome.result is None:
        return outcome._replace(result=dump_outcome.result)
    return outcome._replace(result=restic_backup.add_results(outcome.result, dump_outcome.result))


def _judge_container(container: ContainerResult | None, version: str) -> BackupOutcome | None:
    """Return the outcome of a `restic backup` that ended; None for one that never ran or was killed."""
    if container is None or container.exit_code is None or container.exit_code in _KILLED:
        return None
    return restic_backup.judge(container.exit_code, container.log, version)


def _judge_dump(outcome: BackupOutcome, dump: ContainerResult) -> BackupOutcome:
    """Return the outcome of a failed dump: the fault of its command, unless the repository was at fault."""
    if outcome.status is BackupStatus.PARTIAL and outcome.reason == Reason.SOURCE_EMPTY:
        empty = Reason.DUMP_EMPTY
        return outcome._replace(reason=empty, message=empty.meaning, next_step=empty.next_step)
    command_failed = any(text in dump.log for text in _COMMAND_FAILED)
    if outcome.reason not in (Reason.RESTIC_FAILED, Reason.SOURCE_MISSING) and not command_failed:
        return outcome
    message = f"The database's dump failed: {' / '.join(output.readable_lines(dump.log)[-4:])}"
    failed = Reason.DUMP_FAILED
    return outcome._replace(reason=failed, message=message, next_step=failed.next_step)


def _judge_unfinished(finished: FinishedJob) -> BackupOutcome:
    """Return the outcome of a Job whose `restic backup` did not end: what failed before, or stopped it."""
    failure = finished.first_failure
    if failure is None:
        message = clean(f"The archive's Job failed: {finished.message or finished.reason}", 500)
        return outcome_of_lost(Reason.JOB_FAILED, message)
    if failure.exit_code in _KILLED:
        return outcome_of_lost(Reason.INTERRUPTED, "The archive was killed before it ended.")
    if failure.name == "sources":
        lines = [line.decode(errors="replace") for line in output.split_lines(failure.log)]
        missing = Reason.SOURCE_MISSING
        message = f"A path to archive does not exist: {clean(' '.join(lines), 500)}"
        return restic_backup.failure(Fault(missing, message, missing.next_step))
    return restic_backup.failure(faults.explain(failure.exit_code, failure.log))


def outcome_of_lost(reason: Reason, message: str) -> BackupOutcome:
    """Return the outcome of an archive whose end was not seen."""
    return restic_backup.failure(Fault(reason, message, _LOST_NEXT_STEP))


def outcome_of_fault(fault: KronkeepError) -> BackupOutcome:
    """Return the outcome of an archive that could not be made for a lasting reason."""
    reason = str(fault.details.get("reason") or type(fault).code)
    return restic_backup.failure(Fault(reason, fault.message, fault.next_step))


def confirm(backup: BackupExecution, outcome: BackupOutcome, finished: FinishedJob) -> BackupOutcome | None:
    """Return the outcome where the archive's last container saw its snapshots with the backup's tags.

    What a log says of a snapshot is a claim: a dump, or a changed restic, may print anything.
    """
    confirmation = finished.container(snapshots.STEP)
    if outcome.result is None or confirmation is None or confirmation.exit_code != 0:
        return None
    return _outcome_in_list(backup, outcome, snapshots.parse_list(confirmation.log) or [])


def _outcome_in_list(
    backup: BackupExecution, outcome: BackupOutcome, listed: list[ListedSnapshot]
) -> BackupOutcome | None:
    """Return the outcome with what its snapshots contain, where all are listed with the backup's tags."""
    claimed = msgspec.structs.replace(backup, result=outcome.result)
    if outcome.result is None or not reconciliation.has_snapshot_in(claimed, listed):
        return None
    return outcome._replace(result=reconciliation.with_trees(outcome.result, listed))


def with_listed_snapshots(
    backup: BackupExecution,
    outcome: BackupOutcome,
    listed: list[ListedSnapshot] | None,
    *,
    is_complete: bool,
) -> BackupOutcome:
    """Return the outcome as the repository shows it.

    listed: the snapshots with the backup's tags; None where they could not be listed.
    is_complete: whether the archive's Job had exit code 0.
    """
    confirmed = _outcome_in_list(backup, outcome, listed) if listed is not None else None
    if confirmed is not None:
        return confirmed
    if outcome.status is BackupStatus.FAILED:
        return outcome._replace(result=None)
    unconfirmed = Reason.SNAPSHOT_UNCONFIRMED
    if listed is None:
        return outcome._replace(
            status=BackupStatus.UNKNOWN,
            reason=unconfirmed,
            message="The repository could not be asked for the snapshot that the archive's log names.",
            next_step=Reason.RESULT_LOST.next_step,
        )
    failed = restic_backup.failure(Fault.of(unconfirmed), outcome.warnings)
    return judge_snapshots(listed, failed, is_complete=is_complete) or failed


def judge_snapshots(
    listed: list[ListedSnapshot], lost: BackupOutcome, *, is_complete: bool
) -> BackupOutcome | None:
    """Return the outcome of a lost archive from the snapshots with its tag; None where its files are missing.

    A Job that completed had exit code 0, so its snapshot is whole. Any other snapshot may lack files that
    could not be read, so the outcome stays unknown until somebody verifies it.
    """
    ids = {snapshot.part: snapshot.id for snapshot in listed}
    main = ids.get("files") or ids.get("")
    if main is None:
        return None
    result = BackupResult(snapshot_id=main, database_snapshot_id=ids.get("database"))
    result = reconciliation.with_trees(result, listed)
    if is_complete:
        return BackupOutcome(
            status=BackupStatus.SUCCEEDED,
            result=result,
            reason=None,
            message=None,
            next_step=None,
            warnings=("The summary of this archive was lost; its snapshot was found by its tag.",),
        )
    return BackupOutcome(
        status=BackupStatus.UNKNOWN,
        result=result,
        reason=Reason.RESULT_LOST,
        message=(
            f"A snapshot is there, but how the archive ended was lost ({lost.reason}): it may lack files."
            f" {lost.message or ''}"
        ).rstrip(),
        next_step=Reason.RESULT_LOST.next_step,
        warnings=(),
    )


def partial_if_dumped(outcome: BackupOutcome) -> BackupOutcome:
    """Return a failed archive that is not tried again as partial, where its dump succeeded."""
    if outcome.status is not BackupStatus.FAILED or outcome.result is None:
        return outcome
    message = f"The database's dump is archived, the files are not: {outcome.message}"
    return outcome._replace(status=BackupStatus.PARTIAL, message=message)


def with_outcome(backup: BackupExecution, outcome: BackupOutcome) -> BackupExecution:
    """Return the backup's record with the result, reason and warnings of its archive."""
    return msgspec.structs.replace(
        backup,
        result=outcome.result,
        reason=outcome.reason,
        message=outcome.message,
        next_step=outcome.next_step,
        warnings=outcome.warnings,
        progress=None,
    )
