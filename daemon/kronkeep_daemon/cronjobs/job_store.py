"""The Jobs of one cluster by uid; those that have ended and are recorded take a few hundred bytes each.

A decoded Job takes 2 KB, and clusters with 260,000 ended Jobs exist. A Job that is recorded is hardly ever
read again, so it is kept packed.
"""

from collections.abc import Iterable

from kronkeep_daemon.cronjobs.packed_objects import Packer
from kronkeep_daemon.kube.objects import Condition, Job, JobAnnotations, JobStatus, ObjectMeta, OwnerReference


def _make_typical_job() -> Job:
    texts = (
        ("SuccessCriteriaMet", "CompletionsReached", "Reached expected number of succeeded pods"),
        ("Complete", "CompletionsReached", "Reached expected number of succeeded pods"),
        ("FailureTarget", "BackoffLimitExceeded", "Job has reached the specified backoff limit"),
        ("Failed", "DeadlineExceeded", "Job was active longer than specified deadline"),
    )
    owner = OwnerReference(kind="CronJob", name="backup", uid="0123-4567-89ab-cdef", controller=True)
    time = "2026-01-01T00:00:00Z"
    meta = ObjectMeta(
        name="backup-29410020",
        namespace="default",
        uid="01234567-89ab-4cde-8f01-23456789abcd",
        resource_version="1234567",
        creation_timestamp=time,
        annotations=JobAnnotations(scheduled=time, instantiate="manual"),
        owner_references=(owner,),
    )
    conditions = tuple(
        Condition(type=kind, status="True", reason=reason, message=message, last_transition_time=time)
        for kind, reason, message in texts
    )
    status = JobStatus(
        start_time=time, completion_time=time, terminating=0, ready=0, succeeded=1, conditions=conditions
    )
    return Job(metadata=meta, status=status)


_PACKER = Packer(Job, _make_typical_job())


class JobStore:
    """The Jobs by uid, packed or not."""

    def __init__(self) -> None:
        self._jobs: dict[str, Job] = {}
        self._packed: dict[str, bytes] = {}

    def __len__(self) -> int:
        return len(self._jobs) + len(self._packed)

    def __contains__(self, uid: str) -> bool:
        return uid in self._jobs or uid in self._packed

    def __getitem__(self, uid: str) -> Job:
        """Return a Job; raise KeyError where there is none of that uid."""
        job = self.get(uid)
        if job is None:
            raise KeyError(uid)
        return job

    def get(self, uid: str) -> Job | None:
        """Return a Job, None where there is none of that uid."""
        job = self._jobs.get(uid)
        if job is None and (packed := self._packed.get(uid)) is not None:
            return _unpack(packed)
        return job

    def put(self, job: Job) -> None:
        """Add a Job or its newer state."""
        self._packed.pop(job.metadata.uid, None)
        self._jobs[job.metadata.uid] = job

    def remove(self, uid: str) -> Job | None:
        """Remove a Job and return it."""
        job = self.get(uid)
        self._jobs.pop(uid, None)
        self._packed.pop(uid, None)
        return job

    def pack(self, uid: str) -> None:
        """Keep a Job that has ended in fewer bytes."""
        job = self._jobs.pop(uid, None)
        if job is not None:
            self._packed[uid] = _pack(job)

    def list_unpacked(self) -> Iterable[Job]:
        """Return the Jobs that are not packed."""
        return self._jobs.values()

    def uids_in(self, namespace: str | None) -> list[str]:
        """Return the uids of the Jobs of one namespace, or of all for None."""
        if namespace is None:
            return [*self._jobs, *self._packed]
        prefix = _prefix(namespace)
        uids = [uid for uid, job in self._jobs.items() if job.metadata.namespace == namespace]
        return uids + [uid for uid, packed in self._packed.items() if packed.startswith(prefix)]

    def has_version(self, meta: ObjectMeta) -> bool:
        """Whether the Job is here in the same resource version, which means that it is the same."""
        packed = self._packed.get(meta.uid)
        if packed is not None:
            return packed.startswith(_prefix(meta.namespace, meta.resource_version))
        job = self._jobs.get(meta.uid)
        return job is not None and job.metadata.resource_version == meta.resource_version != ""


def _prefix(*texts: str) -> bytes:
    """Return what a packed Job begins with: its namespace, then its version, readable without unpacking."""
    return b"".join(text.encode() + b"\0" for text in texts)


def _pack(job: Job) -> bytes:
    return _prefix(job.metadata.namespace, job.metadata.resource_version) + _PACKER.pack(job)


def _unpack(packed: bytes) -> Job:
    return _PACKER.unpack(packed.split(b"\0", 2)[2])
