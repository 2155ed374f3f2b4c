"""CronJobs as kronkeep creates and shows them, and CronJobExecutions, their runs."""

from typing import Annotated, Any, Literal

import msgspec

from kronkeep_common.models.base import Bytes, Moment, Name, Record, Request, Seconds
from kronkeep_common.models.copy_state import CopyState
from kronkeep_common.models.policy import BackupPolicy, BackupPolicySpec, SecretKeyRef, UnarchivedVolume
from kronkeep_common.states import ExecutionStatus, Trigger


class EnvVar(Request, frozen=True, kw_only=True):
    """An environment variable: a plain value, or a reference to a Secret's key."""

    name: Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z_][A-Za-z0-9_.-]*$")]
    value: str | None = None
    secret: SecretKeyRef | None = None


class VolumeMount(Request, frozen=True, kw_only=True):
    """A PersistentVolumeClaim mounted in the CronJob's container."""

    claim: Name
    mount_path: str
    read_only: bool = False


class OtherVolume(Request, frozen=True, kw_only=True):
    """A volume of a CronJob that is no mounted claim, as it is read: it can be changed with kubectl only.

    `kind` is the field of core/v1 that says where its data is, such as `hostPath` or `configMap`.
    """

    name: str
    kind: str
    mount_path: str


class CronJobSpec(Request, frozen=True, kw_only=True):
    """The part of a CronJob that kronkeep's form and API write; field names follow batch/v1.

    `other_volumes` of a CronJob that exists stay as they are and are sent back as they were read.
    """

    image: str
    command: tuple[str, ...] = ()
    args: tuple[str, ...] = ()
    env: tuple[EnvVar, ...] = ()
    volumes: tuple[VolumeMount, ...] = ()
    other_volumes: tuple[OtherVolume, ...] = ()
    schedule: str
    time_zone: str | None = None
    suspend: bool = False
    concurrency_policy: Annotated[str, msgspec.Meta(pattern="^(Allow|Forbid|Replace)$")] = "Forbid"
    starting_deadline_seconds: Annotated[int, msgspec.Meta(ge=0)] | None = None
    active_deadline_seconds: Annotated[int, msgspec.Meta(ge=1)] | None = None
    backoff_limit: Annotated[int, msgspec.Meta(ge=0, le=100)] = 0
    successful_jobs_history_limit: Annotated[int, msgspec.Meta(ge=0, le=1000)] = 3
    failed_jobs_history_limit: Annotated[int, msgspec.Meta(ge=0, le=1000)] = 3
    service_account: str | None = None


class CronJobCreate(CronJobSpec, frozen=True, kw_only=True):
    """A CronJob to create, with or without a policy; both are created, or neither."""

    namespace: Name = "default"
    name: Name
    policy: BackupPolicySpec | None = None


class CronJobManifest(Request, frozen=True, kw_only=True, rename={"api_version": "apiVersion"}):
    """A CronJob in Kubernetes' own format; its policy, where it has one, is in `metadata.annotations`."""

    api_version: Literal["batch/v1"]
    kind: Literal["CronJob"]
    metadata: dict[str, Any]
    spec: dict[str, Any]

    def __post_init__(self) -> None:
        """Raise ValueError for a missing name, and for a namespace that is not a text."""
        for field in ("name", "namespace"):
            if not isinstance(self.metadata.get(field, "default" if field == "namespace" else None), str):
                raise ValueError(f"metadata.{field} must be a text")  # noqa: TRY004 - msgspec's contract

    @property
    def namespace(self) -> str:
        """The namespace; `default` where the manifest has none."""
        return str(self.metadata.get("namespace", "default"))

    @property
    def name(self) -> str:
        return str(self.metadata["name"])


SubjectKind = Literal["CronJob", "PersistentVolumeClaim"]


class CronJob(Record, frozen=True, kw_only=True):
    """A CronJob of a cluster in its present state, or a claim that carries a policy of its own.

    `kind` says which: a claim has the name `pvc/NAME`, no schedule and no runs, and its backups follow its
    policy's schedule. `id` is its uid. `recent` has the statuses of the newest runs, at most 20, oldest
    first. `policy_fault` says why the policy's annotation cannot be read, `policy_findings` how the schedules
    of CronJob and policy do not fit (`Code: sentence`), `nothing_to_archive` why the policy archives nothing,
    `storage_refusal` why its backups may not use its storage, `unarchived_volumes` which mounted volumes it
    leaves out (20 at most), and `resolution`, in the answer to a change, what the policy's strategy did about
    a conflict. `claim_warnings`, in such an answer too, are about claims to archive that do not exist yet or
    have no files, Secrets of its policy that are missing, what the excludes leave out, and limits of its
    storages. At most 100 `claims` are shown.
    `next_backup_at` follows the policy's schedule; without one it is the start of the next run, which the
    backup follows. `maintenance` is the id of the maintenance that keeps it suspended. `late_since` is the
    oldest slot that has no Job after the grace period, `delayed_since` the slot that waits for the run before
    it (Forbid). `copies` say how far each copy of the policy is. `expected_restore_seconds` is how long
    restoring the newest good backup will take by earlier restores and drills; None where that is not known.
    """

    id: str
    kind: SubjectKind = "CronJob"
    cluster: str
    namespace: str
    name: str
    schedule: str
    time_zone: str | None = None
    schedule_text: str = ""
    image: str = ""
    suspended: bool = False
    maintenance: str | None = None
    created_at: Moment
    resource_version: str = ""
    next_at: Moment | None = None
    last_scheduled_at: Moment | None = None
    late_since: Moment | None = None
    delayed_since: Moment | None = None
    active: int = 0
    recent: tuple[ExecutionStatus, ...] = ()
    last_execution_id: str | None = None
    last_started_at: Moment | None = None
    last_duration_seconds: Seconds | None = None
    claims: tuple[str, ...] = ()
    policy: BackupPolicy | None = None
    policy_fault: str | None = None
    policy_findings: tuple[str, ...] = ()
    nothing_to_archive: str | None = None
    storage_refusal: str | None = None
    unarchived_volumes: tuple[UnarchivedVolume, ...] = ()
    claim_warnings: tuple[str, ...] = ()
    resolution: str | None = None
    next_backup_at: Moment | None = None
    last_backup_id: str | None = None
    last_good_backup_at: Moment | None = None
    last_verified_at: Moment | None = None
    backup_overdue: bool = False
    expected_restore_seconds: Seconds | None = None
    copies: tuple[CopyState, ...] = ()

    @property
    def is_claim(self) -> bool:
        """Whether it is a claim with a policy of its own."""
        return self.kind == "PersistentVolumeClaim"


class Cause(Record, frozen=True, kw_only=True):
    """Why something waits or has failed: a Reason, a sentence, and what to do."""

    reason: str
    message: str
    next_step: str


class PodRecord(Record, frozen=True, kw_only=True):
    """One pod of a Job: where it ran, and how the container that decided its end ended, with the cause.

    `attempt` is the start of that container, from 1; later ones are restarts (restartPolicy OnFailure).
    """

    name: str
    created_at: Moment | None = None
    node: str | None = None
    phase: str = ""
    container: str | None = None
    attempt: int = 1
    exit_code: int | None = None
    signal: int | None = None
    reason: str | None = None
    restarts: int = 0
    cause: Cause | None = None


LogLimit = Literal["namespace", "total"]


class LogRemoval(Record, frozen=True, kw_only=True):
    """The removal of kept logs for space: the limit that was reached, of their namespace or of all."""

    at: Moment
    limit: LogLimit
    limit_bytes: Bytes


class KeptLog(Record, frozen=True, kw_only=True):
    """A container's log that was stored: the pod wrote `bytes`, of which `kept` are stored.

    A long log is stored without its middle (`truncated`). `attempt` is the start of the container in its pod,
    from 1; of a container that was restarted the first attempt and the newest four are kept. `last_lines` are
    the last five lines of a container that failed, each of at most 300 characters. `removed` is set where the
    log itself had to go since then.
    """

    container: str
    pod: str
    attempt: int = 1
    bytes: Bytes
    kept: Bytes
    truncated: bool = False
    last_lines: tuple[str, ...] = ()
    removed: LogRemoval | None = None


class CronJobExecution(Record, frozen=True, kw_only=True):
    """A run: one Job of a CronJob, or a slot for which there was no Job.

    `id` is the Job's uid; without a Job it is made from the CronJob and the slot. `reason` is a Reason or a
    word of Kubernetes, `message` a sentence, `next_step` what to do. `scheduled_at` is the slot, None for
    manual runs. `failed_indexes` are those of an Indexed Job, such as `0-2,5`. `evidence` says from what the
    record was inferred. A period in which kronkeep did not watch has `gap_until` and the number of slots in
    it. `cancelled_by` is the user who stopped the run, or deleted its CronJob, with kronkeep. A Job that
    nothing else owns has the `cronjob` `job/NAME`; one that Helm runs as a hook says so in `helm_hook`, such
    as post-upgrade.
    """

    id: str
    cluster: str
    namespace: str
    cronjob: str
    cronjob_id: str
    job: str | None = None
    status: ExecutionStatus
    trigger: Trigger
    scheduled_at: Moment | None = None
    created_at: Moment
    started_at: Moment | None = None
    ended_at: Moment | None = None
    duration_seconds: Seconds | None = None
    attempts: int = 0
    exit_code: int | None = None
    restarts: int = 0
    node: str | None = None
    pods: tuple[PodRecord, ...] = ()
    failed_indexes: str | None = None
    reason: str | None = None
    message: str | None = None
    next_step: str | None = None
    policy_id: str | None = None
    policy_revision: str | None = None
    overrides: tuple[EnvVar, ...] = ()
    backup_id: str | None = None
    logs: tuple[KeptLog, ...] = ()
    evidence: str | None = None
    gap_until: Moment | None = None
    gap_slots: int = 0
    helm_hook: str | None = None
    cancelled_by: str | None = None
