"""Evidence over a period: for each policy whether its backups were made, and can be restored."""

from kronkeep_common.models.base import Moment, Record, Seconds
from kronkeep_common.models.coverage import ClaimCoverage, CoverageFault


class PolicyEvidence(Record, frozen=True, kw_only=True):
    """What the records of a period show of one policy.

    `worst_gap_seconds` is the longest time without a good backup, from `worst_gap_from` on: what would have
    been lost then. `rpo_kept` says whether that gap stayed within `rpo_seconds`; None where the policy has
    none. `partial`, `failed`, `missed` and `unknown` count the backups of the period by their status.
    `unverified` are good backups of the period that no drill and no verification has restored.
    `slowest_restore_seconds` is the longest of the drills and verifications that succeeded; `rto_kept` says
    whether their files came back within `rto_seconds`. `removed` counts snapshots that retention removed. Of
    the `copies` of the policy's backups in other storages `copies_overdue` are older than they may be now,
    and `copies_lag_seconds` is the longest time for which one has lacked a good backup. `is_gone`: no CronJob
    carries the policy now.
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
    missed: int = 0
    unknown: int = 0
    unverified: int = 0
    removed: int = 0
    drills: int = 0
    drills_failed: int = 0
    rto_seconds: Seconds | None = None
    rto_kept: bool | None = None
    copies: int = 0
    copies_overdue: int = 0
    copies_lag_seconds: Seconds | None = None
    slowest_restore_seconds: Seconds | None = None
    last_verified_at: Moment | None = None

    @property
    def is_proven(self) -> bool:
        """Whether RPO and RTO were kept where there are some, no drill failed and no copy is overdue."""
        is_kept = self.rpo_kept is not False and self.rto_kept is not False
        return is_kept and not self.drills_failed and not self.copies_overdue


class Deletion(Record, frozen=True, kw_only=True):
    """A request that deleted something or removed snapshots: who, when, what."""

    at: Moment
    user: str
    program: str = ""
    method: str
    route: str
    object: dict[str, str] = {}


class EvidenceReport(Record, frozen=True, kw_only=True):
    """The evidence of a period; `is_cut`: there were more deletions than the newest that are listed.

    `uncovered` and `exempt` are claims as they are when the report is made: those whose data may be lost, and
    those of which somebody has said why they need no backup. Claims that `coverage_faults` are about are not
    known.
    """

    from_at: Moment
    to_at: Moment
    made_at: Moment
    version: str
    policies: tuple[PolicyEvidence, ...] = ()
    uncovered: tuple[ClaimCoverage, ...] = ()
    exempt: tuple[ClaimCoverage, ...] = ()
    coverage_faults: tuple[CoverageFault, ...] = ()
    deletions: tuple[Deletion, ...] = ()
    is_cut: bool = False
