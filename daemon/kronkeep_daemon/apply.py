"""Application of manifests: create what is missing, change what differs, leave everything else as it is.

A field that a Kubernetes manifest does not name stays as it is (RFC 7386, JSON merge patch), unless the
manifest named it when it was applied before: then it is removed. Lists are replaced whole. A manifest in
kronkeep's own format describes a whole CronJob with its policy.
"""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal, NamedTuple

import msgspec

from kronkeep_common import name_rules, object_keys, subject_names
from kronkeep_common.archive_contents import require_contents
from kronkeep_common.cronjob_fields import explain_unknown_fields
from kronkeep_common.errors import CronJobNotFound, InvalidPolicy, NameTaken, StorageNotFound
from kronkeep_common.manifests import ManifestBody
from kronkeep_common.models import (
    BackupStorageCreate,
    ClaimPolicyManifest,
    CronJob,
    CronJobCreate,
    CronJobManifest,
)
from kronkeep_common.models.storage import declared_change
from kronkeep_common.models.storage_kinds import are_same_settings
from kronkeep_daemon.backups import policy_annotations as policies
from kronkeep_daemon.cronjobs import CronJobService, last_applied
from kronkeep_daemon.cronjobs.pod_volumes import list_mounted_volumes
from kronkeep_daemon.cronjobs_with_backups import ExtendedCronJobService
from kronkeep_daemon.kube.client import Cluster
from kronkeep_daemon.kube.errors import InvalidObject
from kronkeep_daemon.kube.objects import CronJobObject, CronJobRef, JsonObject
from kronkeep_daemon.storages.service import StorageService

ApplyOutcome = Literal["created", "changed", "unchanged"]
_KEPT_META = ("name", "namespace", "labels", "annotations")


class ApplyResult(NamedTuple):
    """What applying a manifest did; `cronjob` is None for a storage."""

    outcome: ApplyOutcome
    cronjob: CronJob | None


class ManifestApplier:
    """Application of manifests to clusters and storages."""

    def __init__(
        self, cronjobs: CronJobService, extended: ExtendedCronJobService, storages: StorageService
    ) -> None:
        self._cronjobs = cronjobs
        self._extended = extended
        self._storages = storages

    async def apply(self, body: ManifestBody, cluster: Cluster, *, dry_run: bool = False) -> ApplyResult:
        """Apply a manifest; raises what create and replace raise, NameTaken for a storage that differs."""
        if isinstance(body, BackupStorageCreate):
            return ApplyResult(await self._apply_storage(body, cluster, dry_run), None)
        if isinstance(body, ClaimPolicyManifest):
            return await self._apply_claim_policy(body, cluster, dry_run)
        ref = CronJobRef(cluster.id, body.namespace, body.name)
        if isinstance(body, CronJobCreate):
            return await self._apply_spec(ref, body, dry_run)
        return await self.apply_manifest(ref, body, dry_run=dry_run)

    async def _apply_storage(
        self, storage: BackupStorageCreate, cluster: Cluster, dry_run: bool
    ) -> ApplyOutcome:
        try:
            existing = self._storages.get(storage.id)
        except StorageNotFound:
            self._storages.validate_request(storage)
            if not dry_run:
                await self._storages.create(storage, cluster)
            return "created"
        if existing.kind != storage.kind or not are_same_settings(
            existing.kind, existing.settings, storage.settings
        ):
            message = f"The storage {storage.id} exists with other settings."
            raise NameTaken(message, next_step="Use another id.")
        change = declared_change(existing, storage)
        if change is None:
            return "unchanged"
        if not dry_run:
            await self._storages.change(storage.id, change)
        return "changed"

    async def _apply_claim_policy(
        self, body: ClaimPolicyManifest, cluster: Cluster, dry_run: bool
    ) -> ApplyResult:
        ref = CronJobRef(cluster.id, body.namespace, subject_names.name_of_claim(body.claim))
        current = self._extended.find(ref)
        if current is not None and current.policy is not None and current.policy.spec == body.policy:
            return ApplyResult("unchanged", current)
        changed = await self._extended.set_policy(ref, body.policy, dry_run=dry_run)
        return ApplyResult("created" if current is None else "changed", changed)

    async def _apply_spec(self, ref: CronJobRef, spec: CronJobCreate, dry_run: bool) -> ApplyResult:
        try:
            current = self._extended.spec(ref)
        except CronJobNotFound:
            cluster = self._cronjobs.clusters.by_name(ref.cluster)
            return ApplyResult("created", await self._extended.create(spec, cluster, dry_run=dry_run))
        settled, _ = await self._extended.settle_spec(ref, spec)
        if current == settled:
            return ApplyResult("unchanged", self._extended.get(ref))
        return ApplyResult("changed", await self._extended.replace(ref, spec, dry_run=dry_run))

    async def apply_manifest(
        self, ref: CronJobRef, manifest: CronJobManifest, *, dry_run: bool = False
    ) -> ApplyResult:
        """Apply a batch/v1 CronJob; nothing of it is applied where its policy annotation is invalid."""
        body = build_body(manifest)
        name_rules.check_name(manifest.name)
        try:
            cronjob = self._cronjobs.find(ref)
        except CronJobNotFound:
            await self._write_policy(ref, body, None)
            _note_field_names(body)
            cluster = self._cronjobs.clusters.by_name(ref.cluster)
            await self._require_contents(ref, body)
            with _unknown_fields_explained():
                created = await self._cronjobs.create_manifest(body, cluster, dry_run=dry_run)
            return ApplyResult("created", await self._extended.answer(created))
        await self._write_policy(ref, body, cronjob)
        _note_field_names(body)
        live = cronjob.manifest()
        patch = last_applied.build_apply_patch(live, body)
        if last_applied.covers(live, patch):
            return ApplyResult("unchanged", self._extended.get(ref))
        self._cronjobs.check_allowed(body)
        await self._require_contents(ref, last_applied.merge(live, patch))
        with _unknown_fields_explained():
            patched = await self._cronjobs.patch(ref, patch, dry_run=dry_run)
        return ApplyResult("changed", await self._extended.answer(patched))

    async def _require_contents(self, ref: CronJobRef, manifest: JsonObject) -> None:
        """Raise why what the policy in the annotations is to archive cannot be archived.

        A manifest that is no CronJob is left to the API server, which says why.
        """
        try:
            cronjob = CronJobObject.from_manifest(manifest, ref.cluster)
        except msgspec.ValidationError:
            return
        policy = policies.read_policy(cronjob).policy
        if policy is not None:
            volumes = list_mounted_volumes(cronjob)
            require_contents(policy, volumes)
            await self._extended.require_copies(ref, policy, volumes)

    async def _write_policy(self, ref: CronJobRef, body: JsonObject, live: CronJobObject | None) -> None:
        """Check the policy in the annotations and write it there in full, with the id that it keeps."""
        annotations = body["metadata"].get("annotations") or {}
        if object_keys.POLICY not in annotations:
            return
        uid = live.uid if live else hashlib.sha256(repr(body).encode()).hexdigest()
        kept_id = policies.kept_id_of(live) if live else None
        declared = policies.read_annotations(annotations, uid)
        if declared.policy is None:
            raise InvalidPolicy(
                declared.fault or "The backup policy cannot be read.", field=object_keys.POLICY
            )
        spec = declared.policy.spec
        schedule = str(body["spec"].get("schedule", ""))
        zone = body["spec"].get("timeZone")
        settled = await self._extended.settle_policy(ref, schedule, zone, spec)
        policy = policies.new_policy(settled.policy, kept_id or self._unique_policy_id(declared.policy.id))
        body["metadata"]["annotations"] = annotations | policies.annotations_of(policy)
        if isinstance(job := body["spec"].get("jobTemplate"), dict):
            meta = job.setdefault("metadata", {})
            revision = {object_keys.POLICY_REVISION: policies.revision_of(policy)}
            meta["annotations"] = (meta.get("annotations") or {}) | revision

    def _unique_policy_id(self, policy_id: str) -> str | None:
        """Return the policy id of a new CronJob's manifest; None where another CronJob has it already."""
        carried = (policies.read_policy(cronjob).policy for cronjob in self._cronjobs.subjects.objects())
        is_taken = any(policy is not None and policy.id == policy_id for policy in carried)
        return None if is_taken else policy_id


@contextmanager
def _unknown_fields_explained() -> Iterator[None]:
    """Say of each field that the cluster does not know what was probably meant; raise InvalidObject."""
    try:
        yield
    except InvalidObject as refusal:
        faults = explain_unknown_fields(refusal.message)
        if not faults:
            raise
        raise InvalidObject(" ".join(faults), faults=faults) from refusal


def _note_field_names(body: JsonObject) -> None:
    """Note the names of the declared fields in an annotation of the manifest."""
    noted = last_applied.encode_field_names(body)
    body["metadata"]["annotations"] = (body["metadata"].get("annotations") or {}) | {
        object_keys.DECLARED: noted
    }


def build_body(manifest: CronJobManifest) -> JsonObject:
    """Return the object to send: only what people write of the metadata, with the namespace.

    What `kubectl get -o yaml` prints has the note of an earlier application, which nobody declares.
    """
    meta = {key: manifest.metadata[key] for key in _KEPT_META if manifest.metadata.get(key)}
    body = {"apiVersion": manifest.api_version, "kind": manifest.kind, "spec": manifest.spec}
    copied: JsonObject = msgspec.json.decode(msgspec.json.encode(body | {"metadata": meta}))
    copied["metadata"]["namespace"] = manifest.namespace
    (copied["metadata"].get("annotations") or {}).pop(object_keys.DECLARED, None)
    return copied
