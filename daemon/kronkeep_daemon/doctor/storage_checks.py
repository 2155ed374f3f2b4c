"""The checks of what storages hold: snapshots that are missing, without a record, or of no policy; pure."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime

from kronkeep_common.api import Check, Grade
from kronkeep_common.models import BackupCopy, BackupExecution, BackupStorage, OrphanedPolicy
from kronkeep_common.states import MoveState, StorageStatus
from kronkeep_common.text import clean, count_words, duration
from kronkeep_daemon.alerts import storage_rules
from kronkeep_daemon.alerts.recovery_kit_rules import check_kit
from kronkeep_daemon.backups import policy_annotations
from kronkeep_daemon.kube.subjects import PolicySubject
from kronkeep_daemon.repositories import copy_access


def check_state(storage: BackupStorage) -> Check:
    """Return the line of a storage: whether it can be used, and if not, what its alert says to do."""
    name = f"storage {clean(storage.id, 63)}"
    if storage.status is not StorageStatus.ACTIVE:
        return _check_inactive(name, storage)
    fault = storage_rules.storage_damaged(storage) or storage_rules.storage_unreachable(storage)
    fault = fault or (storage_rules.storage_filling(storage) if storage.has_fault else None)
    if fault is not None:
        return Check(name=name, status="fail", message=fault.message, next_step=fault.next_step)
    if not storage.namespaces:
        message = "It serves no namespace, so nobody can use it."
        next_step = f"Name some: kronkeep storage change {storage.id} --allow-namespace NAMESPACE."
        return Check(name=name, status="warn", message=message, next_step=next_step)
    return Check(name=name, status="ok", message="It is active.")


def _check_inactive(name: str, storage: BackupStorage) -> Check:
    status: Grade = "fail" if storage.has_fault else "warn"
    message = f"It is {storage.status}: {storage.message}" if storage.message else f"It is {storage.status}."
    if storage.next_step:
        next_step = storage.next_step
    elif storage.status is StorageStatus.FAILED:
        next_step = f"kronkeep storage retry {storage.id}."
    else:
        next_step = "Nothing but to wait: kronkeep watch storages tells when that has ended."
    return Check(name=name, status=status, message=message, next_step=next_step)


def check_snapshots(storages: Sequence[BackupStorage], orphans: Sequence[OrphanedPolicy]) -> Iterator[Check]:
    """Yield a warning for each storage that differs from the records, and for backups without a policy."""
    for storage in storages:
        counts = storage.snapshots
        name = f"snapshots in {clean(storage.id, 63)}"
        if counts is not None and counts.missing:
            yield Check(
                name=name,
                status="warn",
                message=f"The snapshots of {counts.missing} backups are missing.",
                next_step=f"Bring them back, or: kronkeep storage acknowledge {clean(storage.id, 63)}.",
            )
        if counts is not None and counts.unrecorded:
            yield Check(
                name=name,
                status="warn",
                message=f"{counts.unrecorded} backups of this kronkeep have snapshots and no record.",
                next_step=f"kronkeep storage rescan {clean(storage.id, 63)}.",
            )
    if orphans:
        snapshots = sum(orphan.snapshots for orphan in orphans)
        yield Check(
            name="orphans",
            status="warn",
            message=f"{snapshots} snapshots are of {len(orphans)} policies that no CronJob has any more.",
            next_step="kronkeep storage orphans; then kronkeep adopt, or kronkeep retention --policy ID.",
        )


def check_kits(storages: Iterable[BackupStorage], now: datetime) -> Iterator[Check]:
    """Yield a line for each active storage: whether its recovery kit is there, complete and confirmed."""
    for storage in storages:
        check = check_kit(storage, now)
        if check is not None:
            yield check


def check_moves(storages: Iterable[BackupStorage]) -> Iterator[Check]:
    """Yield a warning for each move to another layout that waits for a person, or does not go on."""
    for storage in storages:
        move = storage.move
        name = f"move of {clean(storage.id, 63)}"
        if move is not None and move.message is not None:
            yield Check(name=name, status="warn", message=move.message, next_step=move.next_step or "")
        elif move is not None and move.state is MoveState.KEPT:
            yield Check(
                name=name,
                status="warn",
                message="Its backups are in the new layout, and the originals still take their space.",
                next_step=f"kronkeep storage move {clean(storage.id, 63)} --remove-old.",
            )


def check_crowded(storages: Iterable[BackupStorage]) -> Iterator[Check]:
    """Yield a warning for each repository in which archives begin late."""
    for storage in storages:
        for repository in storage.crowded:
            yield Check(
                name=f"repository {clean(repository.id, 200)}",
                status="warn",
                message=f"restic reads the first file only after {duration(repository.first_byte_seconds)}.",
                next_step=f"Keep fewer and prune, or: kronkeep storage move {clean(storage.id, 63)} "
                "--layout namespace (or policy).",
            )


def check_forgotten(
    name: str, backups: Iterable[BackupExecution], copies: Iterable[BackupCopy]
) -> Iterator[Check]:
    """Yield a warning where backups or copies are in what is no storage any more.

    backups, copies: the newest there; those whose snapshots were removed do not count.
    """
    snapshots = sum(backup.snapshot_state in ("present", "missing") for backup in backups)
    copied = sum(copy.snapshot_state in ("present", "missing") for copy in copies)
    if snapshots or copied:
        held = f"{count_words(snapshots, 'snapshot')} and {copied:,} {'copy' if copied == 1 else 'copies'}"
        yield Check(
            name=f"storage {clean(name, 63)}",
            status="warn",
            message=f"It was deleted here; {held} in it cannot be restored.",
            next_step="Create it again under the same name and path or address: kronkeep storage create.",
        )


def check_history_archives(names: Iterable[str], storages: Mapping[str, BackupStorage]) -> Iterator[Check]:
    """Yield a warning for each storage of the settings that has no new copy of the history."""
    for name in names:
        storage = storages.get(name)
        archive = storage.history_archive if storage is not None else None
        if storage is None:
            yield Check(
                name="archives of the history",
                status="warn",
                message=f"There is no storage {clean(name, 63)}, which history.archive_to names.",
                next_step="Correct the settings, or create the storage.",
            )
        elif archive is not None and archive.message is not None:
            yield Check(
                name="archives of the history",
                status="warn",
                message=f"None was made in {clean(name, 63)}: {archive.message}",
                next_step=archive.next_step or f"kronkeep storage archive-history {clean(name, 63)}.",
            )


def check_recovered(backups: Iterable[BackupExecution]) -> Iterator[Check]:
    """Yield a warning where backups that were found in repositories do not count as good yet."""
    waiting = [backup for backup in backups if backup.is_unconfirmed]
    if waiting:
        yield Check(
            name="recovered backups",
            status="warn",
            message=f"{len(waiting)} were found in a repository and had no record. They count as good once "
            "the records of their runs agree, or once they are verified.",
            next_step=f"The newest: kronkeep verify {waiting[0].id}.",
        )


def check_copies(cronjobs: Iterable[PolicySubject], storages: Mapping[str, BackupStorage]) -> Iterator[Check]:
    """Yield a warning for each policy whose copies cannot be made where its annotation says.

    A policy that kubectl has written was not checked before.
    """
    for cronjob in cronjobs:
        policy = policy_annotations.read_policy(cronjob).policy
        for copy in policy.copies if policy is not None else ():
            assert policy is not None
            why = _find_copy_fault(storages.get(policy.storage_id), storages.get(copy.storage_id), cronjob)
            if why is not None:
                yield Check(
                    name=f"copies of {clean(f'{cronjob.namespace}/{cronjob.name}', 120)}",
                    status="warn",
                    message=f"The copy in {clean(copy.storage_id, 63)} cannot be made: {why}.",
                    next_step="Correct the policy's copies: kronkeep edit NAMESPACE/CRONJOB.",
                )


def _find_copy_fault(
    first: BackupStorage | None, second: BackupStorage | None, cronjob: PolicySubject
) -> str | None:
    if second is None:
        return "there is no such storage"
    if not second.serves(cronjob.namespace):
        return f"the storage does not serve the namespace {clean(cronjob.namespace, 63)}"
    clash = copy_access.find_clash(first, second) if first is not None else None
    return f"restic cannot have {clash} of both storages at once" if clash is not None else None
