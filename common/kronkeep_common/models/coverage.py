"""Coverage: for each claim of the watched namespaces which policy backs it up, or that none does."""

from typing import Literal

from kronkeep_common.models.base import Bytes, Moment, Record

ClaimStatus = Literal["covered", "partly", "stopped", "unprotected", "nobody", "unbound", "storage", "exempt"]
UNCOVERED: tuple[ClaimStatus, ...] = ("stopped", "unprotected", "nobody", "partly")


class ClaimPolicy(Record, frozen=True, kw_only=True):
    """A policy that archives a claim, of the CronJob `cronjob` of its namespace.

    `paths` are the only parts that it archives; empty where it archives all. `leaves_out`: it has excludes.
    `stopped` says why it makes no backups of the claim now; None where it does.
    """

    policy_id: str
    cronjob: str
    storage_id: str
    paths: tuple[str, ...] = ()
    leaves_out: bool = False
    stopped: str | None = None


class ClaimCoverage(Record, frozen=True, kw_only=True):
    """A PersistentVolumeClaim and who backs it up; `id` is its uid.

    `status` is `covered` (a policy archives all of it), `partly` (policies archive some paths of it),
    `stopped` (its policies make no backups now), `unprotected` (CronJobs mount it, and none has a policy for
    it), `nobody` (no CronJob mounts it, no policy names it), `unbound` (it has no volume yet), `storage` (it
    holds the repositories of a storage), `exempt` (the annotation kronkeep.dev/backup-exempt says why it
    needs no backup). `size_bytes` is its volume's size, or what it requests. `mounted_by` are CronJobs of its
    namespace that mount it (20 at most, as `policies`). `last_good_at` is when the newest good backup with
    all of it ended whose snapshot is there (in the status `partly`, with some of it), `last_verified_at` when
    such a backup was last restored and found identical. `message` says in words why it has its status.
    """

    id: str
    cluster: str
    namespace: str
    name: str
    status: ClaimStatus
    created_at: Moment
    size_bytes: Bytes | None = None
    storage_class: str | None = None
    policies: tuple[ClaimPolicy, ...] = ()
    mounted_by: tuple[str, ...] = ()
    last_good_at: Moment | None = None
    last_verified_at: Moment | None = None
    exemption: str | None = None
    message: str
    next_step: str | None = None

    @property
    def is_uncovered(self) -> bool:
        """Whether data of it may be lost, and nobody has said that this is intended."""
        return self.status in UNCOVERED


class CoverageFault(Record, frozen=True, kw_only=True):
    """A cluster, or a namespace of it, whose claims are not known, and why."""

    cluster: str
    namespace: str | None = None
    message: str
    next_step: str | None = None
