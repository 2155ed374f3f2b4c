"""Policies that no CronJob carries any more, and their backups: shown, kept by their rules, or adopted.

A CronJob that is deleted and made again gets a policy with a new id, unless its manifest names the old one.
The backups of the old id then have nobody whose retention removes them. By choice the new policy adopts them,
or the retention of the old one, as last recorded, goes on (`archive.apply_orphans_retention`, or by hand).
"""

from collections.abc import Sequence
from typing import NamedTuple

from kronkeep_common import subject_names
from kronkeep_common.api import Adopted
from kronkeep_common.clock import Clock
from kronkeep_common.errors import ConfirmationMissing, Conflict, NotAllowedNow, PolicyNotFound
from kronkeep_common.models import BackupExecution, BackupPolicy, OrphanedPolicy
from kronkeep_common.states import BACKUP_TRANSITIONS, is_final
from kronkeep_common.text import clean
from kronkeep_daemon.backups import adoption_rules, policy_annotations, retention_rules
from kronkeep_daemon.backups.backup_records import BackupRecords
from kronkeep_daemon.backups.policy_annotations import PolicyCarrier
from kronkeep_daemon.backups.policy_lookup import PolicyLookup
from kronkeep_daemon.cronjobs import CronJobService
from kronkeep_daemon.kube.objects import CronJobRef

MOST_ADOPTERS = 20  # CronJobs that are named


class OrphanKey(NamedTuple):
    """The owner of backups: the id of the cluster, the CronJob that carried the policy, and its id."""

    cluster: str
    namespace: str
    cronjob: str
    policy_id: str


class Orphan(NamedTuple):
    """A policy without a CronJob, and its backups that have ended and whose snapshots were not removed.

    `policy` is as it was recorded with the newest of them; None where there are only snapshots.
    """

    key: OrphanKey
    backups: tuple[BackupExecution, ...]
    policy: BackupPolicy | None

    def carrier(self) -> PolicyCarrier:
        """Return the policy as its CronJob carried it; raise NotAllowedNow where its rules are not known."""
        if self.policy is None:
            raise NotAllowedNow(
                f"The rules of the policy {self.key.policy_id} are not known: only its snapshots were found.",
                next_step="Let a policy adopt its backups: kronkeep adopt NAMESPACE/CRONJOB --policy ID.",
            )
        return PolicyCarrier(
            cluster=self.key.cluster,
            namespace=self.key.namespace,
            cronjob=self.key.cronjob,
            policy=self.policy,
        )


class OrphanedPolicies:
    """The policies without a CronJob in the clusters that are listed."""

    def __init__(
        self, *, cronjobs: CronJobService, policies: PolicyLookup, records: BackupRecords, clock: Clock
    ) -> None:
        self._cronjobs = cronjobs
        self._policies = policies
        self._records = records
        self._clock = clock

    async def views(self, storage_id: str | None = None) -> list[OrphanedPolicy]:
        """Return the orphaned policies with snapshots in the storage, or in any, by namespace and CronJob."""
        orphans = await self.find()
        return [
            self._view(orphan)
            for orphan in orphans
            if storage_id is None or any(backup.storage_id == storage_id for backup in orphan.backups)
        ]

    async def find(self, policy_id: str | None = None) -> Sequence[Orphan]:
        """Return the orphaned policies, or those with that id."""
        carried = self._list_carried_keys()
        seen = {(key.policy_id, cronjob_id) for key, cronjob_id in carried.items()}
        candidates = {
            policy
            for cronjob_id, policy in self._records.policies_by_cronjob()
            if (policy, cronjob_id) not in seen and policy_id in (None, policy)
        }
        groups: dict[OrphanKey, list[BackupExecution]] = {}
        for candidate in candidates:
            async for backup in self._records.iter_of_policy(candidate):
                key = self._key_of(backup)
                if key is not None and key not in carried and _has_snapshot(backup):
                    groups.setdefault(key, []).append(backup)
        return [_orphan_of(key, groups[key]) for key in sorted(groups)]

    def ids_with_prefix(self, prefix: str, limit: int) -> list[str]:
        """Return at most `limit` ids of policies, carried or not, whose backups are recorded."""
        return self._records.policy_ids_with_prefix(prefix)[:limit]

    def __contains__(self, policy_id: str) -> bool:
        return policy_id in self._records.policy_ids_with_prefix(policy_id)

    async def carrier_by_id(
        self,
        policy_id: str,
        *,
        cluster: str | None = None,
        namespace: str | None = None,
        cronjob: str | None = None,
    ) -> PolicyCarrier:
        """Return an orphaned policy as its CronJob carried it.

        cluster: the name or the id of the only cluster to look on; None means all of them.
        namespace, cronjob: that of the only CronJob to look at; None means all.
        Raises PolicyNotFound, NotAllowedNow, ClusterNotFound, and Conflict where several CronJobs had it.
        """
        orphans = await self._find_of(policy_id, cluster=cluster, namespace=namespace, cronjob=cronjob)
        if not orphans:
            raise PolicyNotFound(f"There is no policy {clean(policy_id, 80)}, and no backup of one.")
        if len(orphans) > 1:
            names = ", ".join(f"{orphan.key.namespace}/{orphan.key.cronjob}" for orphan in orphans[:5])
            raise Conflict(
                f"The policy {clean(policy_id, 80)} was carried by {names}.", next_step="Name a namespace."
            )
        return orphans[0].carrier()

    async def carrier_named(
        self, namespace: str, cronjob: str, *, cluster: str | None = None
    ) -> PolicyCarrier | None:
        """Return the only orphaned policy that a CronJob of that name carried; None without one.

        cluster: as of `carrier_by_id`. Raises NotAllowedNow, ClusterNotFound, and Conflict for several.
        """
        orphans = await self._find_of(None, cluster=cluster, namespace=namespace, cronjob=cronjob)
        if len(orphans) > 1:
            ids = ", ".join(orphan.key.policy_id for orphan in orphans[:5])
            message = f"{clean(f'{namespace}/{cronjob}', 320)} carried more than one policy: {ids}."
            raise Conflict(message, next_step="Name one by its id, or let a policy adopt their backups.")
        return orphans[0].carrier() if orphans else None

    async def _find_of(
        self, policy_id: str | None, *, cluster: str | None, namespace: str | None, cronjob: str | None
    ) -> list[Orphan]:
        only = self._cronjobs.clusters.by_name(cluster).id if cluster else None
        return [
            orphan
            for orphan in await self.find(policy_id)
            if only in (None, orphan.key.cluster)
            and namespace in (None, orphan.key.namespace)
            and cronjob in (None, orphan.key.cronjob)
        ]

    async def carriers(self) -> list[PolicyCarrier]:
        """Return the orphaned policies whose rules are known."""
        return [orphan.carrier() for orphan in await self.find() if orphan.policy is not None]

    async def adopt(
        self,
        ref: CronJobRef,
        policy_id: str,
        *,
        confirm: str = "",
        other_claims: bool = False,
        dry_run: bool = False,
    ) -> Adopted:
        """Make the backups of an orphaned policy those of the CronJob's own; with `dry_run` only say which.

        Only backups of the CronJob's own namespace are adopted: whoever may restore there could else read
        what is another's. `confirm` repeats the CronJob's name. Raises CronJobNotFound, PolicyNotFound,
        Conflict for claims that are not its own unless `other_claims` permits them, ConfirmationMissing.
        """
        adopter = self._policies.carrier_of(ref)
        cronjob = self._cronjobs.find_subject(ref)
        own = adoption_rules.claims_of(cronjob, adopter)
        backups = [
            backup
            for orphan in await self.find(policy_id)
            if (orphan.key.cluster, orphan.key.namespace) == (adopter.cluster, adopter.namespace)
            for backup in orphan.backups
        ]
        if not backups:
            raise PolicyNotFound(
                f"No policy {clean(policy_id, 80)} without a CronJob has backups in {adopter.namespace}.",
                next_step="List them: kronkeep storage orphans.",
            )
        if not dry_run:
            if not other_claims:
                adoption_rules.require_own_claims(backups, adopter, own)
            _require_confirmation(confirm, adopter)
            await self._records.adopt(backups, adopter, cronjob.uid)
        return Adopted(
            policy_id=adopter.policy.id,
            adopted_policy_id=policy_id,
            backups=len(backups),
            claims=adoption_rules.claims_in(backups),
            other_claims=adoption_rules.find_other_claims(backups, own),
        )

    async def undo_adoption(
        self, ref: CronJobRef, policy_id: str, *, confirm: str = "", dry_run: bool = False
    ) -> Adopted:
        """Give the backups back that a CronJob has adopted of a policy; with `dry_run` only say which.

        policy_id: the beginning of its id. Raises CronJobNotFound, PolicyNotFound, Conflict where several
        ids begin so, ConfirmationMissing.
        """
        adopter = self._policies.carrier_of(ref)
        adopted = [
            backup
            async for backup in self._records.iter_of_policy(adopter.policy.id)
            if backup.first_owner is not None and backup.snapshot_policy_id.startswith(policy_id)
            if (backup.cluster, backup.namespace, backup.cronjob) == adopter[:3]
        ]
        ids = sorted({backup.snapshot_policy_id for backup in adopted})
        name = f"{adopter.namespace}/{adopter.cronjob}"
        if not ids:
            raise PolicyNotFound(f"{name} has adopted no backup of a policy {clean(policy_id, 80)}.")
        if len(ids) > 1:
            raise Conflict(f"{name} has adopted those of {', '.join(ids[:5])}.", next_step="Name one id.")
        if not dry_run:
            _require_confirmation(confirm, adopter)
            await self._records.undo_adoption(adopted)
        return Adopted(
            policy_id=adopter.policy.id,
            adopted_policy_id=ids[0],
            backups=len(adopted),
            claims=adoption_rules.claims_in(adopted),
        )

    def _list_carried_keys(self) -> dict[OrphanKey, str]:
        """Return what CronJobs carry now, with their uids.

        A policy that cannot be read may be any: the backups of its CronJob are left out by `_key_of`.
        """
        carried: dict[OrphanKey, str] = {}
        for cronjob in self._cronjobs.subjects.objects():
            carrier = policy_annotations.carrier_of(cronjob)
            if carrier is not None:
                key = OrphanKey(
                    cluster=carrier.cluster,
                    namespace=carrier.namespace,
                    cronjob=carrier.cronjob,
                    policy_id=carrier.policy.id,
                )
                carried[key] = cronjob.uid
        return carried

    def _key_of(self, backup: BackupExecution) -> OrphanKey | None:
        """Return whose the backup is; None while that cannot be said: its cluster or claims are not known,
        or its CronJob's policy cannot be read.
        """
        clusters = self._cronjobs.clusters
        cluster = next((each for each in clusters if clusters.same(backup.cluster, each.id)), None)
        if cluster is None or cluster.id in self._cronjobs.pending_clusters():
            return None
        if subject_names.claim_of(backup.cronjob) and not self._cronjobs.subjects.knows_claims(cluster.id):
            return None
        ref = CronJobRef(cluster.id, backup.namespace, backup.cronjob)
        if self._policies.fault_of(ref) is not None:
            return None
        return OrphanKey(
            cluster=cluster.id,
            namespace=backup.namespace,
            cronjob=backup.cronjob,
            policy_id=backup.policy_id,
        )

    def _view(self, orphan: Orphan) -> OrphanedPolicy:
        key = orphan.key
        there = [backup for backup in orphan.backups if backup.snapshot_missing_at is None]
        sizes = [backup.result.bytes_stored for backup in there if backup.result is not None]
        times = [backup.created_at for backup in orphan.backups]
        plan = None
        if orphan.policy is not None:
            rules = orphan.policy.retention
            plan = retention_rules.plan_retention(key.policy_id, there, rules, self._clock.now())
        return OrphanedPolicy(
            policy_id=key.policy_id,
            cluster=key.cluster,
            namespace=key.namespace,
            cronjob=key.cronjob,
            storage_ids=tuple(sorted({backup.storage_id for backup in orphan.backups})),
            snapshots=len(there),
            good=sum(map(retention_rules.is_good, there)),
            bytes_stored=None if None in sizes else sum(size for size in sizes if size is not None),
            oldest_at=min(times),
            newest_at=max(times),
            retention=orphan.policy.retention if orphan.policy is not None else None,
            removable=len(plan.remove) if plan is not None else 0,
            retention_waits=plan.blocked_by if plan is not None else None,
            claims=adoption_rules.claims_in(orphan.backups),
            adopters=self._list_adopters(orphan),
        )

    def _list_adopters(self, orphan: Orphan) -> tuple[str, ...]:
        """Return the CronJobs with a policy of the same name, which comes first, or with the same claims."""
        key = orphan.key
        names = set()
        for cronjob in self._cronjobs.subjects.objects(key.namespace):
            carrier = policy_annotations.carrier_of(cronjob)
            if carrier is None or carrier.cluster != key.cluster:
                continue
            own = adoption_rules.claims_of(cronjob, carrier)
            if adoption_rules.is_likely(orphan.backups, carrier, own):
                names.add(carrier.cronjob)
        ordered = sorted(names, key=lambda name: (name != key.cronjob, name))
        return tuple(f"{key.namespace}/{name}" for name in ordered[:MOST_ADOPTERS])


def _require_confirmation(confirm: str, adopter: PolicyCarrier) -> None:
    if confirm != adopter.cronjob:
        raise ConfirmationMissing(
            f"An adoption needs the name of its CronJob as confirmation: {adopter.cronjob}.", field="confirm"
        )


def _has_snapshot(backup: BackupExecution) -> bool:
    """Return whether the backup has ended with a snapshot that was not removed."""
    return is_final(BACKUP_TRANSITIONS, backup.status) and backup.snapshot_state in ("present", "missing")


def _orphan_of(key: OrphanKey, backups: Sequence[BackupExecution]) -> Orphan:
    newest = retention_rules.newest_first(backups)
    # A policy that was made for the sake of its repository alone has the default rules, which nobody chose.
    chosen = (backup.policy for backup in newest if backup.policy is not None and backup.policy_revision)
    return Orphan(key, tuple(newest), next(chosen, None))
