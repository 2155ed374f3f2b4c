"""The pods of one cluster by the uid of their Job; those of a Job that is recorded take a few hundred bytes.

A decoded pod takes 2.5 KB, and the pods of ended Jobs stay in a cluster for as long as the Jobs do.
"""

from collections.abc import Mapping

from kronkeep_daemon.cronjobs.packed_objects import Packer
from kronkeep_daemon.kube.objects import (
    Condition,
    Container,
    ContainerState,
    ContainerStatus,
    ContainerTerminated,
    ObjectMeta,
    OwnerReference,
    Pod,
    PodSpec,
    PodStatus,
)

PODS_PER_JOB = 1000  # the newest; a Job that retries for ever has any number
Pods = tuple[Pod, ...]


def _make_typical_pods() -> Pods:
    time = "2026-01-01T00:00:00Z"
    meta = ObjectMeta(
        name="backup-29410020-abcde",
        namespace="default",
        uid="01234567-89ab-4cde-8f01-23456789abcd",
        resource_version="1234567",
        creation_timestamp=time,
        owner_references=(OwnerReference(kind="Job", name="backup-29410020", controller=True),),
    )
    kinds = (
        "PodReadyToStartContainers",
        "Initialized",
        "Ready",
        "ContainersReady",
        "PodScheduled",
    )
    conditions = tuple(
        Condition(type=kind, status=status, reason="PodCompleted", last_transition_time=time)
        for kind in kinds
        for status in ("False", "True")
    )
    ends = (
        ContainerTerminated(exit_code=1, reason="Error", finished_at=time),
        ContainerTerminated(exit_code=0, reason="Completed", finished_at=time),
    )
    statuses = tuple(ContainerStatus(name="main", state=ContainerState(terminated=end)) for end in ends)
    spec = PodSpec(node_name="node-1", restart_policy="Never", containers=(Container(name="main"),))
    phases = ("Failed", "Succeeded")
    return tuple(
        Pod(
            metadata=meta,
            spec=spec,
            status=PodStatus(phase=phase, conditions=conditions, container_statuses=statuses),
        )
        for phase in phases
    )


_PACKER = Packer(Pods, _make_typical_pods())


class PodStore:
    """The pods by the uid of their Job, and in that by their own, the oldest first; packed or not."""

    def __init__(self) -> None:
        self._pods: dict[str, dict[str, Pod]] = {}
        self._packed: dict[str, bytes] = {}

    def __len__(self) -> int:
        """Return how many Jobs have pods here."""
        return len(self._pods) + len(self._packed)

    def of_job(self, job_uid: str) -> Mapping[str, Pod]:
        """Return the pods of a Job by uid."""
        pods = self._pods.get(job_uid)
        if pods is None and (packed := self._packed.get(job_uid)) is not None:
            return _unpack(packed)
        return pods or {}

    def put(self, job_uid: str, pod: Pod) -> None:
        """Add a pod or its newer state; beyond PODS_PER_JOB the oldest one of the Job goes."""
        if (packed := self._packed.pop(job_uid, None)) is not None:
            self._pods[job_uid] = _unpack(packed)
        pods = self._pods.setdefault(job_uid, {})
        pods[pod.metadata.uid] = pod
        if len(pods) > PODS_PER_JOB:
            del pods[next(iter(pods))]

    def remove(self, job_uid: str) -> Mapping[str, Pod]:
        """Remove the pods of a Job and return them."""
        pods = self.of_job(job_uid)
        self._pods.pop(job_uid, None)
        self._packed.pop(job_uid, None)
        return pods

    def pack(self, job_uid: str) -> None:
        """Keep the pods of a Job that has ended in fewer bytes."""
        pods = self._pods.pop(job_uid, None)
        if pods:
            self._packed[job_uid] = _pack(tuple(pods.values()))

    def has_version(self, job_uid: str, meta: ObjectMeta) -> bool:
        """Whether a pod is here in the same resource version, which means that it is the same."""
        packed = self._packed.get(job_uid)
        if packed is not None:
            return _mark(meta) in packed[: packed.index(b"\n")]
        pod = self._pods.get(job_uid, {}).get(meta.uid)
        if pod is None or not meta.resource_version:
            return False
        return pod.metadata.resource_version == meta.resource_version


def _mark(meta: ObjectMeta) -> bytes:
    """Return what stands for a pod in its version before the packed pods, readable without unpacking."""
    return f"/{meta.uid} {meta.resource_version}/".encode()


def _pack(pods: Pods) -> bytes:
    return b"".join(_mark(pod.metadata) for pod in pods) + b"\n" + _PACKER.pack(pods)


def _unpack(packed: bytes) -> dict[str, Pod]:
    pods = _PACKER.unpack(packed[packed.index(b"\n") + 1 :])
    return {pod.metadata.uid: pod for pod in pods}
