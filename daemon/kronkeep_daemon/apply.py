"""Applies manifests: creates what is missing, changes what differs, leaves everything else alone.

A field that a Kubernetes manifest does not name stays as it is (RFC 7386, JSON merge patch), unless the
manifest named it when it was applied before: then it is removed. Lists are replaced whole. A manifest in
kronkeep's own format describes a whole CronJob with its policy.
"""

import hashlib
from typing import Literal, NamedTuple

import msgspec

from kronkeep_common import name_rules, object_keys
from kronkeep_common.errors import CronJobNotFound, InvalidPolicy, NameTaken, StorageNotFound
from kronkeep_common.manifests import ManifestBody
from kronkeep_common.models import (
    BackupStorageCreate,
    CronJob,
    CronJobCreate,
    CronJobManifest,
)
from kronkeep_common.models.storage_kinds import same
from kronkeep_daemon.backups import policy_annotations as policies
from kronkeep_daemon.cronjobs import CronJobService, last_applied
from kronkeep_daemon.cronjobs_with_backups import ExtendedCronJobService
from kronkeep_daemon.kube.client import Cluster
from kronkeep_daemon.kube.objects import CronJobObject, CronJobRef, JsonObject
from kronkeep_daemon.storages.service import StorageService

ApplyOutcome = Literal["created", "changed", "unchanged"]
_KEPT_META = ("name", "namespace", "labels", "annotations")


class ApplyResult(NamedTuple):
    """What applying a manifest did; `cronjob` is None for a storage."""

    outcome: ApplyOutcome
    cronjob: CronJob | None


class ManifestApplier:
    """Applies manifests to clusters and storages."""

    def __init__(
        self, cronjobs: CronJobService, extended: ExtendedCronJobService, storages: StorageService
    ) -> None:
        self._cronjobs = cronjobs
        self._extended = extended
        self._storages = storages

    async def apply(self, wanted: ManifestBody, cluster: Cluster, *, dry_run: bool = False) -> ApplyResult:
        """Apply a manifest; raises what create and replace raise, NameTaken for a storage that differs."""
        if isinstance(wanted, BackupStorageCreate):
            return ApplyResult(await self._storage(wanted, cluster, dry_run), None)
        ref = CronJobRef(cluster.id, wanted.namespace, wanted.name)
        if isinstance(wanted, CronJobCreate):
            return await self._spec(ref, wanted, dry_run)
        return await self.manifest(ref, wanted, dry_run=dry_run)

    async def _storage(self, wanted: BackupStorageCreate, cluster: Cluster, dry_run: bool) -> ApplyOutcome:
        try:
            there = self._storages.get(wanted.id)
        except StorageNotFound:
            self._storages.validate_request(wanted)
            if not dry_run:
                await self._storages.create(wanted, cluster)
            return "created"
        if there.kind != wanted.kind or not same(there.kind, there.settings, wanted.settings):
            words = f"The storage {wanted.id} is there with other settings."
            raise NameTaken(words, next_step="Use another id.")
        return "unchanged"

    async def _spec(self, ref: CronJobRef, wanted: CronJobCreate, dry_run: bool) -> ApplyResult:
        try:
            there = self._extended.spec(ref)
        except CronJobNotFound:
            cluster = self._cronjobs.clusters.by_name(ref.cluster)
            return ApplyResult("created", await self._extended.create(wanted, cluster, dry_run=dry_run))
        settled, _ = await self._extended.settle_spec(ref, wanted)
        if there == settled:
            return ApplyResult("unchanged", self._extended.get(ref))
        return ApplyResult("changed", await self._extended.replace(ref, wanted, dry_run=dry_run))

    async def manifest(
        self, ref: CronJobRef, wanted: CronJobManifest, *, dry_run: bool = False
    ) -> ApplyResult:
        """Apply a batch/v1 CronJob; nothing of it is applied where its policy annotation is invalid."""
        body = body_of(wanted)
        name_rules.check_name(wanted.name)
        try:
            cronjob = self._cronjobs.find(ref)
        except CronJobNotFound:
            await self._annotate(ref, body, None)
            _note(body)
            cluster = self._cronjobs.clusters.by_name(ref.cluster)
            created = await self._cronjobs.create_manifest(body, cluster, dry_run=dry_run)
            return ApplyResult("created", created if dry_run else self._extended.get(ref))
        await self._annotate(ref, body, cronjob)
        _note(body)
        live = cronjob.manifest()
        patch = last_applied.build_apply_patch(live, body)
        if last_applied.covers(live, patch):
            return ApplyResult("unchanged", self._extended.get(ref))
        self._cronjobs.check_allowed(body)
        patched = await self._cronjobs.patch(ref, patch, dry_run=dry_run)
        return ApplyResult("changed", patched if dry_run else self._extended.get(ref))

    async def _annotate(self, ref: CronJobRef, body: JsonObject, live: CronJobObject | None) -> None:
        """Check the policy in the annotations and write it there in full, with the id that it keeps."""
        annotations = body["metadata"].get("annotations") or {}
        if object_keys.POLICY not in annotations:
            return
        uid = live.uid if live else hashlib.sha256(repr(body).encode()).hexdigest()
        old = policies.read_policy(live).policy if live else None
        found = policies.read_annotations(annotations, uid)
        if found.policy is None:
            raise InvalidPolicy(found.fault or "The backup policy cannot be read.", field=object_keys.POLICY)
        spec = found.policy.spec
        schedule = str(body["spec"].get("schedule", ""))
        zone = body["spec"].get("timeZone")
        settled = await self._extended.settle_policy(ref, schedule, zone, spec)
        policy = policies.new_policy(settled.policy, old.id if old else self._unshared(found.policy.id))
        body["metadata"]["annotations"] = annotations | policies.annotations_of(policy)
        if isinstance(job := body["spec"].get("jobTemplate"), dict):
            meta = job.setdefault("metadata", {})
            revision = {object_keys.POLICY_REVISION: policies.revision_of(policy)}
            meta["annotations"] = (meta.get("annotations") or {}) | revision

    def _unshared(self, policy_id: str) -> str | None:
        """Return the policy id of a new CronJob's manifest; None where another CronJob has it already."""
        carried = (policies.read_policy(cronjob).policy for cronjob in self._cronjobs.objects())
        held = any(policy is not None and policy.id == policy_id for policy in carried)
        return None if held else policy_id


def _note(body: JsonObject) -> None:
    """Note the names of the declared fields in an annotation of the manifest."""
    noted = last_applied.encode_field_names(body)
    body["metadata"]["annotations"] = (body["metadata"].get("annotations") or {}) | {
        object_keys.DECLARED: noted
    }


def body_of(wanted: CronJobManifest) -> JsonObject:
    """Return the object to send: only what people write of the metadata, with the namespace."""
    meta = {key: wanted.metadata[key] for key in _KEPT_META if wanted.metadata.get(key)}
    body = {"apiVersion": wanted.api_version, "kind": wanted.kind, "spec": wanted.spec}
    copied: JsonObject = msgspec.json.decode(msgspec.json.encode(body | {"metadata": meta}))
    copied["metadata"]["namespace"] = wanted.namespace
    return copied
