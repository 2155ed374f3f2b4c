"""Lookup of backup policies on the CronJobs that carry them."""

from kronkeep_common import object_keys
from kronkeep_common.errors import Conflict, CronJobNotFound, KronkeepError, PolicyNotFound, Unavailable
from kronkeep_common.models import BackupPolicy
from kronkeep_common.text import clean
from kronkeep_daemon.backups import policy_annotations
from kronkeep_daemon.backups.policy_annotations import PolicyCarrier
from kronkeep_daemon.cronjobs import CronJobService
from kronkeep_daemon.kube.objects import CronJobRef


class PolicyLookup:
    """The policies that CronJobs of the watched clusters carry now."""

    def __init__(self, cronjobs: CronJobService) -> None:
        self._cronjobs = cronjobs

    def policy_of(self, ref: CronJobRef) -> BackupPolicy | None:
        """Return the policy of a CronJob; None without a readable one, or without the CronJob."""
        try:
            return policy_annotations.read_policy(self._cronjobs.find_subject(ref)).policy
        except KronkeepError:
            return None

    def is_unlisted(self, ref: CronJobRef) -> bool:
        """Whether it is not known yet if there is such a CronJob, as its cluster has not been listed."""
        try:
            self._cronjobs.find_subject(ref)
        except Unavailable:
            return True
        except KronkeepError:
            return False
        return False

    def fault_of(self, ref: CronJobRef) -> str | None:
        """Return why the policy of a CronJob cannot be read; None for any other CronJob."""
        try:
            return policy_annotations.read_policy(self._cronjobs.find_subject(ref)).fault
        except KronkeepError:
            return None

    def carrier_of(self, ref: CronJobRef) -> PolicyCarrier:
        """Return the policy of a CronJob with its carrier; raises CronJobNotFound, PolicyNotFound."""
        cronjob = self._cronjobs.find_subject(ref)
        carrier = policy_annotations.carrier_of(cronjob)
        if carrier is None:
            fault = policy_annotations.read_policy(cronjob).fault
            raise PolicyNotFound(fault or f"{ref} has no backup policy.")
        return carrier

    def read_again(self, carrier: PolicyCarrier) -> PolicyCarrier:
        """Return the policy as its CronJob carries it now, after a wait.

        It is the given one where the CronJob does not carry it, as that of a CronJob that is gone. Raises
        PolicyNotFound while it cannot be read: what it says is not known then.
        """
        try:
            cronjob = self._cronjobs.find_subject(
                CronJobRef(carrier.cluster, carrier.namespace, carrier.cronjob)
            )
        except CronJobNotFound:
            return carrier
        fault = policy_annotations.read_policy(cronjob).fault
        if fault is not None:
            raise PolicyNotFound(fault)
        carried = policy_annotations.carrier_of(cronjob)
        return carried if carried is not None and carried.policy.id == carrier.policy.id else carrier

    def ids_with_prefix(self, prefix: str, limit: int) -> list[str]:
        """Return at most `limit` ids of policies that begin so."""
        return [policy_id for policy_id in sorted(self._ids()) if policy_id.startswith(prefix)][:limit]

    def __contains__(self, policy_id: str) -> bool:
        return policy_id in self._ids()

    def _ids(self) -> set[str]:
        carriers = map(policy_annotations.carrier_of, self._cronjobs.subjects.objects())
        return {carrier.policy.id for carrier in carriers if carrier is not None}

    def carrier_by_id(
        self,
        policy_id: str,
        *,
        cluster: str | None = None,
        namespace: str | None = None,
        cronjob: str | None = None,
    ) -> PolicyCarrier:
        """Return the policy of that id with its CronJob.

        cluster: the name or the id of the only cluster to look on; None means all of them.
        namespace: the only namespace to look in; None means all. Whoever may write a CronJob in a namespace
            of theirs can give it the id of another's policy.
        cronjob: the name of the only CronJob to look at; None means all.

        Raises PolicyNotFound, ClusterNotFound, and Conflict where several CronJobs carry the id.
        """
        clusters = self._cronjobs.clusters
        only = clusters.by_name(cluster).id if cluster else None
        carriers = [
            carrier
            for subject in self._cronjobs.subjects.objects()
            if only in (None, subject.cluster)
            and namespace in (None, subject.namespace)
            and cronjob in (None, subject.name)
            and (carrier := policy_annotations.carrier_of(subject)) is not None
            and carrier.policy.id == policy_id
        ]
        if not carriers:
            raise PolicyNotFound(f"There is no policy {clean(policy_id, 80)}.")
        if len(carriers) > 1:
            names = ", ".join(clusters.title(c.cluster, f"{c.namespace}/{c.cronjob}") for c in carriers[:5])
            raise Conflict(
                f"The policy id {clean(policy_id, 80)} is carried by {names}.",
                next_step="Name a namespace or a cluster, or remove the id in the annotation "
                f"{object_keys.POLICY}.",
            )
        return carriers[0]
