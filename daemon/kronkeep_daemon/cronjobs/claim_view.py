"""Claims with a policy of their own, as answers show them beside the CronJobs; pure."""

from datetime import datetime

from kronkeep_common.models import CronJob
from kronkeep_common.text import clean
from kronkeep_daemon.kube.subjects import PolicyClaim


def view_claim(claim: PolicyClaim, now: datetime) -> CronJob:
    """Return a claim as answers show it; `now` stands in for a time that the server leaves out."""
    return CronJob(
        id=claim.uid,
        kind="PersistentVolumeClaim",
        cluster=claim.cluster,
        namespace=claim.namespace,
        name=clean(claim.name, 260),
        schedule="",
        created_at=claim.created_at or now,
        resource_version=claim.resource_version,
        claims=(clean(claim.claim, 253),),
    )
