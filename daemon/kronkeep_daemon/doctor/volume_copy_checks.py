"""The checks of policies that archive snapshots or clones: whether the cluster can make them."""

from collections.abc import AsyncIterator

from kronkeep_common import archive_contents
from kronkeep_common.api import Check
from kronkeep_common.errors import KronkeepError
from kronkeep_common.text import clean
from kronkeep_daemon.backups import policy_annotations, volume_copy_checks
from kronkeep_daemon.cronjobs import CronJobService, pod_volumes

MOST_POLICIES = 200  # that are looked at; each claim is four requests


async def check_volume_copies(cronjobs: CronJobService) -> AsyncIterator[Check]:
    """Yield a warning for each policy that cannot have its snapshots or clones; ok once where all can."""
    count = 0
    faults = 0
    for cronjob in cronjobs.subjects.objects():
        policy = policy_annotations.read_policy(cronjob).policy
        if policy is None or policy.source.consistency == "live" or count >= MOST_POLICIES:
            continue
        count += 1
        claims = archive_contents.claims_to_archive(policy, pod_volumes.list_mounted_volumes(cronjob))
        cluster = cronjobs.clusters.of(cronjob.cluster)
        try:
            await volume_copy_checks.plan_copies(cluster, cronjob.namespace, claims, policy.source)
        except KronkeepError as fault:
            faults += 1
            yield Check(
                name=f"volumes of {clean(f'{cronjob.namespace}/{cronjob.name}', 120)}",
                status="warn",
                message=fault.message,
                next_step=fault.next_step,
            )
    if count and not faults:
        message = f"The clusters can make the snapshots and clones of {count} policies."
        yield Check(name="volume snapshots and clones", status="ok", message=message)
