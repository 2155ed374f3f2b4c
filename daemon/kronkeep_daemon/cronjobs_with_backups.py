"""CronJobs together with their backups: the base service with policies and backups added.

Claims with a policy of their own are listed, shown and backed up beside them.
"""

from collections.abc import AsyncIterator, Sequence
from datetime import datetime

import msgspec

from kronkeep_common import archive_contents, object_keys, subject_names
from kronkeep_common.archive_contents import CLAIM_KIND
from kronkeep_common.compatibility.strategies import ResolvedPolicy
from kronkeep_common.errors import (
    ClusterNotFound,
    CronJobNotFound,
    InvalidRequest,
    NotAllowedNow,
    Unavailable,
)
from kronkeep_common.models import (
    BackupExecution,
    BackupPolicy,
    BackupPolicySpec,
    CronJob,
    CronJobCreate,
    CronJobExecution,
    EnvVar,
    OtherVolume,
)
from kronkeep_common.states import RestoreStatus
from kronkeep_common.text import clean
from kronkeep_daemon.backups import claim_checks, secret_checks, volume_copy_checks
from kronkeep_daemon.backups import policy_annotations as policies
from kronkeep_daemon.backups.backup_records import BackupRecords
from kronkeep_daemon.backups.service import BackupService
from kronkeep_daemon.claim_policies import ClaimPolicies
from kronkeep_daemon.copies.copy_checks import CopyChecks
from kronkeep_daemon.copies.copy_service import CopyService
from kronkeep_daemon.cronjobs import CronJobService, cronjob_manifests, pod_volumes
from kronkeep_daemon.history import CronJobMemo, History
from kronkeep_daemon.kube.client import Cluster
from kronkeep_daemon.kube.objects import CronJobRef
from kronkeep_daemon.kube.subjects import PolicySubject
from kronkeep_daemon.loop_turns import LoopTurn
from kronkeep_daemon.repositories.version_probe import VersionProbe
from kronkeep_daemon.restores.duration_prediction import RestorePredictor
from kronkeep_daemon.restores.exclude_preview import ExcludePreview
from kronkeep_daemon.schedule_service import ScheduleService
from kronkeep_daemon.storages.service import StorageService

Names = list[str]
_POLICY_KEYS = (
    object_keys.POLICY,
    object_keys.POLICY_ID,
    object_keys.POLICY_ENABLED,
    object_keys.POLICY_REVISION,
)


class ExtendedCronJobService:
    """The service that the API and the manifests use; a CronJob and its policy are written in one request."""

    def __init__(
        self,
        *,
        cronjobs: CronJobService,
        backups: BackupService,
        storages: StorageService,
        probe: VersionProbe,
        records: BackupRecords,
        history: History,
        schedules: ScheduleService,
        exclude_preview: ExcludePreview,
        predictor: RestorePredictor,
        copies: CopyService,
        copy_checks: CopyChecks,
    ) -> None:
        self._claims = ClaimPolicies(cronjobs=cronjobs, check=self._check_policy)
        self._copies = copies
        self._copy_checks = copy_checks
        self._cronjobs = cronjobs
        self._backups = backups
        self._storages = storages
        self._probe = probe
        self._records = records
        self._history = history
        self._last_backup_id = CronJobMemo(self._read_last_backup_id, history.backups)
        self._last_verified_at = CronJobMemo(self._read_last_verified_at, history.restores)
        self._schedules = schedules
        self._exclude_preview = exclude_preview
        self._predictor = predictor

    async def iter_cronjobs(self, namespace: str | None = None) -> AsyncIterator[CronJob]:
        """Yield every CronJob and claim with a policy, giving way to other tasks in between."""
        turn = LoopTurn()
        for cronjob in self._cronjobs.subjects.objects(namespace):
            yield self.view(cronjob)
            await turn.give_way()

    def find(self, ref: CronJobRef) -> CronJob | None:
        """Return a CronJob with its policy and last backup; None where it is not there."""
        try:
            return self.get(ref)
        except (CronJobNotFound, Unavailable, ClusterNotFound):
            return None

    def get(self, ref: CronJobRef) -> CronJob:
        """Return a CronJob or claim with its policy and last backup; raises CronJobNotFound."""
        return self.view(self._cronjobs.find_subject(ref))

    def view(self, live: PolicySubject) -> CronJob:
        """Return a CronJob or claim as answers show it, with its policy and last backup."""
        cronjob = self._cronjobs.view(live)
        annotated = policies.read_policy(live)
        volumes = pod_volumes.list_mounted_volumes(live) if annotated.policy is not None else ()
        good_at = self._backups.last_good_at(cronjob.id)
        return msgspec.structs.replace(
            cronjob,
            backup_overdue=annotated.policy is not None
            and self._backups.is_overdue(live, annotated.policy, good_at),
            policy=annotated.policy,
            policy_fault=annotated.fault,
            policy_findings=self._schedules.findings(cronjob, annotated.policy),
            nothing_to_archive=annotated.policy
            and archive_contents.explain_nothing(annotated.policy, volumes),
            unarchived_volumes=archive_contents.find_unarchived(annotated.policy, volumes)
            if annotated.policy is not None
            else (),
            storage_refusal=self._find_storage_refusal(live, annotated.policy),
            next_backup_at=self._schedules.next_backup(cronjob, annotated.policy),
            last_backup_id=self._last_backup_id(cronjob.id),
            last_verified_at=self._last_verified_at(cronjob.id),
            last_good_backup_at=good_at,
            expected_restore_seconds=self._predictor.predict_newest(cronjob.id)
            if annotated.policy is not None
            else None,
            copies=self._copies.states_of(live),
        )

    def _find_storage_refusal(self, live: PolicySubject, policy: BackupPolicy | None) -> str | None:
        if policy is None:
            return None
        refusal = self._storages.find_refusal(policy.storage_id, live.cluster, live.namespace)
        return refusal.sentence if refusal is not None else None

    async def answer(self, live: PolicySubject, resolution: str | None = None) -> CronJob:
        """Return a CronJob that was written as the answer shows it, with warnings about its claims."""
        policy = policies.read_policy(live).policy
        volumes = pod_volumes.list_mounted_volumes(live)
        claims = archive_contents.claims_to_archive(policy, volumes) if policy is not None else ()
        cluster = self._cronjobs.clusters.of(live.cluster)
        warnings = await claim_checks.find_warnings(cluster, live.namespace, claims)
        excluded = await self._exclude_preview.describe(live.uid, policy)
        warnings = (*warnings, excluded) if excluded else warnings
        if policy is not None:
            storage_ids = (policy.storage_id, *(copy.storage_id for copy in policy.copies))
            secrets = await secret_checks.find_warnings(cluster, live.namespace, policy)
            warnings = (*warnings, *secrets, *self._storages.describe_limits(storage_ids))
        return msgspec.structs.replace(self.view(live), resolution=resolution, claim_warnings=warnings)

    def _read_last_backup_id(self, cronjob_id: str) -> str | None:
        newest = self._history.backups.newest(limit=1, cronjob_id=cronjob_id).items
        return newest[0].id if newest else None

    def _read_last_verified_at(self, cronjob_id: str) -> datetime | None:
        """Return when a backup of the CronJob was last restored in full and found identical."""
        restores = self._history.restores.newest(
            limit=20, cronjob_id=cronjob_id, status=RestoreStatus.COMPLETED
        )
        return next((restore.ended_at for restore in restores.items if not restore.include), None)

    async def create(
        self, spec: CronJobCreate, cluster: Cluster, *, key: str | None = None, dry_run: bool = False
    ) -> CronJob:
        """Create a CronJob in one request, with its policy where the spec has one.

        key: the id of the request, by which a repetition of it knows the CronJob as its own.

        Everything that can be refused is refused before: raises StorageNotFound, NotAllowedNow, Denied,
        InvalidPolicy, NothingToArchive, ScheduleConflict, and what CronJobService.create raises.
        """
        self._cronjobs.check_spec(spec)
        _require_same_others(spec, ())
        ref = CronJobRef(cluster.id, spec.namespace, spec.name)
        spec, resolution = await self.settle_spec(ref, spec)
        annotations: dict[str, str] = {} if key is None else {object_keys.REQUEST: key}
        if spec.policy is not None:
            annotations |= policies.annotations_of(policies.new_policy(spec.policy))
        created = await self._cronjobs.create(spec, cluster, annotations=annotations, dry_run=dry_run)
        return await self.answer(created, resolution)

    def spec(self, ref: CronJobRef) -> CronJobCreate:
        """Return a CronJob as a spec that can be changed and sent back; raises NotAllowedNow."""
        cronjob = self._cronjobs.find(ref)
        return cronjob_manifests.read_spec(cronjob, policies.read_policy(cronjob).policy)

    async def replace(self, ref: CronJobRef, spec: CronJobCreate, *, dry_run: bool = False) -> CronJob:
        """Make a CronJob and its policy match a spec in one request; raises what `create` raises.

        A policy that stays keeps its id; `policy=None` removes it.
        """
        if (spec.namespace, spec.name) != (ref.namespace, ref.name):
            raise InvalidRequest("A CronJob cannot be renamed or moved.", field="name")
        cronjob = self._cronjobs.find(ref)
        self._cronjobs.check_spec(spec)
        _require_same_others(spec, cronjob_manifests.read_other_volumes(cronjob))
        spec, resolution = await self.settle_spec(ref, spec)
        annotations: dict[str, str | None] = dict.fromkeys(_POLICY_KEYS)
        if spec.policy is not None:
            policy = policies.new_policy(spec.policy, policies.kept_id_of(cronjob))
            annotations |= policies.annotations_of(policy)
        body = cronjob_manifests.build_patch(cronjob, spec, annotations)
        changed = await self._cronjobs.patch(ref, body, dry_run=dry_run)
        return await self.answer(changed, resolution)

    async def settle_policy(
        self, ref: CronJobRef, schedule: str, zone: str | None, policy: BackupPolicySpec
    ) -> ResolvedPolicy:
        """Return the policy as its strategy adjusts it to the schedule; raises as `create` does."""
        await self._check_policy(ref, policy)
        return await self._schedules.settle(ref, schedule, zone, policy)

    async def _check_policy(self, ref: CronJobRef, policy: BackupPolicySpec) -> None:
        """Raise why a policy cannot be carried out in a namespace."""
        cluster = self._cronjobs.clusters.by_name(ref.cluster)
        self._storages.require_usable(policy.storage_id, cluster, ref.namespace)
        policies.check_policy(policy)
        self._copy_checks.require(policy, cluster, ref.namespace)
        existing = self.find(ref)
        if existing is not None:
            await self._exclude_preview.require_rest(existing.id, policy)
        await self._probe.require(cluster, policy)

    async def settle_spec(self, ref: CronJobRef, spec: CronJobCreate) -> tuple[CronJobCreate, str | None]:
        """Return the spec with its policy adjusted, and what its strategy did; raises as `create` does."""
        if spec.policy is None:
            return spec, None
        settled = await self.settle_policy(ref, spec.schedule, spec.time_zone, spec.policy)
        volumes = archive_contents.volumes_of_spec(spec)
        archive_contents.require_contents(settled.policy, volumes)
        await self.require_copies(ref, settled.policy, volumes)
        return msgspec.structs.replace(spec, policy=settled.policy), settled.sentence or None

    async def require_copies(
        self, ref: CronJobRef, policy: BackupPolicySpec, volumes: Sequence[archive_contents.MountedVolume]
    ) -> None:
        """Raise InvalidPolicy where the policy asks for snapshots or clones that the cluster cannot make."""
        claims = archive_contents.claims_to_archive(policy, volumes)
        cluster = self._cronjobs.clusters.by_name(ref.cluster)
        await volume_copy_checks.plan_copies(cluster, ref.namespace, claims, policy.source, missing_ok=True)

    async def set_policy(
        self, ref: CronJobRef, policy: BackupPolicySpec, *, dry_run: bool = False
    ) -> CronJob:
        """Give the CronJob or claim a policy, or change the one it has, whose id stays."""
        claim = subject_names.claim_of(ref.name)
        if claim is not None:
            mounted = archive_contents.MountedVolume(name=claim, kind=CLAIM_KIND, mount_path="/", claim=claim)
            await self.require_copies(ref, policy, (mounted,))
            return await self.answer(await self._claims.set_policy(ref, claim, policy, dry_run=dry_run))
        cronjob = self._cronjobs.find(ref)
        self._cronjobs.check_namespace(ref.namespace)
        spec = cronjob.spec
        settled = await self.settle_policy(ref, spec.schedule, spec.time_zone, policy)
        volumes = pod_volumes.list_mounted_volumes(cronjob)
        archive_contents.require_contents(settled.policy, volumes)
        await self.require_copies(ref, settled.policy, volumes)
        policy = policies.new_policy(settled.policy, policies.kept_id_of(cronjob))
        revision = {object_keys.POLICY_REVISION: policies.revision_of(policy)}
        body = {
            "metadata": {"annotations": policies.annotations_of(policy)},
            "spec": {"jobTemplate": {"metadata": {"annotations": revision}}},
        }
        changed = await self._cronjobs.patch(ref, body, dry_run=dry_run)
        return await self.answer(changed, settled.sentence or None)

    async def remove_policy(self, ref: CronJobRef) -> CronJob:
        """Remove the policy; its backups and their history stay."""
        claim = subject_names.claim_of(ref.name)
        if claim is not None:
            return self._cronjobs.view(await self._claims.remove_policy(ref, claim))
        template = {"metadata": {"annotations": {object_keys.POLICY_REVISION: None}}}
        body = {
            "metadata": {"annotations": dict.fromkeys(_POLICY_KEYS)},
            "spec": {"jobTemplate": template},
        }
        await self._cronjobs.patch(ref, body)
        return self.get(ref)

    async def trigger(
        self,
        ref: CronJobRef,
        env: Sequence[EnvVar] = (),
        *,
        key: str | None = None,
        only_if_idle: bool = False,
    ) -> CronJobExecution:
        """Run the CronJob now; a backup that follows the run is recorded with it, and waits for it."""
        run = await self._cronjobs.trigger(ref, env=env, key=key, only_if_idle=only_if_idle)
        await self._backups.create_for_run(run)
        return self.execution(run.id)

    def execution(self, execution_id: str) -> CronJobExecution:
        """Return one run with the backup that belongs to it; raises ExecutionNotFound."""
        return self._records.link_to_backup(self._cronjobs.execution(execution_id))

    async def cancel(self, execution_id: str, user: str) -> CronJobExecution:
        """Delete the Job of a run that has not ended, for a user; raises ExecutionNotFound."""
        return self._records.link_to_backup(await self._cronjobs.cancel(execution_id, user))

    async def suspend(self, ref: CronJobRef) -> CronJob:
        """Stop new runs of the CronJob."""
        await self._cronjobs.suspend(ref)
        return self.get(ref)

    async def resume(self, ref: CronJobRef) -> CronJob:
        """Allow new runs from the next slot on."""
        await self._cronjobs.resume(ref)
        return self.get(ref)

    async def delete(self, ref: CronJobRef, *, confirm: str | None, user: str) -> None:
        """Delete the CronJob; its history and snapshots stay."""
        await self._cronjobs.delete(ref, confirm=confirm, user=user)

    def storage_users(self, storage_id: str) -> Names:
        """Return the CronJobs and claims whose policies use a storage; raises NotAllowedNow while a cluster
        is not listed.
        """
        unknown = self._cronjobs.pending_clusters() | self._cronjobs.subjects.clusters_awaiting_claims()
        if unknown:
            names = ", ".join(clean(self._cronjobs.clusters.of(one).name, 80) for one in sorted(unknown))
            message = f"The CronJobs of {names} have not been listed, so who uses the storage is not known."
            raise NotAllowedNow(message, next_step="Wait until the cluster answers: kronkeep doctor.")
        carriers = [policies.carrier_of(cronjob) for cronjob in self._cronjobs.subjects.objects()]
        return [
            self._cronjobs.clusters.title(one.cluster, f"{one.namespace}/{one.cronjob}")
            for one in carriers
            if one is not None
            and (one.policy.storage_id == storage_id or one.policy.copy_in(storage_id) is not None)
        ]

    async def back_up_now(
        self, ref: CronJobRef, overrides: dict[str, str], *, key: str | None = None
    ) -> BackupExecution:
        """Archive what the CronJob's claims hold now; `overrides` are for this backup only."""
        return await self._backups.back_up_now(ref, overrides, key=key)


def _require_same_others(spec: CronJobCreate, others: tuple[OtherVolume, ...]) -> None:
    """Raise InvalidRequest where the spec's volumes that are no claims are not those of the CronJob."""
    if spec.other_volumes != others:
        raise InvalidRequest(
            "Volumes other than claims cannot be added, changed or removed here.",
            next_step="Send other_volumes as they were read; change them with kubectl, or kronkeep apply a "
            "manifest of Kubernetes.",
            field="volumes",
        )
