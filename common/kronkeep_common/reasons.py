"""Reason codes: the stable words that say why a run, backup, restore or storage is in its state.

Scripts compare them, so they never change. A record's `reason` may also be the code of an error
(`kronkeep_common.errors`), or what Kubernetes gives for a Job, which `Reason.parse` does not know.
`reason_texts` has the sentences.
"""

from enum import StrEnum
from typing import Self

from kronkeep_common.reason_texts import TEXTS


class Reason(StrEnum):
    """A code, its meaning (one sentence), what to do about it, and how kronkeep goes on after it."""

    meaning: str
    next_step: str

    def __new__(cls, code: str) -> Self:
        """Attach the code's texts; raise KeyError for a code without them."""
        member = str.__new__(cls, code)
        member._value_ = code
        member.meaning, member.next_step = TEXTS[code]
        return member

    # Runs, in the words of Kubernetes where it has one.
    IMAGE_PULL_FAILED = "ImagePullFailed"
    INVALID_IMAGE_NAME = "InvalidImageName"
    ERR_IMAGE_NEVER_PULL = "ErrImageNeverPull"
    CONFIGURATION_MISSING = "ConfigurationMissing"
    CREATE_CONTAINER_ERROR = "CreateContainerError"
    RUN_CONTAINER_ERROR = "RunContainerError"
    POST_START_HOOK_ERROR = "PostStartHookError"
    CRASH_LOOP_BACK_OFF = "CrashLoopBackOff"
    MOUNT_FAILED = "MountFailed"
    SANDBOX_FAILED = "SandboxFailed"
    UNSCHEDULABLE = "Unschedulable"
    CANNOT_CREATE_POD = "CannotCreatePod"
    CANNOT_RUN = "CannotRun"
    EXIT_CODE = "ExitCode"
    SIGNAL = "Signal"
    PROBE_FAILED = "ProbeFailed"
    POD_DELETED = "PodDeleted"
    OOM_KILLED = "OOMKilled"
    EVICTED = "Evicted"
    PREEMPTED = "Preempted"
    PREEMPTING = "Preempting"
    NODE_LOST = "NodeLost"
    NODE_NOT_READY = "NodeNotReady"
    NODE_SHUTDOWN = "NodeShutdown"
    TERMINATED = "Terminated"
    UNEXPECTED_ADMISSION_ERROR = "UnexpectedAdmissionError"
    DISRUPTED = "Disrupted"
    POD_FAILURE_POLICY = "PodFailurePolicy"
    FAILED_INDEXES = "FailedIndexes"
    MAX_FAILED_INDEXES_EXCEEDED = "MaxFailedIndexesExceeded"
    SUCCESS_POLICY = "SuccessPolicy"
    SUSPENDED = "Suspended"
    MANAGED_ELSEWHERE = "ManagedElsewhere"
    PODS_ENDING = "PodsEnding"
    BEING_DELETED = "BeingDeleted"
    FAILED = "Failed"
    STILL_RUNNING = "StillRunning"
    DEADLINE_PASSED = "DeadlinePassed"
    NOT_STARTED = "NotStarted"
    REPLACED = "Replaced"
    DELETED = "Deleted"
    FAILED_WHILE_AWAY = "FailedWhileAway"
    GONE_WHILE_AWAY = "GoneWhileAway"
    GAP = "Gap"
    # Any Job of kronkeep's own; DeadlineExceeded is also a run's.
    DEADLINE_EXCEEDED = "DeadlineExceeded"
    START_TIMEOUT = "StartTimeout"
    INTERRUPTED = "Interrupted"
    JOB_FAILED = "JobFailed"
    JOB_GONE = "JobGone"
    PODS_DISAGREE = "PodsDisagree"
    NO_SUMMARY = "NoSummary"
    CANCELLED = "Cancelled"
    # Backups.
    CRONJOB_FAILED = "CronJobFailed"
    CRONJOB_CANCELLED = "CronJobCancelled"
    CRONJOB_UNKNOWN = "CronJobUnknown"
    RUN_NEVER_ENDED = "RunNeverEnded"
    POLICY_GONE = "PolicyGone"
    POLICY_INVALID = "PolicyInvalid"
    QUEUE_TIMEOUT = "QueueTimeout"
    REPOSITORY_BUSY = "RepositoryBusy"
    CLUSTER_BUSY = "ClusterBusy"
    NODE_BUSY = "NodeBusy"
    HOOKS_BUSY = "HooksBusy"
    REPOSITORY_EXCLUSIVE = "RepositoryExclusive"
    REPOSITORY_IN_USE = "RepositoryInUse"
    SOURCE_MISSING = "SourceMissing"
    SOURCE_CLAIM_MISSING = "SourceClaimMissing"
    BLOCK_VOLUME = "BlockVolume"
    VOLUME_COPY_UNSUPPORTED = "VolumeCopyUnsupported"
    VOLUME_COPY_PENDING = "VolumeCopyPending"
    VOLUME_COPY_FAILED = "VolumeCopyFailed"
    NOTHING_TO_ARCHIVE = "NothingToArchive"
    SOURCE_EMPTY = "SourceEmpty"
    INCOMPLETE = "Incomplete"
    DUMP_EMPTY = "DumpEmpty"
    DUMP_FAILED = "DumpFailed"
    HOOK_FAILED = "HookFailed"
    VALIDATION_FAILED = "ValidationFailed"
    RESULT_LOST = "ResultLost"
    SNAPSHOT_UNCONFIRMED = "SnapshotUnconfirmed"
    RECOVERED = "Recovered"
    UNUSUAL = "Unusual"
    CONFIGURATION_TOO_LARGE = "ConfigurationTooLarge"
    NAME_TAKEN = "NameTaken"
    # Storages, and backups and restores that use their repositories.
    REPOSITORY_MISSING = "RepositoryMissing"
    REPOSITORY_THERE = "RepositoryThere"
    REPOSITORY_DAMAGED = "RepositoryDamaged"
    REPOSITORY_LOCKED = "RepositoryLocked"
    WRONG_REPOSITORY = "WrongRepository"
    CONFIG_LOST = "ConfigLost"
    WRONG_PASSWORD = "WrongPassword"  # noqa: S105
    PASSWORD_MISSING = "PasswordMissing"  # noqa: S105
    SECRET_MISSING = "SecretMissing"  # noqa: S105
    CREDENTIALS_MISSING = "CredentialsMissing"
    CREDENTIALS_REFUSED = "CredentialsRefused"
    CERTIFICATE_REFUSED = "CertificateRefused"
    TLS_REFUSED = "TlsRefused"
    HOST_KEY_REFUSED = "HostKeyRefused"
    KEY_UNUSABLE = "KeyUnusable"
    SESSION_REFUSED = "SessionRefused"
    SERVER_UNREACHABLE = "ServerUnreachable"
    BUCKET_MISSING = "BucketMissing"
    BUCKET_NAME_REFUSED = "BucketNameRefused"
    BUCKET_ELSEWHERE = "BucketElsewhere"
    FOLDER_REFUSED = "FolderRefused"
    CLAIM_MISSING = "ClaimMissing"
    RCLONE_MISSING = "RcloneMissing"
    REMOTE_MISSING = "RemoteMissing"
    STORAGE_UNKNOWN = "StorageUnknown"
    DELETING_ALLOWED = "DeletingAllowed"
    DELETING_REFUSED = "DeletingRefused"
    LOCKS_STAY = "LocksStay"
    STORAGES_APART = "StoragesApart"
    STORAGE_INACTIVE = "StorageInactive"
    STORAGE_FULL = "StorageFull"
    STORAGE_READ_ONLY = "StorageReadOnly"
    SCRATCH_UNUSABLE = "ScratchUnusable"
    PERMISSION_DENIED = "PermissionDenied"
    NOT_KEPT = "NotKept"
    NO_FIGURES = "NoFigures"
    TOOL_MISSING = "ToolMissing"
    VERSION_UNKNOWN = "VersionUnknown"
    RESTIC_CRASHED = "ResticCrashed"
    RESTIC_FAILED = "ResticFailed"
    # Copies of backups in other storages.
    COPY_INCOMPLETE = "CopyIncomplete"
    ORIGINAL_GONE = "OriginalGone"
    # Restores and drills.
    NO_BACKUP = "NoBackup"
    SNAPSHOT_GONE = "SnapshotGone"
    SNAPSHOT_MISSING = "SnapshotMissing"
    PRUNE_HELD = "PruneHeld"
    HISTORY_TOO_LARGE = "HistoryTooLarge"
    LISTING_UNREADABLE = "ListingUnreadable"
    TARGET_FULL = "TargetFull"
    TARGET_READ_ONLY = "TargetReadOnly"
    CHANGED_MEANWHILE = "ChangedMeanwhile"
    DIFFERENT = "Different"
    MOVE_FAILED = "MoveFailed"
    LOOK_FAILED = "LookFailed"
    CHECK_FAILED = "CheckFailed"

    @property
    def retryable(self) -> bool:
        """Whether another attempt may succeed although nobody has changed anything."""
        return self not in _LASTING

    @property
    def killed(self) -> bool:
        """Whether restic may have been killed, and so have left a lock behind in the repository."""
        return self in _KILLED

    @property
    def doubtful(self) -> bool:
        """Whether restic may have made its snapshot before the failure; look it up in the repository."""
        return self in _DOUBTFUL

    @property
    def inconclusive(self) -> bool:
        """Whether the state of the repository is as unknown as before."""
        return self in _INCONCLUSIVE

    @property
    def readable(self) -> bool:
        """Whether the repository can still be read, so that reading it proves nothing against the reason."""
        return self in _READABLE

    @property
    def testable(self) -> bool:
        """Whether a test of the storage shows whether the reason holds for all of it."""
        return self in _TESTABLE

    @property
    def away(self) -> bool:
        """Whether a repository, or what it had of a backup, is away; nothing else is cured by a copy."""
        return self in _AWAY

    @classmethod
    def parse(cls, code: str | None) -> "Reason | None":
        """Return the reason with that code; None for any other code."""
        return cls(code) if code in TEXTS else None

    @classmethod
    def is_away_code(cls, code: str | None) -> bool:
        """Whether a code is that of a reason which is `away`."""
        reason = cls.parse(code)
        return reason is not None and reason.away


_LASTING = frozenset(
    {
        Reason.WRONG_PASSWORD,
        Reason.WRONG_REPOSITORY,
        Reason.REPOSITORY_MISSING,
        Reason.REPOSITORY_DAMAGED,
        Reason.SOURCE_MISSING,
        Reason.SOURCE_CLAIM_MISSING,
        Reason.BLOCK_VOLUME,
        Reason.VOLUME_COPY_UNSUPPORTED,
        Reason.NOTHING_TO_ARCHIVE,
        Reason.POLICY_INVALID,
        Reason.DEADLINE_EXCEEDED,
        Reason.VALIDATION_FAILED,
        Reason.TOOL_MISSING,
        Reason.CONFIGURATION_TOO_LARGE,
        Reason.PASSWORD_MISSING,
        Reason.SECRET_MISSING,
        Reason.NAME_TAKEN,
    }
)
_KILLED = frozenset({Reason.JOB_GONE, Reason.JOB_FAILED, Reason.INTERRUPTED, Reason.DEADLINE_EXCEEDED})
_DOUBTFUL = _KILLED | {Reason.NO_SUMMARY, Reason.NAME_TAKEN, Reason.PODS_DISAGREE}
_INCONCLUSIVE = frozenset({Reason.REPOSITORY_LOCKED, Reason.DEADLINE_EXCEEDED, Reason.INTERRUPTED})
_READABLE = frozenset({Reason.STORAGE_FULL, Reason.STORAGE_READ_ONLY, Reason.PERMISSION_DENIED})
# Why a storage, or a repository in it, cannot be used.
_OF_STORAGES = frozenset(
    {
        Reason.REPOSITORY_MISSING,
        Reason.WRONG_REPOSITORY,
        Reason.CONFIG_LOST,
        Reason.WRONG_PASSWORD,
        Reason.PASSWORD_MISSING,
        Reason.SECRET_MISSING,
        Reason.CREDENTIALS_MISSING,
        Reason.CREDENTIALS_REFUSED,
        Reason.CERTIFICATE_REFUSED,
        Reason.TLS_REFUSED,
        Reason.HOST_KEY_REFUSED,
        Reason.SERVER_UNREACHABLE,
        Reason.BUCKET_MISSING,
        Reason.BUCKET_NAME_REFUSED,
        Reason.BUCKET_ELSEWHERE,
        Reason.FOLDER_REFUSED,
        Reason.REMOTE_MISSING,
        Reason.STORAGE_INACTIVE,
    }
)
_TESTABLE = _OF_STORAGES | {Reason.KEY_UNUSABLE, Reason.SESSION_REFUSED, Reason.STORAGE_READ_ONLY}
_AWAY = _OF_STORAGES | {
    Reason.REPOSITORY_DAMAGED,
    Reason.CLAIM_MISSING,
    Reason.STORAGE_UNKNOWN,
    Reason.SNAPSHOT_GONE,
}
