"""Evidence over a period: for each policy whether its backups were made, and can be restored."""

from kronkeep_common.models.base import Moment, Record, Seconds


class PolicyEvidence(Record, frozen=True, kw_only=True):
    """What the records of a period show of one policy.

    `worst_gap_seconds` is the longest time without a good backup, from `worst_gap_from` on: what would have
    been lost then. `rpo_kept` says whether that stayed within `rpo_seconds`; None without one. `unverified`
    are good backups of the period that no drill and no verification has restored. `slowest_restore_seconds`
    is the longest of the drills and verifications that succeeded. `removed` counts snapshots that retention
    removed. `is_gone`: no CronJob carries the policy now.
    """

    policy_id: str
    cluster: str
    namespace: str
    cronjob: str
    storage_id: str
    is_gone: bool = False
    rpo_seconds: Seconds | None = None
    rpo_kept: bool | None = None
    worst_gap_seconds: Seconds
    worst_gap_from: Moment
    good: int = 0
    partial: int = 0
    failed: int = 0
    unverified: int = 0
    removed: int = 0
    drills: int = 0
    drills_failed: int = 0
    slowest_restore_seconds: Seconds | None = None
    last_verified_at: Moment | None = None

    @property
    def is_proven(self) -> bool:
        """Whether the RPO was kept where there is one, and no drill failed."""
        return self.rpo_kept is not False and not self.drills_failed


class Deletion(Record, frozen=True, kw_only=True):
    """A request that deleted something or removed snapshots: who, when, what."""

    at: Moment
    user: str
    program: str = ""
    method: str
    route: str
    object: dict[str, str] = {}


class EvidenceReport(Record, frozen=True, kw_only=True):
    """The evidence of a period; `is_cut`: there were more deletions than the newest that are listed."""

    from_at: Moment
    to_at: Moment
    made_at: Moment
    version: str
    policies: tuple[PolicyEvidence, ...] = ()
    deletions: tuple[Deletion, ...] = ()
    is_cut: bool = False
