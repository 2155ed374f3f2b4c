"""How a restore ended, from what its containers said and their exit codes; pure."""

import re

import msgspec

from kronkeep_common.json_decoding import decoded
from kronkeep_common.models import Progress
from kronkeep_common.reasons import Reason
from kronkeep_common.text import clean
from kronkeep_daemon.jobs.outcome import ContainerResult, FinishedJob
from kronkeep_daemon.restic import output
from kronkeep_daemon.restic.faults import Fault

_VERIFIED = re.compile(rb"finished verifying (\d+) files")
VERIFYING = b"verifying files in "
_FILE = re.compile(r"ignoring error for (.+?): (.+)")
EXAMPLES = 5


DAMAGED = Fault(
    Reason.REPOSITORY_DAMAGED,
    "The repository's data is damaged: restic could not read what it had stored.",
    "Check the storage (kronkeep storage check) and restore an earlier backup.",
)
KILLED = 137
INTERRUPTED = Fault(
    Reason.INTERRUPTED,
    "The restore's pod was killed before it had ended, by its node or for its use of memory.",
    "Look at the node and at the memory limit in the settings (archive.limits); restore again.",
)
_TOLD: tuple[tuple[str, Reason], ...] = (
    ("no matching ID found", Reason.SNAPSHOT_GONE),
    ("no space left on device", Reason.TARGET_FULL),
    ("read-only file system", Reason.TARGET_READ_ONLY),
)


class _Status(msgspec.Struct, kw_only=True):
    """A `status` line of `restic restore --json`; counts are of files and bytes."""

    percent_done: float = 0
    bytes_restored: int = 0
    total_bytes: int = 0
    files_restored: int = 0
    total_files: int = 0


def progress(line: bytes) -> Progress | None:
    """restic's own status of a restore (0.16 and later; 0.14 says nothing on the way)."""
    if not line.startswith(b'{"message_type":"status"'):
        return None
    found = decoded(line, _Status)
    if found is None:
        return None
    return Progress(
        percent=round(100 * found.percent_done, 1),
        bytes_done=found.bytes_restored,
        bytes_total=found.total_bytes,
        files_done=found.files_restored,
        files_total=found.total_files,
    )


def verified(log: bytes) -> int | None:
    """How many files restic compared after the restore; None when it did not say that it had ended."""
    match = _VERIFIED.search(log)
    if match:
        return int(match[1])
    for obj in output.objects(log):
        if obj.get("message_type") == "summary":
            return int(obj.get("files_restored", 0)) + int(obj.get("files_skipped", 0))
    return None


def restores(ended: FinishedJob) -> list[ContainerResult]:
    """The containers that restored."""
    return [step for step in ended.containers if step.name.startswith("restore")]


def verified_files(ended: FinishedJob) -> int:
    """How many files restic compared in all."""
    return sum(verified(step.log) or 0 for step in restores(ended))


def fault(ended: FinishedJob) -> Fault | None:
    """Why the Job of a restore failed; None when all its containers did what they should."""
    if ended.complete:
        calls = restores(ended)
        if not calls or any(verified(step.log) is None for step in calls):
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
        words = f"The drill's check command exited with {failed.exit_code}: {_last(failed.log)}"
        return Fault(Reason.CHECK_FAILED, words, Reason.CHECK_FAILED.next_step)
    if failed.name.startswith("move"):
        words = f"What was restored could not take its place: {_last(failed.log)}"
        return Fault(Reason.MOVE_FAILED, words, Reason.MOVE_FAILED.next_step)
    if not failed.name.startswith("restore"):
        words = f"What was restored could not be looked at: {_last(failed.log)}"
        return Fault(Reason.LOOK_FAILED, words, Reason.LOOK_FAILED.next_step)
    return of_restic(failed.exit_code, failed.log)


def of_restic(exit_code: int | None, log: bytes) -> Fault:
    """Why a call of restic failed."""
    text = log.decode(errors="replace")
    for words, told in _TOLD:
        if words in text:
            message = clean(f"{told.meaning} restic: {_telling(text, words)}", 500)
            return Fault(told, message, told.next_step)
    wrong = [clean(f"{m[1]}: {m[2]}", 200) for m in _FILE.finditer(text)]
    if any("Invalid file size" in line for line in wrong):
        words = f"Files changed while they were archived: {'; '.join(wrong[:EXAMPLES])}"
        return Fault(Reason.CHANGED_MEANWHILE, words, Reason.CHANGED_MEANWHILE.next_step)
    if any("Unexpected content" in line for line in wrong):
        return different(wrong)
    reason, words, then = output.fault(exit_code, log)
    if reason == Reason.REPOSITORY_DAMAGED:
        return DAMAGED._replace(message=clean(f"{DAMAGED.message} restic: {_last(log)}", 500))
    if reason == Reason.RESTIC_FAILED and wrong:
        words = f"{len(wrong)} files could not be restored: {'; '.join(wrong[:EXAMPLES])}"
    return Fault(reason, clean(words, 1000), then)


def _telling(text: str, words: str) -> str:
    return next(line for line in text.splitlines() if words in line)[:200]


def _last(log: bytes) -> str:
    said = [line for line in log.decode(errors="replace").splitlines() if line.strip()]
    return clean(said[-1], 300) if said else "it said nothing"


def different(wrong: list[str]) -> Fault:
    """The files that are not what was archived."""
    shown = ", ".join(clean(path, 120) for path in wrong[:EXAMPLES])
    more = f" and {len(wrong) - EXAMPLES} more" if len(wrong) > EXAMPLES else ""
    words = f"{len(wrong)} files are not what was archived: {shown}{more}."
    return Fault(Reason.DIFFERENT, words, Reason.DIFFERENT.next_step)
