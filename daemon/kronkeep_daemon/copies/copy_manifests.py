"""The Job that copies one backup, and how it ended; pure.

Its steps open both repositories, which must have the ids from their creation, copy, and list what the second
one has then: what restic's log says of a snapshot is a claim.
"""

from typing import NamedTuple

import msgspec

from kronkeep_common import object_keys
from kronkeep_common.models import BackupCopy, BackupExecution
from kronkeep_common.reasons import Reason
from kronkeep_common.text import clean
from kronkeep_daemon.jobs.outcome import FinishedJob
from kronkeep_daemon.kube.objects import JsonObject
from kronkeep_daemon.repositories import reconciliation
from kronkeep_daemon.repositories.job_manifests import Steps, build_repository_job, labels_of
from kronkeep_daemon.repositories.repository import Repository
from kronkeep_daemon.restic import cat, faults, snapshots, version
from kronkeep_daemon.restic import copy as restic_copy
from kronkeep_daemon.restic.faults import Fault
from kronkeep_daemon.restic.snapshots import ListedSnapshot, SnapshotTags
from kronkeep_daemon.settings import ArchiveSettings

COPY_STEP = "copy"
SOURCE_STEP = "source"
TARGET_STEP = "repository"
ROLE = "copy"


class CopiedSnapshots(NamedTuple):
    """The ids of a backup's snapshots in the copy."""

    snapshot_id: str
    database_snapshot_id: str | None = None


def job_name(copy: BackupCopy) -> str:
    """Return the name of the current attempt's Job; a second creation of it ends with AlreadyExists."""
    return f"kronkeep-copy-{copy.id}-{copy.attempt}"


def tags_of(backup: BackupExecution) -> SnapshotTags:
    """Return the tags by which the backup's snapshots are found in every repository."""
    return SnapshotTags(policy=backup.snapshot_policy_id, backup=backup.id)


def copy_steps(
    backup: BackupExecution, source: Repository, *, source_id: str = "", target_id: str = ""
) -> Steps:
    """Return the steps that copy a backup's snapshots.

    source_id, target_id: the ids that the repositories must have; empty where they are not known.
    """
    ids = reconciliation.snapshot_ids(backup)
    return [
        ("version", version.argv()),
        (SOURCE_STEP, restic_copy.on_source(cat.argv(source_id, lock=False))),
        (TARGET_STEP, cat.argv(target_id)),
        (COPY_STEP, restic_copy.argv(ids, encrypted=source.encrypted)),
        (snapshots.STEP, snapshots.argv(tags_of(backup).filter())),
    ]


def build_copy_job(
    copy: BackupCopy,
    steps: Steps,
    repository: Repository,
    *,
    namespace: str,
    settings: ArchiveSettings,
    deadline_seconds: float,
) -> JsonObject:
    """Return the Job; `repository` is that of the copies, with the first one as its source."""
    assert copy.job is not None
    job = build_repository_job(
        name=copy.job,
        namespace=namespace,
        steps=steps,
        repository=repository,
        settings=settings,
        deadline_seconds=deadline_seconds,
    )
    job["metadata"]["labels"] |= {**labels_of(ROLE), object_keys.BACKUP_LABEL: copy.backup_id}
    return job


def find_copies(backup: BackupExecution, listed: list[ListedSnapshot] | None) -> CopiedSnapshots | None:
    """Return the backup's snapshots in the copy; None where not all of them are there.

    listed: those with the backup's tags. Of several of one part, which two Jobs beside each other may have
    made, the first by its id counts.
    """
    own = sorted(reconciliation.own_snapshots(backup, listed or ()), key=_id_of)
    by_part = {each.part: each.id for each in reversed(own)}
    main = by_part.get("files") or by_part.get("")
    database = by_part.get("database")
    result = backup.result
    if result is None or main is None:
        # A backup of a dump alone has that as its only part.
        is_dump_alone = result is not None and database is not None and result.database_snapshot_id is None
        return CopiedSnapshots(database) if is_dump_alone and database is not None else None
    if result.database_snapshot_id is not None and database is None:
        return None
    return CopiedSnapshots(main, database)


def _id_of(snapshot: ListedSnapshot) -> str:
    return snapshot.id


def as_listed_in(backup: BackupExecution, copy: BackupCopy) -> BackupExecution:
    """Return the backup as it is in a copy: with the ids of the snapshots there."""
    assert backup.result is not None
    assert copy.snapshot_id is not None
    result = msgspec.structs.replace(
        backup.result, snapshot_id=copy.snapshot_id, database_snapshot_id=copy.database_snapshot_id
    )
    return msgspec.structs.replace(backup, result=result)


def judge(backup: BackupExecution, copy: BackupCopy, finished: FinishedJob) -> CopiedSnapshots | Fault:
    """Return the copied snapshots, or why there are none."""
    if not finished.complete:
        return _explain(copy, finished)
    container = finished.container(snapshots.STEP)
    copied = find_copies(backup, snapshots.parse_list(container.log) if container is not None else None)
    if copied is not None:
        return copied
    copying = finished.container(COPY_STEP)
    if copying is not None and snapshots.NONE_FOUND.encode() in copying.log:
        return Fault.of(Reason.ORIGINAL_GONE)
    return Fault.of(Reason.COPY_INCOMPLETE)


def _explain(copy: BackupCopy, finished: FinishedJob) -> Fault:
    """Return why the Job failed, with the storage that is at fault where one is alone."""
    if finished.reason == Reason.DEADLINE_EXCEEDED:
        return Fault(
            Reason.DEADLINE_EXCEEDED,
            "The copying was stopped at its deadline.",
            "Raise the copy's deadline_seconds; what was copied is not copied again.",
        )
    failed = finished.first_failure
    if failed is None or finished.reason == Reason.PODS_DISAGREE:
        message = clean(f"The copy's Job failed: {finished.message or finished.reason}", 500)
        return Fault(Reason.INTERRUPTED, message, Reason.INTERRUPTED.next_step)
    probe = finished.container("version")
    used_version = version.parse(probe.log) if probe is not None else version.UNKNOWN
    fault = faults.explain(failed.exit_code, failed.log, "copy", used_version)
    storages = {SOURCE_STEP: copy.from_storage_id, TARGET_STEP: copy.storage_id}
    if failed.name not in storages:
        return fault
    return fault._replace(message=f"The storage {storages[failed.name]}: {fault.message}")
