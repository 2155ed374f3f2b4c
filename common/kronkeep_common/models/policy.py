"""BackupPolicy: what is archived, where, when, and how long it is kept.

A policy is stored as JSON in the annotation `kronkeep.dev/backup-policy` of its CronJob or claim.
"""

from typing import Annotated, Literal

import msgspec

from kronkeep_common.models.base import MONTH, YEARS, Name, Record, Request

BackupType = Literal["full", "incremental"]
Compression = Literal["off", "auto", "max"]
PathText = Annotated[str, msgspec.Meta(min_length=1, max_length=4096)]  # PATH_MAX of Linux
Consistency = Literal["live", "snapshot", "clone"]
Priority = Literal["low", "normal", "high"]
ScheduleText = Annotated[str, msgspec.Meta(max_length=1000)]
ZoneText = Annotated[str, msgspec.Meta(max_length=100)]
Count = Annotated[int, msgspec.Meta(ge=0, le=100_000)]


class SecretKeyRef(Request, frozen=True, kw_only=True):
    """A key of a Kubernetes Secret in the CronJob's namespace; its value is never stored.

    secret: the Secret's name.
    key: the key in it.
    """

    secret: Name
    key: Name = "password"


class ClaimSource(Request, frozen=True, kw_only=True):
    """A PersistentVolumeClaim to archive, or only some paths below its root.

    claim: its name, in the CronJob's namespace.
    paths: those below its root; none means all of it.
    """

    claim: Name
    paths: Annotated[tuple[PathText, ...], msgspec.Meta(max_length=500)] = ()


class Source(Request, frozen=True, kw_only=True):
    """The data to archive.

    claims: the claims; without any, those that the CronJob's containers mount, or the claim that has the
        policy.
    exclude: patterns of restic's --exclude; one that begins with / begins at each claim's root, one that
        begins with ! takes back what an earlier one leaves out.
    exclude_caches: leave out what is in folders with a CACHEDIR.TAG.
    exclude_larger_than: leave out files with more bytes.
    consistency: what is read: the claims themselves (`live`), or volumes made from them for one archive, by
        a VolumeSnapshot of each (`snapshot`) or by the driver's cloning (`clone`).
    copy_storage_class: the StorageClass of those volumes; that of the claim without it.
    """

    claims: Annotated[tuple[ClaimSource, ...], msgspec.Meta(max_length=100)] = ()
    exclude: Annotated[tuple[PathText, ...], msgspec.Meta(max_length=200)] = ()
    exclude_caches: bool = False
    exclude_larger_than: Annotated[int, msgspec.Meta(ge=1, le=1 << 60)] | None = None
    consistency: Consistency = "live"
    copy_storage_class: Name | None = None

    @property
    def leaves_out(self) -> bool:
        """Whether some of the files may be left out."""
        return bool(self.exclude) or self.exclude_caches or self.exclude_larger_than is not None


class UnarchivedVolume(Record, frozen=True, kw_only=True):
    """A volume that the CronJob mounts and the policy does not archive, and why.

    `kind` is the field of core/v1 that says where its data is, such as `hostPath` or `nfs`.
    """

    name: str
    kind: str
    mount_path: str
    reason: str

    @property
    def sentence(self) -> str:
        """What is not archived, and why."""
        return f"{self.name} ({self.kind}) at {self.mount_path} is not archived: {self.reason}."


POLICY_ID_PATTERN = r"^[a-z0-9]([-a-z0-9]{0,38}[a-z0-9])?$"
EnvName = Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z_][A-Za-z0-9_.-]*$", max_length=253)]
SecretEnv = Annotated[dict[EnvName, SecretKeyRef], msgspec.Meta(max_length=100)]
Command = Annotated[tuple[str, ...], msgspec.Meta(min_length=1, max_length=200)]
Image = Annotated[str, msgspec.Meta(min_length=1, max_length=500)]


class DatabaseDump(Request, frozen=True, kw_only=True):
    """A command, run without a shell, whose standard output is archived as the file `/<file_name>`.

    It is streamed by `restic backup --stdin-from-command` (restic 0.17 and later), which makes no snapshot
    where the command fails.

    image: the container's image.
    command: the program and its arguments.
    file_name: the name of the file in the snapshot.
    env: variables from Secrets of the CronJob's namespace.
    """

    image: Image
    command: Command
    file_name: Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9_][A-Za-z0-9._-]{0,99}$")] = "dump"
    env: SecretEnv = {}


class Include(Request, frozen=True, kw_only=True):
    """What an archive has: the claims, the CronJob with its ConfigMaps (Secrets only by name), a dump.

    A dump that the run itself writes to a claim is part of `volumes`.

    volumes: the claims of the source.
    configuration: the CronJob's manifest and its ConfigMaps; Secrets by name only.
    database: a dump that a command writes.
    """

    volumes: bool = True
    configuration: bool = False
    database: DatabaseDump | None = None


class Hook(Request, frozen=True, kw_only=True):
    """A container that runs before or after an archive.

    The claims are mounted below /source and, for a validate hook, the snapshot's content below /content.

    name: of the hook, in messages and logs.
    image: the container's image.
    command: the program and its arguments.
    env: variables from Secrets of the CronJob's namespace.
    timeout_seconds: how long it may run.
    on_failure: where it fails or takes too long, the backup fails (`stop`) or gets a warning (`continue`).
    when: of a hook after the archive, after which result it runs.
    """

    name: Annotated[str, msgspec.Meta(pattern=r"^[a-z0-9]([-a-z0-9]{0,28}[a-z0-9])?$")]
    image: Image
    command: Command
    env: SecretEnv = {}
    timeout_seconds: Annotated[float, msgspec.Meta(ge=1, le=7 * 86400)] = 600
    on_failure: Literal["stop", "continue"] = "stop"
    when: Literal["always", "success", "failure"] = "always"


HookList = Annotated[tuple[Hook, ...], msgspec.Meta(max_length=20)]


class Hooks(Request, frozen=True, kw_only=True):
    """The hooks of an archive; each list runs in order.

    pre: before the archive.
    validate: on the snapshot's content.
    post: after the archive.
    """

    pre: HookList = ()
    validate: HookList = ()
    post: HookList = ()


class Encryption(Request, frozen=True, kw_only=True):
    """How archives are encrypted; by default in the storage's repository with its password.

    With a key of its own, or without encryption, a policy has a repository of its own below the storage's.

    enabled: whether archives are encrypted; if not, with an empty password (restic 0.17 and later).
    key: a password in a Secret of the CronJob's namespace.
    """

    enabled: bool = True
    key: SecretKeyRef | None = None


class Retention(Request, frozen=True, kw_only=True):
    """Which snapshots are kept: those that any rule keeps, good backups first.

    days: all that are younger; 0 or none is no such rule.
    keep_last: so many of the newest.
    keep_hourly, keep_daily, keep_weekly, keep_monthly, keep_yearly: the newest of each of so many hours,
        days, weeks, months or years that have one.
    min_good: so many of the newest good backups are never removed.
    """

    days: Annotated[int, msgspec.Meta(ge=0, le=3650)] | None = None
    keep_last: Count = 0
    keep_hourly: Count = 0
    keep_daily: Count = 0
    keep_weekly: Count = 0
    keep_monthly: Count = 0
    keep_yearly: Count = 0
    min_good: Annotated[int, msgspec.Meta(ge=1, le=1000)] = 1


KibPerSecond = Annotated[int, msgspec.Meta(ge=1, le=100_000_000)]


class Limits(Request, frozen=True, kw_only=True):
    """How much of the network an archive may take.

    upload_kib, download_kib: in KiB a second, to and from the storage; none is no limit.
    """

    upload_kib: KibPerSecond | None = None
    download_kib: KibPerSecond | None = None


class DrillCheck(Request, frozen=True, kw_only=True):
    """A command that must end with exit code 0; the restored files are mounted below /restored.

    image: the container's image.
    command: the program and its arguments.
    """

    image: Image
    command: Command


class Drill(Request, frozen=True, kw_only=True):
    """A test restore on a schedule: the newest or a random good backup is restored to scratch and compared.

    With a drill, the SHA-256 of each file is recorded after each backup.

    schedule: when, as a cron line.
    time_zone: an IANA time zone of the schedule.
    pick: which good backup is restored.
    check: a command that judges the restored files.
    deadline_seconds: how long the drill may take.
    """

    schedule: ScheduleText
    time_zone: ZoneText | None = None
    pick: Literal["newest", "random"] = "newest"
    check: DrillCheck | None = None
    deadline_seconds: Annotated[float, msgspec.Meta(ge=1, le=MONTH)] = 6 * 3600


class PolicyCopy(Request, frozen=True, kw_only=True):
    """A second copy of the policy's backups in another storage, made by `restic copy`.

    It has what its retention keeps of the policy's backups that succeeded or are partial.

    storage_id: the storage that the copy is in; not the policy's own.
    schedule: when to copy, as a cron line; without one, after each backup.
    time_zone: an IANA time zone of the schedule.
    after: `backup`, which is the same as no schedule.
    retention: which backups the copy has; the policy's without it.
    rpo_seconds: the newest good backup in the copy must not be older than this, or the copy is overdue.
    deadline_seconds: how long the copying of one backup may take.
    drill: a test restore from the copy, on a schedule of its own.
    """

    storage_id: Name
    schedule: ScheduleText | None = None
    time_zone: ZoneText | None = None
    after: Literal["backup"] | None = None
    retention: Retention | None = None
    rpo_seconds: Annotated[float, msgspec.Meta(ge=60, le=YEARS)] | None = None
    deadline_seconds: Annotated[float, msgspec.Meta(ge=1, le=MONTH)] = 24 * 3600
    drill: Drill | None = None


class BackupPolicySpec(Request, frozen=True, kw_only=True):
    """A policy as a person writes it; without a `schedule` it backs up after each run.

    storage_id: the storage that archives go to.
    enabled: whether backups are made; what there is stays.
    schedule: when to back up, as a cron line; without one, after each run. The policy of a claim needs one.
    time_zone: an IANA time zone of the schedule.
    delay_seconds: how long after the run or the slot the archive begins.
    when: after which runs to back up: successful ones, or all.
    backup_type: whether unchanged files are read again (`full`).
    compression: restic's.
    read_concurrency: how many files are read at once; restic's own without it (restic 0.15 and later).
    pack_size_mib: how large the repository's files are made, in MiB; restic's own without it.
    rpo_seconds: the newest good backup must not be older than this, or the policy is overdue.
    rto_seconds: restoring the newest good backup must not take longer than this by earlier restores and
        drills, or the alert RestoreTooSlow opens.
    priority: which of the namespace's backups is earlier where several wait for a place in the queue.
    expected_duration_seconds: how long an archive takes, for the check of schedules; measured without it.
    deadline_seconds: how long an archive may take.
    retries: how often an archive that failed is tried again.
    copies: further copies of its backups, each in another storage.
    on_conflict: what to do where the schedule of the backup and that of the CronJob conflict.
    """

    storage_id: Name
    enabled: bool = True
    schedule: ScheduleText | None = None
    time_zone: ZoneText | None = None
    delay_seconds: Annotated[float, msgspec.Meta(ge=0, le=MONTH)] = 0
    when: Literal["success", "always"] = "success"
    source: Source = Source()
    include: Include = Include()
    backup_type: BackupType = "incremental"
    compression: Compression = "auto"
    encryption: Encryption = Encryption()
    limits: Limits = Limits()
    read_concurrency: Annotated[int, msgspec.Meta(ge=1, le=64)] | None = None
    pack_size_mib: Annotated[int, msgspec.Meta(ge=4, le=128)] | None = None
    retention: Retention = Retention(days=30)
    hooks: Hooks = Hooks()
    priority: Priority = "normal"
    rpo_seconds: Annotated[float, msgspec.Meta(ge=60, le=YEARS)] | None = None
    rto_seconds: Annotated[float, msgspec.Meta(ge=1, le=MONTH)] | None = None
    expected_duration_seconds: Annotated[float, msgspec.Meta(ge=0, le=YEARS)] | None = None
    deadline_seconds: Annotated[float, msgspec.Meta(ge=1, le=MONTH)] = 6 * 3600
    retries: Annotated[int, msgspec.Meta(ge=0, le=10)] = 1
    drill: Drill | None = None
    copies: Annotated[tuple[PolicyCopy, ...], msgspec.Meta(max_length=5)] = ()
    on_conflict: Literal["reject", "shift", "after-run", "accept"] = "reject"


class ClaimPolicyManifest(Request, frozen=True, kw_only=True):
    """A claim with the policy of its own that it is to have.

    namespace, claim: the PersistentVolumeClaim, which exists.
    policy: its policy, which needs a schedule.
    """

    namespace: Name = "default"
    claim: Name
    policy: BackupPolicySpec


class BackupPolicy(BackupPolicySpec, frozen=True, kw_only=True):
    """A policy as the annotation stores it: with an id, which is part of restic's tags and folder names.

    `version` is the version of the schema.
    """

    id: Annotated[str, msgspec.Meta(pattern=POLICY_ID_PATTERN)]
    version: Literal[1] = 1

    def copy_in(self, storage_id: str) -> PolicyCopy | None:
        """Return what the policy says of its copy in a storage; None where it has none there."""
        return next((copy for copy in self.copies if copy.storage_id == storage_id), None)

    @property
    def spec(self) -> BackupPolicySpec:
        """The policy without its id and version."""
        return BackupPolicySpec(**{f: getattr(self, f) for f in BackupPolicySpec.__struct_fields__})
