"""Lookup of backup policies on the CronJobs that carry them."""

from kronkeep_common import object_keys
from kronkeep_common.errors import Conflict, KronkeepError, PolicyNotFound
from kronkeep_common.models import BackupPolicy
from kronkeep_common.text import clean
from kronkeep_daemon.backups import policy_annotations
from kronkeep_daemon.backups.policy_annotations import Carrier
from kronkeep_daemon.cronjobs import CronJobService
from kronkeep_daemon.kube.chosen import chosen


class PolicyLookup:
    """The policies that CronJobs of the watched clusters carry now."""

    def __init__(self, cronjobs: CronJobService) -> None:
        self._cronjobs = cronjobs

    def policy_of(self, namespace: str, name: str, cluster: str | None = None) -> BackupPolicy | None:
        """Return the policy of a CronJob; None without a readable one, or without the CronJob."""
        try:
            return policy_annotations.read(self._cronjobs.raw(namespace, name, cluster)).policy
        except KronkeepError:
            return None

    def carrier_of(self, namespace: str, name: str) -> Carrier:
        """Return the policy of a CronJob with its carrier; raises CronJobNotFound, PolicyNotFound."""
        recorder, raw = self._cronjobs.find(namespace, name)
        carrier = policy_annotations.carrier(recorder.cluster.id, raw)
        if carrier is None:
            fault = policy_annotations.read(raw).fault
            raise PolicyNotFound(fault or f"{namespace}/{name} has no backup policy.")
        return carrier

    def carrier_by_id(self, policy_id: str) -> Carrier:
        """Return the policy of that id with its CronJob.

        Raises PolicyNotFound, and Conflict where several CronJobs carry the id.
        """
        clusters = self._cronjobs.clusters
        name = chosen()
        only = clusters.named(name).id if name else None
        carriers = [
            carrier
            for cluster, raw in self._cronjobs.raws()
            if only in (None, cluster)
            and (carrier := policy_annotations.carrier(cluster, raw)) is not None
            and carrier.policy.id == policy_id
        ]
        if not carriers:
            raise PolicyNotFound(f"There is no policy {clean(policy_id, 80)}.")
        if len(carriers) > 1:
            names = ", ".join(clusters.title(c.cluster, f"{c.namespace}/{c.cronjob}") for c in carriers[:5])
            raise Conflict(
                f"The policy id {clean(policy_id, 80)} is carried by {names}.",
                next_step=f"Name a cluster, or remove the id in the annotation {object_keys.POLICY}.",
            )
        return carriers[0]
