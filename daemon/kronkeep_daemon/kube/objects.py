"""The fields that are read of CronJobs, Jobs, pods and Events, as structs; everything else is skipped.

Decoding a Job of 2.9 KB takes a few microseconds and a kilobyte; the kubernetes package's models 150 and 40.
"""

from __future__ import annotations

from datetime import datetime
from typing import Protocol, Self, TypeVar

import msgspec

from kronkeep_common import object_keys
from kronkeep_common.json_decoding import JsonObject as JsonObject
from kronkeep_daemon.kube.labels import MetaLabels
from kronkeep_daemon.kube.timestamps import parse_timestamp


class _ApiStruct(msgspec.Struct, rename="camel", gc=False, omit_defaults=True):
    """The base of all structs here: names in camel case; instances are not changed after decoding."""


class OwnerReference(_ApiStruct):
    """An entry of metadata.ownerReferences."""

    kind: str = ""
    name: str = ""
    uid: str = ""
    controller: bool | None = None


class JobAnnotations(
    msgspec.Struct,
    gc=False,
    rename={
        "scheduled": object_keys.SCHEDULED_TIMESTAMP,
        "instantiate": object_keys.INSTANTIATE,
        "policy_revision": object_keys.POLICY_REVISION,
        "overrides": object_keys.OVERRIDES_ANNOTATION,
        "helm_hook": object_keys.HELM_HOOK,
    },
    kw_only=True,
):
    """The annotations that are read of a Job."""

    scheduled: str | None = None
    instantiate: str | None = None
    policy_revision: str | None = None
    overrides: str | None = None
    helm_hook: str | None = None


LONGEST_ANNOTATION = 16_384  # characters, of those that are read of a Job; anybody may write 256 KiB


class ObjectMeta(_ApiStruct):
    """The metadata of a Job, pod or Event."""

    name: str = ""
    namespace: str = ""
    uid: str = ""
    resource_version: str = ""
    creation_timestamp: str | None = None
    deletion_timestamp: str | None = None
    annotations: JobAnnotations | None = None
    labels: MetaLabels | None = None
    owner_references: tuple[OwnerReference, ...] | None = None
    finalizers: tuple[str, ...] | None = None


class Condition(_ApiStruct):
    """An entry of status.conditions of a Job or pod."""

    type: str = ""
    status: str = ""
    reason: str | None = None
    message: str | None = None
    last_transition_time: str | None = None


class HasCronJob(Protocol):
    """A record that names the CronJob it is about."""

    @property
    def cluster(self) -> str: ...

    @property
    def namespace(self) -> str: ...

    @property
    def cronjob(self) -> str: ...


class CronJobRef(msgspec.Struct, frozen=True, order=True):
    """The identity of a CronJob by name: the id of its cluster, its namespace, its name."""

    cluster: str
    namespace: str
    name: str

    @classmethod
    def of(cls, record: HasCronJob) -> Self:
        """Return the CronJob that a run, a backup or a restore is about."""
        return cls(record.cluster, record.namespace, record.cronjob)

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}"


class ClaimVolumeSource(_ApiStruct):
    """persistentVolumeClaim of a volume."""

    claim_name: str = ""


class TemplateMount(_ApiStruct):
    """One of the volumeMounts of a container."""

    name: str = ""
    mount_path: str = ""
    sub_path: str | None = None
    sub_path_expr: str | None = None


class TemplateDevice(_ApiStruct):
    """One of the volumeDevices of a container."""

    name: str = ""
    device_path: str = ""


class TemplateContainer(_ApiStruct):
    """One of the containers of a pod template."""

    image: str = ""
    volume_mounts: tuple[TemplateMount, ...] | None = None
    volume_devices: tuple[TemplateDevice, ...] | None = None


class TemplatePodSpec(_ApiStruct, kw_only=True):
    """The spec of a pod template.

    Of a volume every field is there as JSON: the field besides its name says of which kind it is, and
    Kubernetes adds kinds.
    """

    containers: tuple[TemplateContainer, ...] | None = None
    init_containers: tuple[TemplateContainer, ...] | None = None
    volumes: tuple[dict[str, msgspec.Raw], ...] | None = None


class PodTemplate(_ApiStruct):
    """The template in a Job's spec."""

    spec: TemplatePodSpec = msgspec.field(default_factory=TemplatePodSpec)


class TemplateJobSpec(_ApiStruct):
    """The spec of a CronJob's jobTemplate."""

    template: PodTemplate = msgspec.field(default_factory=PodTemplate)


class JobTemplate(_ApiStruct):
    """The jobTemplate of a CronJob."""

    spec: TemplateJobSpec = msgspec.field(default_factory=TemplateJobSpec)


class CronJobMeta(_ApiStruct, kw_only=True):
    """The metadata of a CronJob, with all of its annotations."""

    name: str = ""
    namespace: str = ""
    uid: str = ""
    resource_version: str = ""
    creation_timestamp: str | None = None
    annotations: dict[str, str] | None = None


class CronJobObjectSpec(_ApiStruct, kw_only=True):
    """The spec of a CronJob."""

    schedule: str = ""
    time_zone: str | None = None
    suspend: bool | None = None
    concurrency_policy: str | None = None
    starting_deadline_seconds: int | None = None
    job_template: JobTemplate = msgspec.field(default_factory=JobTemplate)


class CronJobObjectStatus(_ApiStruct):
    """The status of a CronJob."""

    last_schedule_time: str | None = None
    last_successful_time: str | None = None


class CronJobObject(_ApiStruct, kw_only=True):
    """A CronJob of batch/v1: the fields that are read, and its whole JSON for showing and patching it.

    `cluster` is the id of the cluster that it was read from, `json` what that sent, `record_id` see `uid`.
    """

    metadata: CronJobMeta = msgspec.field(default_factory=CronJobMeta)
    spec: CronJobObjectSpec = msgspec.field(default_factory=CronJobObjectSpec)
    status: CronJobObjectStatus = msgspec.field(default_factory=CronJobObjectStatus)
    cluster: str = ""
    json: bytes = b""
    record_id: str = ""

    @classmethod
    def from_json(cls, body: bytes | msgspec.Raw, cluster: str) -> CronJobObject:
        """Decode an object that the cluster sent; raises msgspec.ValidationError."""
        cronjob = _CRONJOBS.decode(body)
        cronjob.cluster = cluster
        cronjob.json = bytes(body)  # a Raw of the page of a list would keep the whole page in memory
        return cronjob

    @classmethod
    def from_manifest(cls, manifest: JsonObject, cluster: str) -> CronJobObject:
        """Take an object that is decoded to a dict; raises msgspec.ValidationError."""
        return cls.from_json(msgspec.json.encode(manifest), cluster)

    def manifest(self) -> JsonObject:
        """Return the whole object, decoded from its JSON at each call."""
        manifest: JsonObject = msgspec.json.decode(self.json)
        return manifest

    @property
    def ref(self) -> CronJobRef:
        """The identity by name."""
        return CronJobRef(self.cluster, self.metadata.namespace, self.metadata.name)

    @property
    def uid(self) -> str:
        """The identity in records, which no later CronJob of the name and no other cluster's has."""
        return self.record_id or self.metadata.uid

    @property
    def namespace(self) -> str:
        """The namespace of the CronJob and its Jobs."""
        return self.metadata.namespace

    @property
    def name(self) -> str:
        """The name, unique within the namespace."""
        return self.metadata.name

    @property
    def annotations(self) -> dict[str, str]:
        """All annotations, empty where there are none."""
        return self.metadata.annotations or {}

    @property
    def pod(self) -> TemplatePodSpec:
        """The spec of the pods of its Jobs."""
        return self.spec.job_template.spec.template.spec

    @property
    def created_at(self) -> datetime | None:
        """When it was created, by the API server's clock."""
        return parse_timestamp(self.metadata.creation_timestamp)

    @property
    def last_scheduled_at(self) -> datetime | None:
        """The newest slot whose Job the CronJob controller has created."""
        return parse_timestamp(self.status.last_schedule_time)


_CRONJOBS = msgspec.json.Decoder(CronJobObject)


class JobSpec(_ApiStruct, kw_only=True):
    """The spec of a Job."""

    active_deadline_seconds: int | None = None
    backoff_limit: int | None = None
    completions: int | None = None
    max_failed_indexes: int | None = None
    suspend: bool | None = None
    managed_by: str | None = None
    pod_replacement_policy: str | None = None


class JobStatus(_ApiStruct, kw_only=True):
    """The status of a Job."""

    start_time: str | None = None
    completion_time: str | None = None
    active: int | None = None
    ready: int | None = None
    terminating: int | None = None
    completed_indexes: str | None = None
    failed_indexes: str | None = None
    succeeded: int | None = None
    failed: int | None = None
    conditions: tuple[Condition, ...] | None = None


class Job(_ApiStruct):
    """A Job of batch/v1."""

    metadata: ObjectMeta = msgspec.field(default_factory=ObjectMeta)
    spec: JobSpec = msgspec.field(default_factory=JobSpec)
    status: JobStatus = msgspec.field(default_factory=JobStatus)

    def true_condition(self, kind: str) -> Condition | None:
        """Return the condition of a type whose status is True; a resumed Job has Suspended as False."""
        for condition in self.status.conditions or ():
            if condition.type == kind and condition.status == "True":
                return condition
        return None


class ContainerResources(_ApiStruct):
    """The resources of a container."""

    limits: dict[str, str | int | float] | None = None


class Container(_ApiStruct):
    """An entry of a pod's spec.containers."""

    name: str = ""
    resources: ContainerResources | None = None
    restart_policy: str | None = None


class PodSpec(_ApiStruct):
    """The spec of a pod."""

    node_name: str | None = None
    restart_policy: str | None = None
    containers: tuple[Container, ...] | None = None
    init_containers: tuple[Container, ...] | None = None
    readiness_gates: tuple[JsonObject, ...] | None = None


class ContainerWaiting(_ApiStruct):
    """state.waiting of a container."""

    reason: str | None = None
    message: str | None = None


class ContainerRunning(_ApiStruct):
    """state.running of a container."""

    started_at: str | None = None


class ContainerTerminated(_ApiStruct):
    """state.terminated of a container."""

    exit_code: int = 0
    signal: int | None = None
    reason: str | None = None
    message: str | None = None
    finished_at: str | None = None


class ContainerState(_ApiStruct):
    """The state or lastState of a container."""

    waiting: ContainerWaiting | None = None
    running: ContainerRunning | None = None
    terminated: ContainerTerminated | None = None


class ContainerStatus(_ApiStruct):
    """An entry of a pod's status.containerStatuses."""

    name: str = ""
    restart_count: int = 0
    state: ContainerState | None = None
    last_state: ContainerState | None = None


class PodStatus(_ApiStruct):
    """The status of a pod."""

    phase: str = ""
    reason: str | None = None
    message: str | None = None
    conditions: tuple[Condition, ...] | None = None
    init_container_statuses: tuple[ContainerStatus, ...] | None = None
    container_statuses: tuple[ContainerStatus, ...] | None = None


class Pod(_ApiStruct):
    """A pod of v1."""

    metadata: ObjectMeta = msgspec.field(default_factory=ObjectMeta)
    spec: PodSpec = msgspec.field(default_factory=PodSpec)
    status: PodStatus = msgspec.field(default_factory=PodStatus)

    @property
    def container_statuses(self) -> tuple[ContainerStatus, ...]:
        """The statuses of all containers, init containers first."""
        return (*(self.status.init_container_statuses or ()), *(self.status.container_statuses or ()))

    @property
    def sidecars(self) -> frozenset[str]:
        """The names of its native sidecars: init containers that are restarted for ever (KEP-753)."""
        init = self.spec.init_containers or ()
        return frozenset(container.name for container in init if container.restart_policy == "Always")


class InvolvedObject(_ApiStruct):
    """The involvedObject of an Event."""

    kind: str = ""
    namespace: str = ""
    name: str = ""
    uid: str = ""


class EventSeries(_ApiStruct):
    """The series of an Event."""

    count: int | None = None
    last_observed_time: str | None = None


class Event(_ApiStruct):
    """An Event of v1; newer reporters set only `event_time`, older ones only the other times."""

    metadata: ObjectMeta = msgspec.field(default_factory=ObjectMeta)
    involved_object: InvolvedObject = msgspec.field(default_factory=InvolvedObject)
    type: str | None = None
    reason: str | None = None
    message: str | None = None
    count: int | None = None
    last_timestamp: str | None = None
    event_time: str | None = None
    series: EventSeries | None = None

    @property
    def last_seen(self) -> str | None:
        """The time of its last occurrence."""
        last = self.series.last_observed_time if self.series else None
        return last or self.last_timestamp or self.event_time or self.metadata.creation_timestamp

    @property
    def occurrences(self) -> int:
        """How many times it occurred."""
        return (self.series.count if self.series else None) or self.count or 1


T = TypeVar("T")


def convert_object(plain: JsonObject, kind: type[T]) -> T:
    """Convert a dict to a struct of this module; raises msgspec.ValidationError."""
    return msgspec.convert(plain, kind, strict=False)


def drop_long_annotations(meta: ObjectMeta) -> None:
    """Drop the annotations that are longer than any that kronkeep or Kubernetes writes."""
    annotations = meta.annotations
    if annotations is None:
        return
    for field in JobAnnotations.__struct_fields__:
        if len(getattr(annotations, field) or "") > LONGEST_ANNOTATION:
            setattr(annotations, field, None)


def job_uid_of(pod: Pod) -> str | None:
    """Return the uid of the Job that owns a pod."""
    return next((owner.uid for owner in pod.metadata.owner_references or () if owner.kind == "Job"), None)


def cronjob_owner_of(job: Job) -> OwnerReference | None:
    """Return the owner reference with `controller: true` to the CronJob of a Job."""
    for owner in job.metadata.owner_references or ():
        if owner.kind == "CronJob" and owner.controller:
            return owner
    return None
