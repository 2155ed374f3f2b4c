"""The codes of alerts, which scripts and silences compare, so that they never change."""

from enum import StrEnum
from typing import Self


class AlertCode(StrEnum):
    """What an alert is about; `meaning` is one sentence for the reference page."""

    meaning: str

    def __new__(cls, code: str, meaning: str) -> Self:
        """Attach the meaning to the code."""
        member = str.__new__(cls, code)
        member._value_ = code
        member.meaning = meaning
        return member

    RUN_FAILED = "RunFailed", "The newest run that ended failed, or how it ended is not known."
    RUN_MISSED = "RunMissed", "No run was started for the newest slot, or it is late."
    BACKUP_FAILED = (
        "BackupFailed",
        "The newest backup that ended made no snapshot, or how it ended is not known.",
    )
    BACKUP_PARTIAL = "BackupPartial", "The newest backup that ended could not read everything."
    BACKUP_UNUSUAL = (
        "BackupUnusual",
        "A backup that succeeded is unusual; its policy's retention waits until this is acknowledged.",
    )
    POST_HOOK_FAILED = (
        "PostHookFailed",
        "A hook after a backup failed, so what it was to undo, as a frozen database, may still be so.",
    )
    BACKUP_OVERDUE = "BackupOverdue", "The newest good backup is older than the policy allows (rpo_seconds)."
    COPY_FAILED = "CopyFailed", "The last copy of a backup to one of the policy's other storages failed."
    COPY_OVERDUE = (
        "CopyOverdue",
        "The newest good backup in a copy is older than that copy allows (its rpo_seconds).",
    )
    SNAPSHOT_MISSING = "SnapshotMissing", "The repository lacks snapshots that retention has not removed."
    RESTORE_TOO_SLOW = (
        "RestoreTooSlow",
        "Restoring the newest good backup is expected to take longer than the policy allows (rto_seconds).",
    )
    DRILL_FAILED = "DrillFailed", "The newest drill that ended did not restore everything."
    DRILL_OVERDUE = "DrillOverdue", "A drill was due and was not started before its deadline."
    POLICY_INVALID = "PolicyInvalid", "The CronJob's backup policy cannot be read: nothing is backed up."
    NOTHING_TO_ARCHIVE = (
        "NothingToArchive",
        "The policy has nothing to archive, as the CronJob is now: its next backup will fail.",
    )
    STORAGE_NOT_USABLE = (
        "StorageNotUsable",
        "The policy's storage does not exist, or does not serve its namespace: its next backup will fail.",
    )
    SCHEDULE_CONFLICT_ACCEPTED = (
        "ScheduleConflictAccepted",
        "The backup's schedule does not fit the CronJob's, and the policy accepts that.",
    )
    SCHEDULE_CONFLICT = (
        "ScheduleConflict",
        "The schedules of the CronJob and of its backup conflict, as after kubectl changed one of them.",
    )
    MAINTENANCE_NOT_ENDED = (
        "MaintenanceNotEnded",
        "The CronJob is still suspended by a maintenance that is over, or that no daemon knows.",
    )
    STORAGE_FAILED = "StorageFailed", "The storage could not be created or deleted."
    STORAGE_UNREACHABLE = (
        "StorageUnreachable",
        "The storage's repository could not be opened the last time; why is its reason, such as "
        "`RepositoryMissing`.",
    )
    STORAGE_DAMAGED = "StorageDamaged", "restic check found errors in the repository."
    STORAGE_FILLING = (
        "StorageFilling",
        "85 % of the storage's capacity is used; from 95 % on, or where work found it full, it is critical.",
    )
    RECOVERY_KIT_DUE = (
        "RecoveryKitDue",
        "The storage's recovery kit lacks a repository or has old passwords, nobody has shown it for 90 "
        "days, or none was made.",
    )
    DELETING_ALLOWED = (
        "DeletingAllowed",
        "The credentials of archives could delete when the storage was last tested, though others are to.",
    )
    BACKUPS_UNRECORDED = "BackupsUnrecorded", "The storage has backups of this kronkeep that have no record."
    PRUNE_WAITS = "PruneWaits", "The space of removed snapshots is not freed: something is in the way."
    REPOSITORY_CROWDED = (
        "RepositoryCrowded",
        "Archives in one of the storage's repositories begin late: it has too many snapshots.",
    )
    HISTORY_NOT_ARCHIVED = (
        "HistoryNotArchived",
        "The history could not be archived into a storage of the settings; after two days it is critical.",
    )
    UNCOVERED = "Uncovered", "A claim has been there for a day, and no policy in force archives all of it."
    CLOCK_JUMPED = (
        "ClockJumped",
        "The clocks of this machine and the cluster disagree, or one jumped: nothing is removed now.",
    )
    HISTORY_WENT_BACK = (
        "HistoryWentBack",
        "The history lacks changes that were acknowledged: an older copy of it was put back.",
    )
    LOGS_REMOVED = (
        "LogsRemoved",
        "Kept logs reached a limit within the last day: the oldest went before their time.",
    )
    SINK_NOT_SHIPPED = (
        "SinkNotShipped",
        "A sink of the history takes no changes; it is critical once changes that it needs are gone.",
    )
    CLUSTER_NEVER_CONNECTED = (
        "ClusterNeverConnected",
        "A cluster of the settings has never been connected: nothing of it is recorded or backed up.",
    )
    TOKEN_ENDING = (
        "TokenEnding",
        "The token in a cluster's kubeconfig ends within 14 days; from 2 days on it is critical.",
    )
    WATCH_NOT_LIVE = "WatchNotLive", "A watch of a cluster is not live: what is shown may be old."
    CHANNEL_STUCK = (
        "ChannelStuck",
        "A channel of the settings accepts no messages; the alert is sent on the others.",
    )
    HEARTBEAT_NOT_SENT = "HeartbeatNotSent", "A heartbeat could not be sent to its monitor."
