"""Policies of claims: set and removed in an annotation of the PersistentVolumeClaim itself."""

from collections.abc import Awaitable, Callable

import msgspec

from kronkeep_common import object_keys
from kronkeep_common.errors import InvalidPolicy, PolicyNotFound
from kronkeep_common.models import BackupPolicySpec
from kronkeep_common.reasons import Reason
from kronkeep_common.text import clean
from kronkeep_daemon.backups import policy_annotations as policies
from kronkeep_daemon.cronjobs import CronJobService
from kronkeep_daemon.kube import paths
from kronkeep_daemon.kube.claims import ClaimObject
from kronkeep_daemon.kube.errors import NotFoundInCluster
from kronkeep_daemon.kube.objects import CronJobRef, JsonObject, convert_object
from kronkeep_daemon.kube.subjects import PolicyClaim


class ClaimPolicies:
    """The policies of claims.

    check: raises why a policy cannot be carried out in a namespace, whoever carries it.
    """

    def __init__(
        self,
        *,
        cronjobs: CronJobService,
        check: Callable[[CronJobRef, BackupPolicySpec], Awaitable[None]],
    ) -> None:
        self._cronjobs = cronjobs
        self._check = check

    async def set_policy(
        self, ref: CronJobRef, claim: str, spec: BackupPolicySpec, *, dry_run: bool = False
    ) -> PolicyClaim:
        """Give a claim a policy, or change the one it has; raise InvalidPolicy and what `check` raises."""
        self._cronjobs.check_namespace(ref.namespace)
        policies.check_claim_policy(spec, claim)
        await self._check(ref, spec)
        live = await self._read_claim(ref, claim)
        if live.spec.volume_mode == "Block":
            raise InvalidPolicy(
                f"The claim {clean(ref.namespace, 63)}/{clean(claim, 253)} is a block volume, "
                "which has no files to archive.",
                next_step=Reason.BLOCK_VOLUME.next_step,
                reason=Reason.BLOCK_VOLUME,
            )
        text = msgspec.json.encode(spec).decode()
        patched = await self._patch(ref, claim, text, dry_run=dry_run)
        carrying = PolicyClaim.of(patched, ref.cluster)
        assert carrying is not None
        return carrying

    async def remove_policy(self, ref: CronJobRef, claim: str) -> PolicyClaim:
        """Remove the policy of a claim, and return the claim as it was; raise CronJobNotFound."""
        former = self._cronjobs.find_subject(ref)
        assert isinstance(former, PolicyClaim)
        await self._patch(ref, claim, None)
        return former

    async def _read_claim(self, ref: CronJobRef, claim: str) -> ClaimObject:
        try:
            live = await self._cronjobs.clusters.by_name(ref.cluster).get(paths.claims(ref.namespace, claim))
        except NotFoundInCluster as missing:
            name = f"{clean(ref.namespace, 63)}/{clean(claim, 253)}"
            raise PolicyNotFound(
                f"There is no PersistentVolumeClaim {name}.",
                next_step=f"kubectl get pvc -n {clean(ref.namespace, 63)} lists those that there are.",
            ) from missing
        return convert_object(live, ClaimObject)

    async def _patch(
        self, ref: CronJobRef, claim: str, policy: str | None, *, dry_run: bool = False
    ) -> ClaimObject:
        body: JsonObject = {"metadata": {"annotations": {object_keys.POLICY: policy}}}
        cluster = self._cronjobs.clusters.by_name(ref.cluster)
        answer = await cluster.patch(paths.claims(ref.namespace, claim), body, dry_run=dry_run)
        patched = convert_object(answer, ClaimObject)
        if not dry_run:
            self._cronjobs.recorders[cluster.id].claims.update("MODIFIED", patched)
        return patched
