"""The errors that kronkeep raises, each with a code that API, command line and terminal share.

    KronkeepError
      InvalidRequest        the caller must change something         (HTTP 422 unless said otherwise)
        InvalidSchedule, InvalidTimeZone, InvalidName, InvalidImage, InvalidPolicy, NothingToArchive,
        InvalidSettings, InvalidFilter, ScheduleConflict (409), ConfirmationMissing
      NotFound (404)        CronJobNotFound, ExecutionNotFound, BackupNotFound, StorageNotFound, ...
      Conflict (409)        NameTaken, AlreadyRuns, AmbiguousId, StorageInUse, StateInUse, NotAllowedNow,
                            PreconditionFailed (412)
      Denied (403), TooMany (429), TooSlow (408)
      Unavailable (503)     ClusterUnreachable, DaemonUnreachable, NoAnswerYet, ToolMissing,
                            StorageFailed (502), JobNotStarted (502), ReadOnlyHistory (507)
      Internal (500)        DamagedHistory, OldHistory, HistoryTooNew

Errors that only the daemon raises are defined there (kube/errors.py); `error_codes` finds each by its code.
`str(error)` is one sentence, `retryable` whether the same request may succeed later. Codes never change:
scripts compare them.
"""

from typing import Any, ClassVar


class KronkeepError(Exception):
    """The base class of kronkeep's errors; subclasses set the class attributes.

    `details` has small JSON values that name the faulty field or object, and never a secret.
    """

    code: ClassVar[str] = "Internal"
    status: ClassVar[int] = 500
    retryable: ClassVar[bool] = False
    default_next_step: ClassVar[str] = "Look at the daemon's log (journalctl -u kronkeepd)."

    def __init__(self, message: str, *, next_step: str | None = None, **details: Any) -> None:
        super().__init__(message)
        self.message = message
        self.next_step = next_step or self.default_next_step
        self.details = details


class InvalidRequest(KronkeepError):
    """The request is not valid; the caller must change it."""

    code = "InvalidRequest"
    status = 422
    default_next_step = "Correct what the message names, then try again."


class InvalidSchedule(InvalidRequest):
    """A cron expression that Kubernetes would refuse."""

    code = "InvalidSchedule"
    default_next_step = "Use five fields, such as '0 2 * * *' (02:00 every day), or @daily."


class InvalidTimeZone(InvalidRequest):
    """A zone name that is not in the IANA database, or `Local`."""

    code = "InvalidTimeZone"
    default_next_step = "Use an IANA name, case-exact, such as 'Europe/Berlin', or leave it out."


class InvalidName(InvalidRequest):
    """A name that Kubernetes would refuse."""

    code = "InvalidName"
    default_next_step = (
        "Use a-z, 0-9 and '-', at most 52 characters, beginning and ending with one of a-z or 0-9."
    )


class InvalidImage(InvalidRequest):
    """A text that is not an image reference."""

    code = "InvalidImage"
    default_next_step = "Use a reference such as 'registry.example/team/image:tag'."


class InvalidPolicy(InvalidRequest):
    """A backup policy that is not valid."""

    code = "InvalidPolicy"


class NothingToArchive(InvalidPolicy):
    """A backup policy that has nothing to archive."""

    code = "NothingToArchive"
    default_next_step = "Mount a PersistentVolumeClaim, name one in the policy's source, or include a dump."


class FileTooLarge(InvalidRequest):
    """A file that is too large for a download through the API."""

    code = "FileTooLarge"
    status = 413
    default_next_step = (
        "Download its folder as a tar archive (kronkeep download BACKUP FOLDER -o FOLDER.tar), or restore it "
        "to a claim: kronkeep restore BACKUP --path PATH --new-claim NAME."
    )


class InvalidSettings(InvalidRequest):
    """A settings file that is not valid; `details` names file and key."""

    code = "InvalidSettings"
    default_next_step = "Correct the settings file; the settings in force stay as they are."


class InvalidFilter(InvalidRequest):
    """A filter that cannot be parsed; `details` has the column."""

    code = "InvalidFilter"
    status = 400
    default_next_step = "Write terms such as status:failed ns:pay age:<24h."


class ScheduleConflict(InvalidRequest):
    """The backup's schedule conflicts with the CronJob's and no strategy was chosen."""

    code = "ScheduleConflict"
    status = 409
    default_next_step = "Choose a strategy with on_conflict: shift, after-run or accept."


class ConfirmationMissing(InvalidRequest):
    """A destructive request without the confirmation it needs."""

    code = "ConfirmationMissing"
    default_next_step = "Repeat the request with the target's name as its confirmation."


class NotFound(KronkeepError):
    """The named object does not exist."""

    code = "NotFound"
    status = 404
    default_next_step = "List what exists and check the name."


class CronJobNotFound(NotFound):
    """No CronJob has that namespace and name."""

    code = "CronJobNotFound"


class ExecutionNotFound(NotFound):
    """No run has that id."""

    code = "ExecutionNotFound"


class BackupNotFound(NotFound):
    """No backup has that id."""

    code = "BackupNotFound"


class PolicyNotFound(NotFound):
    """The CronJob has no backup policy."""

    code = "PolicyNotFound"
    default_next_step = "Give it one: kronkeep edit, or the annotation kronkeep.dev/backup-policy."


class StorageNotFound(NotFound):
    """No storage has that name."""

    code = "StorageNotFound"
    default_next_step = "Create it (kronkeep storage create) or choose one of kronkeep get storages."


class RestoreNotFound(NotFound):
    """No restore has that id."""

    code = "RestoreNotFound"


class CopyNotFound(NotFound):
    """No copy of a backup has that id, or the backup has none in that storage."""

    code = "CopyNotFound"
    default_next_step = "kronkeep describe backup ID shows its copies."


class MaintenanceNotFound(NotFound):
    """No maintenance has that id, and no CronJob carries it."""

    code = "MaintenanceNotFound"
    default_next_step = "List them: kronkeep get maintenance."


class PathNotFound(NotFound):
    """The snapshot has no such path."""

    code = "PathNotFound"
    default_next_step = "List what it has: kronkeep files BACKUP [PATH]."


class LogNotFound(NotFound):
    """No log of that run was kept, and its pod no longer exists."""

    code = "LogNotFound"
    default_next_step = "Look at the run itself: its cause and its Events are kept."


class LogRemoved(LogNotFound):
    """The log was kept, but was removed since then, as there were too many bytes of logs."""

    code = "LogRemoved"
    default_next_step = "Look at the record itself: its cause and the last lines of failures are kept."


class ManifestNotFound(NotFound):
    """The run's Job no longer exists, and its manifest was not kept."""

    code = "ManifestNotFound"
    default_next_step = "Look at the CronJob: later runs have the same template."


class ClusterNotFound(NotFound):
    """No cluster in the settings has that name or id."""

    code = "ClusterNotFound"
    default_next_step = "Use a name from the settings' [clusters] sections; kronkeep doctor lists them."


class AlertNotFound(NotFound):
    """No alert has that id."""

    code = "AlertNotFound"


class SilenceNotFound(NotFound):
    """No silence has that id."""

    code = "SilenceNotFound"
    default_next_step = "List them: kronkeep get silences."


class OperationNotFound(NotFound):
    """No operation has that id; the newest thousand are kept."""

    code = "OperationNotFound"
    default_next_step = "List them: curl --unix-socket SOCKET http://localhost/v1/operations."


class Conflict(KronkeepError):
    """The request conflicts with what exists."""

    code = "Conflict"
    status = 409
    default_next_step = "Look at what exists, and send the request again if you still want it."


class NameTaken(Conflict):
    """Something with that name exists already."""

    code = "NameTaken"
    default_next_step = "Choose another name, or change the one that exists."


class AlreadyRuns(Conflict):
    """A run of the CronJob goes on, beside which its concurrencyPolicy allows no other."""

    code = "AlreadyRuns"
    default_next_step = "Wait for its end, stop it (kronkeep cancel ID), or: kronkeep trigger NAME --beside."


class AmbiguousId(Conflict):
    """Several ids begin with what was written; `details` has some of them as `candidates`."""

    code = "AmbiguousId"
    default_next_step = "Write more of the id; the named ones are whole."


class StorageInUse(Conflict):
    """A policy still uses the storage."""

    code = "StorageInUse"
    default_next_step = "Point those policies at another storage first."


class StateInUse(Conflict):
    """Another daemon uses the state folder."""

    code = "StateInUse"
    default_next_step = "Stop the other daemon, or give this one a state folder of its own (--state)."


class NotAllowedNow(Conflict):
    """The object's state does not permit the operation."""

    code = "NotAllowedNow"
    default_next_step = "Wait until the state named in the message has passed."


class VerificationFailed(Conflict):
    """A backup could not be restored, or differs from what was archived; `details` has the reason."""

    code = "VerificationFailed"
    default_next_step = "See why it failed, then verify it again."


class UnreadableBody(InvalidRequest):
    """The body is not compressed as its Content-Encoding says."""

    code = "UnreadableBody"
    status = 400
    default_next_step = "Send it without Content-Encoding, or compressed as that header says."


class PreconditionFailed(Conflict):
    """The object has changed since it was read (If-Match, resourceVersion)."""

    code = "PreconditionFailed"
    status = 412
    retryable = True
    default_next_step = "Read it again and repeat the change."


class Denied(KronkeepError):
    """The caller's access level, or the cluster's rules, do not allow this."""

    code = "Denied"
    status = 403
    default_next_step = "Ask an administrator for the named right."


class NamespaceNotServed(Denied):
    """The storage does not serve that namespace: it serves only those that it names."""

    code = "NamespaceNotServed"
    default_next_step = (
        "Let it: kronkeep storage change STORAGE --allow-namespace NAMESPACE; or choose another."
    )


class TooMany(KronkeepError):
    """The user has more requests or streams at once than allowed."""

    code = "TooMany"
    status = 429
    retryable = True
    default_next_step = "Wait a second and send it again."


class TooSlow(KronkeepError):
    """The request did not arrive in time."""

    code = "TooSlow"
    status = 408
    retryable = True
    default_next_step = "Send it again, faster."


class Unavailable(KronkeepError):
    """Something that kronkeep needs is not available now."""

    code = "Unavailable"
    status = 503
    retryable = True
    default_next_step = "Try again later; kronkeep doctor says what is not available."


class ClusterUnreachable(Unavailable):
    """The Kubernetes API does not answer."""

    code = "ClusterUnreachable"
    default_next_step = "Check the kubeconfig's address with kubectl, from the daemon's machine."


class DaemonUnreachable(Unavailable):
    """No daemon answers at the socket."""

    code = "DaemonUnreachable"
    default_next_step = "Start it (systemctl start kronkeepd) or name its socket with --socket."


class NoAnswerYet(Unavailable):
    """The daemon runs and has not answered in time: it may wait for a cluster."""

    code = "NoAnswerYet"
    default_next_step = "It runs, and may wait for a cluster: kronkeep doctor says which. Then try again."


class EventsLost(Unavailable):
    """Events of the stream were missed: the reader was too slow, or was away for too long."""

    code = "EventsLost"
    default_next_step = "Read the records again; events go on from the newest change."


class StillReading(Unavailable):
    """A Job is still reading a snapshot's listing or file; ask again for the result."""

    code = "StillReading"
    default_next_step = "Ask again in some seconds."


class ToolMissing(Unavailable):
    """A program that kronkeep runs is not installed, or is too old for the request."""

    code = "ToolMissing"
    retryable = False
    default_next_step = "Install the program that the message names."


class StorageFailed(Unavailable):
    """A storage's server, volume or repository failed; `details` has the reason."""

    code = "StorageFailed"
    status = 502
    retryable = False
    default_next_step = "Look at the storage: kronkeep describe storage NAME."


class VolumeCopyFailed(Unavailable):
    """The snapshot or clone of a claim was not made in time; `details` has the reason."""

    code = "VolumeCopyFailed"
    status = 502
    retryable = False
    default_next_step = "Look at the VolumeSnapshot's status, and at the driver and its snapshot controller."


class JobNotStarted(Unavailable):
    """A Job of kronkeep's could not start; `details` has the reason."""

    code = "JobNotStarted"
    status = 502
    retryable = False
    default_next_step = "Look at the Job's pod and its Events, then try again."


class ReadOnlyHistory(Unavailable):
    """The history's disk is full: nothing can be written, but reads work."""

    code = "ReadOnlyHistory"
    status = 507
    default_next_step = "Free space on the state folder's file system; writing resumes by itself."


class Internal(KronkeepError):
    """A fault of kronkeep itself."""

    code = "Internal"


class DamagedHistory(Internal):
    """The disk failed, or the history's database is damaged; `details` has the file."""

    code = "DamagedHistory"
    default_next_step = (
        "Restore the folder from its backup, or save what is readable: kronkeepd store salvage."
    )


class OldHistory(Internal):
    """The state folder was written by a kronkeep before the first release."""

    code = "OldHistory"
    default_next_step = "Move the folder `history` away; it can be read with the version that wrote it."


class HistoryTooNew(Internal):
    """The state folder was written by a later kronkeep."""

    code = "HistoryTooNew"
    default_next_step = "Run the kronkeep version that wrote it, or a later one."
