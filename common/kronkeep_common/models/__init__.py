"""The one schema: msgspec structs that validate requests, make answers and are kept in the history.

Times are timezone-aware UTC datetimes (RFC 3339 with Z in JSON), durations are seconds, sizes are bytes.
Unknown fields are refused wherever a person or a script writes (`Request` structs and policies).
"""

from kronkeep_common.models.alert import Alert
from kronkeep_common.models.backup import (
    BackupExecution,
    BackupResult,
    HookRun,
    OrphanedPolicy,
    Progress,
)
from kronkeep_common.models.backup_copy import BackupCopy
from kronkeep_common.models.copy_state import CopyState
from kronkeep_common.models.cronjob import (
    Cause,
    CronJob,
    CronJobCreate,
    CronJobExecution,
    CronJobManifest,
    CronJobSpec,
    EnvVar,
    KeptLog,
    LogLimit,
    LogRemoval,
    OtherVolume,
    PodRecord,
    VolumeMount,
)
from kronkeep_common.models.policy import (
    BackupPolicy,
    BackupPolicySpec,
    ClaimSource,
    DatabaseDump,
    Drill,
    DrillCheck,
    Encryption,
    Hook,
    Hooks,
    Include,
    Limits,
    PolicyCopy,
    Retention,
    SecretKeyRef,
    Source,
    UnarchivedVolume,
)
from kronkeep_common.models.queue import QueueEntry
from kronkeep_common.models.restore import (
    Restore,
    RestorePlan,
    RestoreRequest,
    RestoreTarget,
    SnapshotFile,
    SnapshotFolder,
)
from kronkeep_common.models.retention import (
    RetentionApproval,
    RetentionPlan,
    RetentionPreview,
    SnapshotVerdict,
)
from kronkeep_common.models.schedule import Finding, Resolution, ScheduleCheckRequest, ScheduleVerdict
from kronkeep_common.models.silence import Silence, SilenceRequest, SilenceView
from kronkeep_common.models.storage import (
    BackupStorage,
    BackupStorageChange,
    BackupStorageCreate,
    DataCheck,
    ForeignSnapshot,
    StorageSnapshots,
    StorageUsage,
)
from kronkeep_common.models.storage_kinds import CredentialKey, StorageField, StorageKind

__all__ = [
    "Alert",
    "BackupCopy",
    "BackupExecution",
    "BackupPolicy",
    "BackupPolicySpec",
    "BackupResult",
    "BackupStorage",
    "BackupStorageChange",
    "BackupStorageCreate",
    "Cause",
    "ClaimSource",
    "CopyState",
    "CredentialKey",
    "CronJob",
    "CronJobCreate",
    "CronJobExecution",
    "CronJobManifest",
    "CronJobSpec",
    "DataCheck",
    "DatabaseDump",
    "Drill",
    "DrillCheck",
    "Encryption",
    "EnvVar",
    "Finding",
    "ForeignSnapshot",
    "Hook",
    "HookRun",
    "Hooks",
    "Include",
    "KeptLog",
    "Limits",
    "LogLimit",
    "LogRemoval",
    "OrphanedPolicy",
    "OtherVolume",
    "PodRecord",
    "PolicyCopy",
    "Progress",
    "QueueEntry",
    "Resolution",
    "Restore",
    "RestorePlan",
    "RestoreRequest",
    "RestoreTarget",
    "Retention",
    "RetentionApproval",
    "RetentionPlan",
    "RetentionPreview",
    "ScheduleCheckRequest",
    "ScheduleVerdict",
    "SecretKeyRef",
    "Silence",
    "SilenceRequest",
    "SilenceView",
    "SnapshotFile",
    "SnapshotFolder",
    "SnapshotVerdict",
    "Source",
    "StorageField",
    "StorageKind",
    "StorageSnapshots",
    "StorageUsage",
    "UnarchivedVolume",
    "VolumeMount",
]
