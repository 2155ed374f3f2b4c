"""BackupPolicy: what is archived, where, when, and for how long.

Held as JSON in the annotation `kronkeep.dev/backup-policy` of its CronJob; `version` is the schema's.
"""

from typing import Annotated, Literal

import msgspec

from kronkeep_common.models.base import Name, Request, Seconds

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


class Encryption(Request, frozen=True, kw_only=True):
    """restic always encrypts, with the storage's password; `enabled=False` is refused, never ignored."""

    enabled: bool = True


class Retention(Request, frozen=True, kw_only=True):
    """Which snapshots stay; the rules are ORed and `min_good` good ones are never removed."""

    days: Annotated[int, msgspec.Meta(ge=1, le=3650)] | None = None
    keep_last: Count = 0
    keep_hourly: Count = 0
    keep_daily: Count = 0
    keep_weekly: Count = 0
    keep_monthly: Count = 0
    keep_yearly: Count = 0
    min_good: Annotated[int, msgspec.Meta(ge=1, le=1000)] = 1


class BackupPolicySpec(Request, frozen=True, kw_only=True):
    """What a person writes; `schedule=None` means after each run."""

    storage_id: Name
    enabled: bool = True
    schedule: str | None = None
    time_zone: str | None = None
    delay_seconds: Seconds = 0
    when: Literal["success", "always"] = "success"
    source: Source = Source()
    backup_type: Literal["full", "incremental"] = "incremental"
    compression: Literal["off", "auto", "max"] = "auto"
    encryption: Encryption = Encryption()
    retention: Retention = Retention(days=30)
    expected_duration_seconds: Seconds | None = None
    deadline_seconds: Annotated[float, msgspec.Meta(ge=1)] = 6 * 3600
    retries: Annotated[int, msgspec.Meta(ge=0, le=10)] = 1
    on_conflict: Literal["reject", "after-run", "accept"] = "reject"


class BackupPolicy(BackupPolicySpec, frozen=True, kw_only=True):
    """A policy as the annotation holds it: with its identity, which its history outlives."""

    id: str
    version: Literal[1] = 1
