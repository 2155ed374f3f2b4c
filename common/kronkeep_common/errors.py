"""Every error that kronkeep raises on purpose, each with one code that API, CLI and UI share.

    KronkeepError
      InvalidRequest        the caller must change something         (HTTP 422 unless said otherwise)
        InvalidSchedule, InvalidTimeZone, InvalidName, InvalidImage, InvalidPolicy, InvalidSettings,
        InvalidFilter, ScheduleConflict (409), ConfirmationMissing
      NotFound (404)        CronJobNotFound, ExecutionNotFound, BackupNotFound, StorageNotFound, ...
      Conflict (409)        NameTaken, StorageInUse, StateInUse, NotAllowedNow, PreconditionFailed (412)
      Denied (403)
      TooMany (429), TooSlow (408)
      Unavailable (503)     ClusterUnreachable, DaemonUnreachable, ToolMissing, StorageFailed (502),
                            ReadOnlyHistory (507)
      Internal (500)        DamagedHistory, HistoryTooNew

What only the daemon meets stands below these in its rooms (kube/errors.py: a cluster's refusals).
`str(error)` is one sentence for a person, `next_step` says what to do, `retryable` whether the same
request may succeed later without a change. Codes are stable: scripts compare them.
"""

from collections.abc import Iterator
from typing import Any, ClassVar


class KronkeepError(Exception):
    """Anything kronkeep refuses or fails at; subclasses set the class attributes.

    `details` holds small JSON values that name the offending field or object; never a secret.
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
    """The request cannot be carried out as it stands."""

    code = "InvalidRequest"
    status = 422
    default_next_step = "Correct the named field and send the request again."


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
    """An image reference that no registry could resolve."""

    code = "InvalidImage"
    default_next_step = "Use a reference such as 'registry.example/team/image:tag'."


class InvalidPolicy(InvalidRequest):
    """A backup policy that cannot be acted on."""

    code = "InvalidPolicy"


class FileTooLarge(InvalidRequest):
    """A file that is too large to be downloaded through the API."""

    code = "FileTooLarge"
    status = 413
    default_next_step = "Restore it to a claim: kronkeep restore BACKUP --path PATH --new-claim NAME."


class InvalidSettings(InvalidRequest):
    """A settings file that cannot be used; `details` names file and key."""

    code = "InvalidSettings"
    default_next_step = "Correct the settings file; the settings in force stay as they are."


class InvalidFilter(InvalidRequest):
    """A filter that the grammar refuses; `details` has the column."""

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
    """The named thing does not exist."""

    code = "NotFound"
    status = 404
    default_next_step = "List what exists and check the name."


class CronJobNotFound(NotFound):
    """No CronJob of that namespace and name."""

    code = "CronJobNotFound"


class ExecutionNotFound(NotFound):
    """No CronJobExecution of that id."""

    code = "ExecutionNotFound"


class BackupNotFound(NotFound):
    """No BackupExecution of that id."""

    code = "BackupNotFound"


class PolicyNotFound(NotFound):
    """The CronJob has no backup policy."""

    code = "PolicyNotFound"
    default_next_step = "Give it one: kronkeep edit, or the annotation kronkeep.dev/backup-policy."


class StorageNotFound(NotFound):
    """No BackupStorage of that name."""

    code = "StorageNotFound"
    default_next_step = "Create it (kronkeep storage create) or choose one of kronkeep get storages."


class RestoreNotFound(NotFound):
    """No Restore of that id."""

    code = "RestoreNotFound"


class PathNotFound(NotFound):
    """The snapshot has no such path."""

    code = "PathNotFound"
    default_next_step = "Look at what it holds: kronkeep files BACKUP [PATH]."


class LogNotFound(NotFound):
    """No log was kept for that run and its pod is gone."""

    code = "LogNotFound"
    default_next_step = "Look at the run itself: its cause and its Events are kept with it."


class ManifestNotFound(NotFound):
    """The run's Job is gone, and its manifest was not kept."""

    code = "ManifestNotFound"
    default_next_step = "Look at the CronJob: later runs have the same template."


class ClusterNotFound(NotFound):
    """No configured cluster of that name or id."""

    code = "ClusterNotFound"
    default_next_step = "The settings' [clusters] sections name them; kronkeep doctor lists them."


class AlertNotFound(NotFound):
    """No alert with that id."""

    code = "AlertNotFound"


class OperationNotFound(NotFound):
    """No such operation; the newest thousand are kept."""

    code = "OperationNotFound"
    default_next_step = "List them: curl --unix-socket SOCKET http://localhost/v1/operations."


class Conflict(KronkeepError):
    """The request collides with what is there."""

    code = "Conflict"
    status = 409
    default_next_step = "Look at what is there, and ask again for what is still wanted."


class NameTaken(Conflict):
    """Something of that name exists already."""

    code = "NameTaken"
    default_next_step = "Choose another name, or change the one that exists."


class StorageInUse(Conflict):
    """A policy still uses the storage."""

    code = "StorageInUse"
    default_next_step = "Point those policies at another storage first."


class StateInUse(Conflict):
    """Another daemon holds the state folder."""

    code = "StateInUse"
    default_next_step = "Stop the other daemon, or give this one a state folder of its own (--state)."


class NotAllowedNow(Conflict):
    """The object's state does not permit the operation."""

    code = "NotAllowedNow"
    default_next_step = "Wait until the state named in the message has passed."


class VerificationFailed(Conflict):
    """A backup could not be restored, or is not what was archived; `details` has the reason."""

    code = "VerificationFailed"
    default_next_step = "Do not rely on this backup; back up again."


class PreconditionFailed(Conflict):
    """The object changed since it was read (If-Match, resourceVersion)."""

    code = "PreconditionFailed"
    status = 412
    retryable = True
    default_next_step = "Read it again and repeat the change."


class Denied(KronkeepError):
    """The caller's level, or the cluster's rules, do not permit this."""

    code = "Denied"
    status = 403
    default_next_step = "Ask an administrator for the named right."


class TooMany(KronkeepError):
    """The caller asks for more at once than one user may."""

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
    """Something that kronkeep needs is away for now."""

    code = "Unavailable"
    status = 503
    retryable = True
    default_next_step = "Try again in a while; kronkeep doctor says what is away."


class ClusterUnreachable(Unavailable):
    """The Kubernetes API does not answer."""

    code = "ClusterUnreachable"
    default_next_step = "Check the kubeconfig's address with kubectl, from the daemon's machine."


class DaemonUnreachable(Unavailable):
    """Nobody serves the socket."""

    code = "DaemonUnreachable"
    default_next_step = "Start it (systemctl start kronkeepd, or make demo) or name its socket with --socket."


class EventsLost(Unavailable):
    """Events of the stream were missed: the reader was too slow, or was away for too long."""

    code = "EventsLost"
    default_next_step = "Read the records again; events go on from the newest change."


class StillReading(Unavailable):
    """A snapshot's listing, or a file of it, is being read by a Job; ask again for the answer."""

    code = "StillReading"
    default_next_step = "Ask again in some seconds; the Job goes on meanwhile."


class ToolMissing(Unavailable):
    """A program that kronkeep runs is not installed, or too old for what is asked."""

    code = "ToolMissing"
    retryable = False
    default_next_step = "Install the program that the message names."


class StorageFailed(Unavailable):
    """A storage's server, volume or repository did not do what was asked; `details` has the reason."""

    code = "StorageFailed"
    status = 502
    retryable = False
    default_next_step = "Look at the storage: kronkeep describe storage NAME."


class ReadOnlyHistory(Unavailable):
    """The history's disk is full: reads go on, writes wait for space."""

    code = "ReadOnlyHistory"
    status = 507
    default_next_step = "Free space on the state folder's file system; writing resumes by itself."


class Internal(KronkeepError):
    """A fault that is not the caller's."""

    code = "Internal"


class DamagedHistory(Internal):
    """A record of the journal or snapshot is damaged; `details` has file and offset."""

    code = "DamagedHistory"
    default_next_step = (
        "Restore the folder from its backup, or save what is readable: kronkeepd store salvage."
    )


class HistoryTooNew(Internal):
    """The state folder was written by a later kronkeep."""

    code = "HistoryTooNew"
    default_next_step = "Run the kronkeep version that wrote it, or a later one."


# The families by the status of an answer, for codes that this side does not know.
_FAMILIES: dict[int, type[KronkeepError]] = {
    400: InvalidRequest,
    403: Denied,
    404: NotFound,
    409: Conflict,
    412: Conflict,
    413: InvalidRequest,
    422: InvalidRequest,
    502: Unavailable,
    503: Unavailable,
}


def all_errors(base: type[KronkeepError] = KronkeepError) -> Iterator[type[KronkeepError]]:
    """Every class below `base` that is loaded, families before what is in them."""
    for kind in base.__subclasses__():
        yield kind
        yield from all_errors(kind)


def error_of_code(code: str, status: int = 500, *, retryable: bool = False) -> type[KronkeepError]:
    """The class of a code; for one of the daemon's own, or of a later daemon, one below its family."""
    for kind in all_errors():
        if kind.code == code:
            return kind
    family = _FAMILIES.get(status, KronkeepError)
    return type(code, (family,), {"code": code, "status": status, "retryable": retryable})
