"""How an archive ended, from the steps of its Job; pure.

The dump comes first, the files last: a dump that fails ends the pod with nothing archived, and files of which
some cannot be read still have their dump beside them.
"""

import msgspec

from kronkeep_common.models import BackupExecution, BackupResult
from kronkeep_common.reasons import Reason
from kronkeep_common.states import BackupStatus
from kronkeep_common.text import clean
from kronkeep_daemon.jobs.outcome import ContainerResult, FinishedJob
from kronkeep_daemon.restic import backup as restic_backup
from kronkeep_daemon.restic import faults, output
from kronkeep_daemon.restic import version as restic_version
from kronkeep_daemon.restic.backup import BackupOutcome
from kronkeep_daemon.restic.faults import Fault
from kronkeep_daemon.restic.snapshots import ListedSnapshot

# restic 0.19.1 ends with 130, as if it had been interrupted, when the command of a dump fails (measured).
_COMMAND_FAILED = (b"command failed", b"failed to start command")
_DEADLINE = Fault(
    Reason.DEADLINE_EXCEEDED,
    "The archive was stopped at its deadline.",
    "Raise the policy's deadline_seconds.",
)


def judge(ended: FinishedJob) -> BackupOutcome:
    """The outcome: the first step that failed tells why; a dump that is there stays in a failed result."""
    if ended.reason == Reason.DEADLINE_EXCEEDED:
        return restic_backup.failure(_DEADLINE)
    version = str(restic_version.parse(step.log)) if (step := ended.container("version")) else ""
    dump = ended.container("database")
    files = ended.container("backup")
    dumped = _ended(dump, version)
    if dump is not None and (dumped is None or dumped.status is not BackupStatus.SUCCEEDED):
        return _of_dump(dumped, dump) if dumped is not None else _unfinished(ended)
    if files is None:
        return dumped or _unfinished(ended)
    outcome = _ended(files, version) or _unfinished(ended)
    if dumped is None or dumped.result is None:
        return outcome
    if outcome.result is None:
        return outcome._replace(result=dumped.result)
    return outcome._replace(result=restic_backup.add_results(outcome.result, dumped.result))


def _ended(step: ContainerResult | None, version: str) -> BackupOutcome | None:
    """The end of a restic that ran; None for one that never did, or was killed."""
    if step is None or step.exit_code is None or step.exit_code in (137, 143):
        return None
    return restic_backup.judge(step.exit_code, step.log, version)


def _of_dump(outcome: BackupOutcome, step: ContainerResult) -> BackupOutcome:
    """A dump that failed: what its command said, unless the repository was at fault."""
    if outcome.status is BackupStatus.PARTIAL and outcome.reason == Reason.SOURCE_EMPTY:
        empty = Reason.DUMP_EMPTY
        return outcome._replace(reason=empty, message=empty.meaning, next_step=empty.next_step)
    by_command = any(words in step.log for words in _COMMAND_FAILED)
    if outcome.reason not in (Reason.RESTIC_FAILED, Reason.SOURCE_MISSING) and not by_command:
        return outcome
    words = f"The database's dump failed: {' / '.join(output.readable_lines(step.log)[-4:])}"
    return outcome._replace(reason=Reason.DUMP_FAILED, message=words, next_step=Reason.DUMP_FAILED.next_step)


def _unfinished(ended: FinishedJob) -> BackupOutcome:
    """A Job in which restic's backup did not end: the step before it that failed, or what was done to it."""
    failed = ended.first_failure
    if failed is None:
        return lost(
            Reason.JOB_FAILED, clean(f"The archive's Job failed: {ended.message or ended.reason}", 500)
        )
    if failed.exit_code in (137, 143):
        return lost(Reason.INTERRUPTED, "The archive was killed before it ended.")
    if failed.name == "sources":
        said = clean(" ".join(line.decode(errors="replace") for line in output.split_lines(failed.log)), 500)
        words = f"A path to archive does not exist: {said}"
        return BackupOutcome(
            status=BackupStatus.FAILED,
            result=None,
            reason=Reason.SOURCE_MISSING,
            message=words,
            next_step=Reason.SOURCE_MISSING.next_step,
            warnings=(),
        )
    return restic_backup.failure(faults.explain(failed.exit_code, failed.log))


def lost(reason: str, words: str) -> BackupOutcome:
    """An archive whose end nobody saw."""
    then = "It is tried again where retries are left."
    return BackupOutcome(
        status=BackupStatus.FAILED, result=None, reason=reason, message=words, next_step=then, warnings=()
    )


def found(snapshots: list[ListedSnapshot], before: BackupOutcome, complete: bool) -> BackupOutcome | None:
    """What the snapshots with a lost archive's tag tell; None where its files are not among them.

    A Job that completed had the exit code 0, so its snapshot is whole; any other may lack files that could
    not be read, so how it ended stays unknown until somebody verifies it.
    """
    ids = {snapshot.part: snapshot.short_id or snapshot.id for snapshot in snapshots}
    main = ids.get("files") or ids.get("")
    if main is None:
        return None
    result = BackupResult(snapshot_id=main, database_snapshot_id=ids.get("database"))
    if complete:
        words = "The summary of this archive was lost; its snapshot was found by its tag."
        return BackupOutcome(
            status=BackupStatus.SUCCEEDED,
            result=result,
            reason=None,
            message=None,
            next_step=None,
            warnings=(words,),
        )
    words = f"A snapshot is there, but how the archive ended was lost ({before.reason}): it may lack files."
    return BackupOutcome(
        status=BackupStatus.UNKNOWN,
        result=result,
        reason=Reason.RESULT_LOST,
        message=words,
        next_step=Reason.RESULT_LOST.next_step,
        warnings=(),
    )


def final(outcome: BackupOutcome) -> BackupOutcome:
    """A failed archive that is not tried again, but left its dump behind, is partial."""
    if outcome.status is not BackupStatus.FAILED or outcome.result is None:
        return outcome
    words = f"The database's dump is archived, the files are not: {outcome.message}"
    return outcome._replace(status=BackupStatus.PARTIAL, message=words)


def written(backup: BackupExecution, outcome: BackupOutcome) -> BackupExecution:
    """The record with what the archive made and said."""
    return msgspec.structs.replace(
        backup,
        result=outcome.result,
        reason=outcome.reason,
        message=outcome.message,
        next_step=outcome.next_step,
        warnings=outcome.warnings,
        progress=None,
    )
