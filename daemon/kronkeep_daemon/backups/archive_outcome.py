"""How an archive ended, from the steps of its Job; pure.

The dump comes first, the files last: a dump that fails ends the pod with nothing archived, and files of which
some cannot be read still have their dump beside them.
"""

import msgspec

from kronkeep_common.json_decoding import decoded
from kronkeep_common.models import BackupExecution, BackupResult
from kronkeep_common.reasons import Reason
from kronkeep_common.states import BackupStatus
from kronkeep_common.text import clean
from kronkeep_daemon.jobs.outcome import ContainerResult, FinishedJob
from kronkeep_daemon.kube.objects import JsonObject
from kronkeep_daemon.restic import output
from kronkeep_daemon.restic.output import Outcome

# restic 0.19.1 ends with 130, as if it had been interrupted, when the command of a dump fails (measured).
_COMMAND_FAILED = (b"command failed", b"failed to start command")
_DEADLINE = ("The archive was stopped at its deadline.", "Raise the policy's deadline_seconds.")


def judge(ended: FinishedJob) -> Outcome:
    """The outcome: the first step that failed tells why; a dump that is there stays in a failed result."""
    if ended.reason == Reason.DEADLINE_EXCEEDED:
        return Outcome(BackupStatus.FAILED, None, Reason.DEADLINE_EXCEEDED, *_DEADLINE, ())
    version = output.version(step.log) if (step := ended.container("version")) else ""
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
    return outcome._replace(result=output.both(outcome.result, dumped.result))


def _ended(step: ContainerResult | None, version: str) -> Outcome | None:
    """The end of a restic that ran; None for one that never did, or was killed."""
    if step is None or step.exit_code is None or step.exit_code in (137, 143):
        return None
    return output.archived(step.exit_code, step.log, version)


def _of_dump(outcome: Outcome, step: ContainerResult) -> Outcome:
    """A dump that failed: what its command said, unless the repository was at fault."""
    if outcome.status is BackupStatus.PARTIAL and outcome.reason == Reason.SOURCE_EMPTY:
        empty = Reason.DUMP_EMPTY
        return outcome._replace(reason=empty, message=empty.meaning, next_step=empty.next_step)
    by_command = any(words in step.log for words in _COMMAND_FAILED)
    if outcome.reason not in (Reason.RESTIC_FAILED, Reason.SOURCE_MISSING) and not by_command:
        return outcome
    words = f"The database's dump failed: {' / '.join(output.said(step.log)[-4:])}"
    return outcome._replace(reason=Reason.DUMP_FAILED, message=words, next_step=Reason.DUMP_FAILED.next_step)


def _unfinished(ended: FinishedJob) -> Outcome:
    """A Job in which restic's backup did not end: the step before it that failed, or what was done to it."""
    failed = ended.first_failure
    if failed is None:
        return lost(
            Reason.JOB_FAILED, clean(f"The archive's Job failed: {ended.message or ended.reason}", 500)
        )
    if failed.exit_code in (137, 143):
        return lost(Reason.INTERRUPTED, "The archive was killed before it ended.")
    if failed.name == "sources":
        said = clean(" ".join(line.decode(errors="replace") for line in output.lines(failed.log)), 500)
        words = f"A path to archive does not exist: {said}"
        return Outcome(
            status=BackupStatus.FAILED,
            result=None,
            reason=Reason.SOURCE_MISSING,
            message=words,
            next_step=Reason.SOURCE_MISSING.next_step,
            warnings=(),
        )
    return Outcome(BackupStatus.FAILED, None, *output.fault(failed.exit_code, failed.log), ())


def lost(reason: str, words: str) -> Outcome:
    """An archive whose end nobody saw."""
    then = "It is tried again where retries are left."
    return Outcome(
        status=BackupStatus.FAILED, result=None, reason=reason, message=words, next_step=then, warnings=()
    )


def found(snapshots: list[JsonObject], before: Outcome, complete: bool) -> Outcome | None:
    """What the snapshots with a lost archive's tag tell; None where its files are not among them.

    A Job that completed had the exit code 0, so its snapshot is whole; any other may lack files that could
    not be read, so how it ended stays unknown until somebody verifies it.
    """
    ids = {_part(snapshot): str(snapshot.get("short_id") or snapshot["id"]) for snapshot in snapshots}
    main = ids.get("files") or ids.get("")
    if main is None:
        return None
    result = BackupResult(snapshot_id=main, database_snapshot_id=ids.get("database"))
    if complete:
        words = "The summary of this archive was lost; its snapshot was found by its tag."
        return Outcome(
            status=BackupStatus.SUCCEEDED,
            result=result,
            reason=None,
            message=None,
            next_step=None,
            warnings=(words,),
        )
    words = f"A snapshot is there, but how the archive ended was lost ({before.reason}): it may lack files."
    return Outcome(
        status=BackupStatus.UNKNOWN,
        result=result,
        reason=Reason.RESULT_LOST,
        message=words,
        next_step=Reason.RESULT_LOST.next_step,
        warnings=(),
    )


def _part(snapshot: JsonObject) -> str:
    tags = snapshot.get("tags") or []
    return next((tag.removeprefix("part=") for tag in tags if tag.startswith("part=")), "")


def final(outcome: Outcome) -> Outcome:
    """A failed archive that is not tried again, but left its dump behind, is partial."""
    if outcome.status is not BackupStatus.FAILED or outcome.result is None:
        return outcome
    words = f"The database's dump is archived, the files are not: {outcome.message}"
    return outcome._replace(status=BackupStatus.PARTIAL, message=words)


def snapshots(step: ContainerResult | None) -> list[JsonObject]:
    """The answer of `restic snapshots --json`, an array on a line of its own."""
    for line in output.lines(step.log) if step else []:
        if line.startswith(b"[") and (found := decoded(line, list[JsonObject])) is not None:
            return found
    return []


def written(backup: BackupExecution, outcome: Outcome) -> BackupExecution:
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
