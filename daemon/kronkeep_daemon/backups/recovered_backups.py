"""Records of backups made again from the tags of their snapshots; pure.

A record can be lost (with the state folder, or by going back to an older copy of it), or another daemon had
it. The tags say whose a snapshot is, and not how its archive ended, so what is found is good only after a
verify, or when the record of its run agrees: that run is of the same CronJob, succeeded, and ended before the
snapshot was made. Whoever has the repository's password can write any tags, so all of them are checked.
"""

import re
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from typing import NamedTuple, cast, get_args

import msgspec

from kronkeep_common import subject_names
from kronkeep_common.models import (
    BackupExecution,
    BackupPolicy,
    BackupResult,
    CronJobExecution,
    Encryption,
)
from kronkeep_common.models.policy import POLICY_ID_PATTERN, BackupType
from kronkeep_common.reasons import Reason
from kronkeep_common.states import BackupStatus, ExecutionStatus
from kronkeep_daemon.backups import policy_annotations
from kronkeep_daemon.repositories import reconciliation
from kronkeep_daemon.repositories.repository import Repository, repository_of_backup
from kronkeep_daemon.restic.snapshots import ListedSnapshot, SnapshotSummary, SnapshotTags

BACKUP_TRIGGERS = ("after-run", "scheduled", "manual", "catch-up")
AGREED_WARNING = "Its record was lost and made again; its run's record says that it was good."
OLDEST = datetime(2015, 1, 1, tzinfo=UTC)  # no snapshot is older: restic's first release is of that year
_ENDS_OF_RUNS = (ExecutionStatus.SUCCEEDED, ExecutionStatus.FAILED)
_ID = re.compile(r"[0-9a-z][0-9a-z-]{7,63}")
_POLICY_ID = re.compile(POLICY_ID_PATTERN)
_NAME = re.compile(r"[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?")
_SUBJECT = re.compile(rf"({subject_names.CLAIM_PREFIX})?{_NAME.pattern}")
_RUN = re.compile(r"[0-9A-Za-z][0-9A-Za-z:./_+-]{0,199}")

PolicyOf = Callable[[SnapshotTags], BackupPolicy | None]
"""Returns the policy that the CronJob of the tags carries now under the id of the tags."""


class Recovery(NamedTuple):
    """Snapshots without a record, as lost backups, as those of other clusters, or with unusable tags."""

    backups: tuple[BackupExecution, ...]
    elsewhere: tuple[ListedSnapshot, ...]
    unusable: tuple[ListedSnapshot, ...]


def recover_backups(
    snapshots: Iterable[ListedSnapshot],
    repository: Repository,
    *,
    is_our_cluster: Callable[[str], bool],
    policy_of: PolicyOf,
    now: datetime,
) -> Recovery:
    """Return the backups that the snapshots of a repository are of.

    now: the time of the recovery; no backup is dated later.
    """
    backups: list[BackupExecution] = []
    elsewhere: list[ListedSnapshot] = []
    unusable: list[ListedSnapshot] = []
    for group in reconciliation.group_by_backup(snapshots).values():
        tags = group[0].read_tags()
        if not _are_usable(group):
            unusable += group
        elif not is_our_cluster(tags.cluster):
            elsewhere += group
        else:
            backup = _backup_of(tags, group, policy_of(tags), repository, now)
            if repository_of_backup(backup, repository.storage).id == repository.id:
                backups.append(backup)
            else:
                unusable += group
    return Recovery(backups=tuple(backups), elsewhere=tuple(elsewhere), unusable=tuple(unusable))


def _are_usable(group: Sequence[ListedSnapshot]) -> bool:
    """Return whether the tags of one backup's snapshots say the same, and can be what we gave."""
    tags = group[0].read_tags()
    whole = msgspec.structs.replace(tags, part="")
    return (
        all(msgspec.structs.replace(each.read_tags(), part="") == whole for each in group)
        and all(each.part in ("", "files", "database") for each in group)
        and _ID.fullmatch(tags.backup) is not None
        and _ID.fullmatch(tags.cluster) is not None
        and _ID.fullmatch(tags.cronjob_id) is not None
        and _POLICY_ID.fullmatch(tags.policy) is not None
        and _NAME.fullmatch(tags.namespace) is not None
        and _SUBJECT.fullmatch(tags.cronjob) is not None
        and _RUN.fullmatch(tags.run) is not None
    )


def _backup_of(
    tags: SnapshotTags,
    group: Sequence[ListedSnapshot],
    policy: BackupPolicy | None,
    repository: Repository,
    now: datetime,
) -> BackupExecution:
    # Of two snapshots of one part, which a lost attempt may have left, the later one counts.
    by_part = {each.part: each for each in sorted(group, key=_time_of)}
    main = by_part.get("files") or by_part.get("") or by_part["database"]
    database = by_part.get("database")
    made_at = min(_time_of(main), now)
    recovered = Reason.RECOVERED
    backup = BackupExecution(
        id=tags.backup,
        cluster=tags.cluster,
        namespace=tags.namespace,
        cronjob=tags.cronjob,
        cronjob_id=tags.cronjob_id,
        cronjob_execution_id=tags.run if tags.run != tags.backup else None,
        policy_id=tags.policy,
        policy=policy,
        policy_revision=policy_annotations.revision_of(policy) if policy is not None else "",
        storage_id=repository.storage.id,
        layout=repository.layout,
        backup_type=cast(BackupType, _one_of(tags.backup_type, get_args(BackupType), "incremental")),
        trigger=_one_of(tags.trigger, BACKUP_TRIGGERS, "manual"),  # type: ignore[arg-type]
        status=BackupStatus.UNKNOWN,
        created_at=made_at,
        ended_at=made_at,
        result=_result_of(main, database if database is not main else None),
        recovered_at=now,
        reason=recovered,
        message=_message_of(tags),
        next_step=recovered.next_step,
    )
    if repository.folder and repository_of_backup(backup, repository.storage).id != repository.id:
        encryption = Encryption(
            enabled=repository.encrypted, key=repository.key.ref if repository.key else None
        )
        known = BackupPolicy(id=tags.policy, storage_id=repository.storage.id, encryption=encryption)
        backup = msgspec.structs.replace(backup, policy=known)
    return _as_partial(backup) if _lacks_part(by_part) else backup


def _message_of(tags: SnapshotTags) -> str:
    """Return what is known: that it was found, and how its run was when the archive began."""
    meaning = Reason.RECOVERED.meaning
    return f"{meaning} Its run had {tags.run_status}." if tags.run_status in _ENDS_OF_RUNS else meaning


def _lacks_part(by_part: dict[str, ListedSnapshot]) -> bool:
    """Return whether a backup of files and a dump has only one of them left."""
    return "" not in by_part and len(by_part) == 1


def _as_partial(backup: BackupExecution) -> BackupExecution:
    message = f"{backup.message} Of its dump and its files only one is there."
    return msgspec.structs.replace(backup, status=BackupStatus.PARTIAL, message=message)


def _one_of(value: str, known: Sequence[str], default: str) -> str:
    return value if value in known else default


def _time_of(snapshot: ListedSnapshot) -> datetime:
    """Return when the snapshot was made; OLDEST for a text that is no time, or of one before."""
    try:
        return max(datetime.fromisoformat(snapshot.time).astimezone(UTC), OLDEST)
    except (ValueError, OverflowError):
        return OLDEST


def _result_of(main: ListedSnapshot, database: ListedSnapshot | None) -> BackupResult:
    """Return the result, with the figures that restic 0.17 and later keep in a snapshot."""
    figures = main.summary or SnapshotSummary()
    return BackupResult(
        snapshot_id=main.id,
        database_snapshot_id=database.id if database is not None else None,
        tree=main.tree,
        database_tree=database.tree if database is not None else "",
        files_new=figures.files_new,
        files_changed=figures.files_changed,
        files_unmodified=figures.files_unmodified,
        files_total=figures.total_files_processed,
        bytes_read=figures.total_bytes_processed,
        bytes_added=figures.data_added,
        bytes_stored=figures.data_added_packed,
    )


def is_confirmed_by(run: CronJobExecution | None, backup: BackupExecution) -> bool:
    """Return whether the record of its run agrees that a recovered backup is good."""
    return (
        run is not None
        and backup.status is BackupStatus.UNKNOWN
        and backup.reason == Reason.RECOVERED
        and (run.cluster, run.cronjob_id) == (backup.cluster, backup.cronjob_id)
        and run.status is ExecutionStatus.SUCCEEDED
        and run.ended_at is not None
        and run.ended_at <= backup.created_at
    )


def as_good(backup: BackupExecution, warnings: tuple[str, ...] = ()) -> BackupExecution:
    """Return a backup whose end was not known, which has turned out to be good."""
    return msgspec.structs.replace(
        backup,
        status=BackupStatus.SUCCEEDED,
        reason=None,
        message=None,
        next_step=None,
        warnings=(*backup.warnings, *warnings),
    )
