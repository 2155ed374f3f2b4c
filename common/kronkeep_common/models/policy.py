"""BackupPolicy: what is archived, where, when, and for how long.

Held as JSON in the annotation `kronkeep.dev/backup-policy` of its CronJob; `version` is the schema's.
"""

from typing import Annotated, Literal

import msgspec

from kronkeep_common.models.base import MONTH, YEARS, Name, Request

BackupType = Literal["full", "incremental"]
Compression = Literal["off", "auto", "max"]
Count = Annotated[int, msgspec.Meta(ge=0, le=100_000)]


class SecretKeyRef(Request, frozen=True, kw_only=True):
    """One key of a Kubernetes Secret in the CronJob's namespace; the value itself is never held."""

    secret: Name
    key: Name = "password"


class ClaimSource(Request, frozen=True, kw_only=True):
    """A PersistentVolumeClaim and the paths below its root to archive; no paths means all of it."""

    claim: Name
    paths: tuple[str, ...] = ()


class Source(Request, frozen=True, kw_only=True):
    """The claims to archive; none named means the claims that the CronJob's containers mount."""

    claims: tuple[ClaimSource, ...] = ()


SecretEnv = dict[Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z_][A-Za-z0-9_.-]*$")], SecretKeyRef]
Command = Annotated[tuple[str, ...], msgspec.Meta(min_length=1, max_length=200)]
Image = Annotated[str, msgspec.Meta(min_length=1, max_length=500)]


class DatabaseDump(Request, frozen=True, kw_only=True):
    """A command whose standard output is archived as the file `/<file_name>`; never a shell line.

    It is streamed by `restic backup --stdin-from-command` (restic 0.17), which makes no snapshot when the
    command fails. `env` gives variables from Secrets of the CronJob's namespace.
    """

    image: Image
    command: Command
    file_name: Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9_][A-Za-z0-9._-]{0,99}$")] = "dump"
    env: SecretEnv = {}


class Include(Request, frozen=True, kw_only=True):
    """What goes into an archive: claims, the CronJob with its ConfigMaps (Secrets by name), a dump.

    A dump that the run itself writes to a claim is part of `volumes`.
    """

    volumes: bool = True
    configuration: bool = False
    database: DatabaseDump | None = None


class Hook(Request, frozen=True, kw_only=True):
    """One container run around an archive; `when` is heeded after the archive only.

    It sees the claims below /source and, as a validate hook, the snapshot's content below /content. A hook
    that fails or takes too long ends the backup as failed (`stop`) or is passed over with a warning.
    """

    name: Annotated[str, msgspec.Meta(pattern=r"^[a-z0-9]([-a-z0-9]{0,28}[a-z0-9])?$")]
    image: Image
    command: Command
    env: SecretEnv = {}
    timeout_seconds: Annotated[float, msgspec.Meta(ge=1, le=7 * 86400)] = 600
    on_failure: Literal["stop", "continue"] = "stop"
    when: Literal["always", "success", "failure"] = "always"


Few = Annotated[tuple[Hook, ...], msgspec.Meta(max_length=20)]


class Hooks(Request, frozen=True, kw_only=True):
    """Containers before the archive, on the snapshot's content, and after it; each list in order."""

    pre: Few = ()
    validate: Few = ()
    post: Few = ()


class Encryption(Request, frozen=True, kw_only=True):
    """By default the storage's repository and password.

    A `key` of the policy's own (a Secret of the CronJob's namespace), or none at all (`enabled=False`: an
    empty password, restic 0.17), means a repository of its own below the storage's.
    """

    enabled: bool = True
    key: SecretKeyRef | None = None


class Retention(Request, frozen=True, kw_only=True):
    """Which snapshots stay; rules are ORed, good backups first; `min_good` good ones are never removed."""

    days: Annotated[int, msgspec.Meta(ge=1, le=3650)] | None = None
    keep_last: Count = 0
    keep_hourly: Count = 0
    keep_daily: Count = 0
    keep_weekly: Count = 0
    keep_monthly: Count = 0
    keep_yearly: Count = 0
    min_good: Annotated[int, msgspec.Meta(ge=1, le=1000)] = 1


class DrillCheck(Request, frozen=True, kw_only=True):
    """A command that must exit with 0 beside the restored files, which it sees below /restored."""

    image: Annotated[str, msgspec.Meta(min_length=1, max_length=500)]
    command: Annotated[tuple[str, ...], msgspec.Meta(min_length=1, max_length=200)]


class Drill(Request, frozen=True, kw_only=True):
    """Restores the newest, or a random, good backup to scratch on a schedule and compares it.

    A policy with a drill also makes a manifest (SHA-256 of each file) after each backup.
    """

    schedule: str
    time_zone: str | None = None
    pick: Literal["newest", "random"] = "newest"
    check: DrillCheck | None = None
    deadline_seconds: Annotated[float, msgspec.Meta(ge=1, le=MONTH)] = 6 * 3600


class BackupPolicySpec(Request, frozen=True, kw_only=True):
    """What a person writes; `schedule=None` means after each run.

    `rpo_seconds`: a good backup is wanted at least this often; later than that it is overdue.
    """

    storage_id: Name
    enabled: bool = True
    schedule: str | None = None
    time_zone: str | None = None
    delay_seconds: Annotated[float, msgspec.Meta(ge=0, le=MONTH)] = 0
    when: Literal["success", "always"] = "success"
    source: Source = Source()
    include: Include = Include()
    backup_type: BackupType = "incremental"
    compression: Compression = "auto"
    encryption: Encryption = Encryption()
    retention: Retention = Retention(days=30)
    hooks: Hooks = Hooks()
    rpo_seconds: Annotated[float, msgspec.Meta(ge=60, le=YEARS)] | None = None
    expected_duration_seconds: Annotated[float, msgspec.Meta(ge=0, le=YEARS)] | None = None
    deadline_seconds: Annotated[float, msgspec.Meta(ge=1, le=MONTH)] = 6 * 3600
    retries: Annotated[int, msgspec.Meta(ge=0, le=10)] = 1
    drill: Drill | None = None
    on_conflict: Literal["reject", "shift", "after-run", "accept"] = "reject"


class BackupPolicy(BackupPolicySpec, frozen=True, kw_only=True):
    """A policy as the annotation holds it: with its identity, which its history outlives.

    The identity is part of restic's tags and of a repository's folder.
    """

    id: Annotated[str, msgspec.Meta(pattern=r"^[a-z0-9]([-a-z0-9]{0,38}[a-z0-9])?$")]
    version: Literal[1] = 1

    @property
    def spec(self) -> BackupPolicySpec:
        """What a person wrote of it, without its identity."""
        return BackupPolicySpec(**{f: getattr(self, f) for f in BackupPolicySpec.__struct_fields__})
