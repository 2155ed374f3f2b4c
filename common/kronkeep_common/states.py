"""State machines as tables: the states that may follow each state; others cannot."""

from enum import StrEnum
from typing import TypeVar

S = TypeVar("S", bound=StrEnum)


class ExecutionStatus(StrEnum):
    """The state of a CronJobExecution."""

    PENDING = "pending"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"
    MISSED = "missed"
    UNKNOWN = "unknown"


class BackupStatus(StrEnum):
    """The state of a BackupExecution."""

    WAITING = "waiting"
    QUEUED = "queued"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    PARTIAL = "partial"
    FAILED = "failed"
    CANCELLED = "cancelled"
    MISSED = "missed"
    UNKNOWN = "unknown"


class RestoreStatus(StrEnum):
    """The state of a Restore."""

    PENDING = "pending"
    PREPARING = "preparing"
    RESTORING = "restoring"
    VERIFYING = "verifying"
    COMPLETED = "completed"
    FAILED = "failed"


class CopyStatus(StrEnum):
    """The state of a BackupCopy."""

    QUEUED = "queued"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"


class StorageStatus(StrEnum):
    """The state of a BackupStorage."""

    PENDING = "pending"
    CREATING = "creating"
    ACTIVE = "active"
    DELETING = "deleting"
    FAILED = "failed"


class MoveState(StrEnum):
    """What the move of a storage's backups to another layout does next."""

    COPYING = "copying"
    CHECKING = "checking"
    POINTING = "pointing"
    KEPT = "kept"
    REMOVING = "removing"
    DONE = "done"


class RotationState(StrEnum):
    """What a rotation of a storage's key does next; each step may be repeated."""

    PREPARING = "preparing"
    ADDING = "adding"
    SWAPPING = "swapping"
    OPENING = "opening"
    REMOVING = "removing"
    DONE = "done"


class AlertStatus(StrEnum):
    """The state of an Alert; a person acknowledges it, and it is resolved when its cause has ended."""

    OPEN = "open"
    ACKNOWLEDGED = "acknowledged"
    RESOLVED = "resolved"


class Trigger(StrEnum):
    """What started a run."""

    SCHEDULED = "scheduled"
    MANUAL = "manual"
    CATCH_UP = "catch-up"


_E = ExecutionStatus
EXECUTION_TRANSITIONS: dict[ExecutionStatus, frozenset[ExecutionStatus]] = {
    _E.PENDING: frozenset({_E.RUNNING, _E.SUCCEEDED, _E.FAILED, _E.CANCELLED, _E.UNKNOWN}),
    _E.RUNNING: frozenset({_E.PENDING, _E.SUCCEEDED, _E.FAILED, _E.CANCELLED, _E.UNKNOWN}),
    _E.SUCCEEDED: frozenset(),
    _E.FAILED: frozenset(),
    _E.CANCELLED: frozenset(),
    _E.MISSED: frozenset(),
    _E.UNKNOWN: frozenset(),
}

_B = BackupStatus
BACKUP_TRANSITIONS: dict[BackupStatus, frozenset[BackupStatus]] = {
    _B.WAITING: frozenset({_B.QUEUED, _B.FAILED, _B.CANCELLED, _B.MISSED, _B.UNKNOWN}),
    _B.QUEUED: frozenset({_B.RUNNING, _B.FAILED, _B.CANCELLED, _B.UNKNOWN}),
    _B.RUNNING: frozenset({_B.QUEUED, _B.SUCCEEDED, _B.PARTIAL, _B.FAILED, _B.CANCELLED, _B.UNKNOWN}),
    _B.SUCCEEDED: frozenset(),
    _B.PARTIAL: frozenset(),
    _B.FAILED: frozenset(),
    _B.CANCELLED: frozenset(),
    _B.MISSED: frozenset(),
    _B.UNKNOWN: frozenset(),
}

_C = CopyStatus
COPY_TRANSITIONS: dict[CopyStatus, frozenset[CopyStatus]] = {
    _C.QUEUED: frozenset({_C.RUNNING, _C.FAILED, _C.CANCELLED}),
    _C.RUNNING: frozenset({_C.QUEUED, _C.SUCCEEDED, _C.FAILED, _C.CANCELLED}),
    # Made again: after a failure, or where the repository has lost it.
    _C.SUCCEEDED: frozenset({_C.QUEUED}),
    _C.FAILED: frozenset({_C.QUEUED, _C.SUCCEEDED}),
    _C.CANCELLED: frozenset({_C.QUEUED, _C.SUCCEEDED}),
}
ENDED_COPIES = frozenset({_C.SUCCEEDED, _C.FAILED, _C.CANCELLED})

_R = RestoreStatus
RESTORE_TRANSITIONS: dict[RestoreStatus, frozenset[RestoreStatus]] = {
    _R.PENDING: frozenset({_R.PREPARING, _R.FAILED}),
    _R.PREPARING: frozenset({_R.RESTORING, _R.FAILED}),
    _R.RESTORING: frozenset({_R.VERIFYING, _R.FAILED}),
    # A restore whose Job was killed during the comparison starts again.
    _R.VERIFYING: frozenset({_R.COMPLETED, _R.FAILED, _R.RESTORING}),
    _R.COMPLETED: frozenset(),
    _R.FAILED: frozenset(),
}

_S = StorageStatus
STORAGE_TRANSITIONS: dict[StorageStatus, frozenset[StorageStatus]] = {
    _S.PENDING: frozenset({_S.CREATING, _S.DELETING, _S.FAILED}),
    _S.CREATING: frozenset({_S.ACTIVE, _S.DELETING, _S.FAILED}),
    # A storage whose repository cannot be reached or is damaged stays active: `reason` and `check_ok` say so,
    # and each archive tries again.
    _S.ACTIVE: frozenset({_S.DELETING}),
    _S.DELETING: frozenset({_S.FAILED}),
    _S.FAILED: frozenset({_S.CREATING, _S.DELETING}),
}

_K = RotationState
ROTATION_TRANSITIONS: dict[RotationState, frozenset[RotationState]] = {
    _K.PREPARING: frozenset({_K.ADDING}),
    _K.ADDING: frozenset({_K.SWAPPING}),
    _K.SWAPPING: frozenset({_K.OPENING}),
    _K.OPENING: frozenset({_K.REMOVING}),
    _K.REMOVING: frozenset({_K.DONE}),
    _K.DONE: frozenset(),
}

_M = MoveState
MOVE_TRANSITIONS: dict[MoveState, frozenset[MoveState]] = {
    # A move that is cancelled removes its copies; once records name these it has to go on.
    _M.COPYING: frozenset({_M.CHECKING, _M.REMOVING}),
    _M.CHECKING: frozenset({_M.POINTING, _M.REMOVING}),
    _M.POINTING: frozenset({_M.KEPT}),
    _M.KEPT: frozenset({_M.POINTING, _M.REMOVING}),
    _M.REMOVING: frozenset({_M.DONE}),
    _M.DONE: frozenset(),
}

_A = AlertStatus
ALERT_TRANSITIONS: dict[AlertStatus, frozenset[AlertStatus]] = {
    _A.OPEN: frozenset({_A.ACKNOWLEDGED, _A.RESOLVED}),
    _A.ACKNOWLEDGED: frozenset({_A.OPEN, _A.RESOLVED}),  # open again when it becomes worse
    _A.RESOLVED: frozenset(),
}


def is_final(table: dict[S, frozenset[S]], state: S) -> bool:
    """Whether no other state may follow `state`."""
    return not table[state]


def may_follow(table: dict[S, frozenset[S]], old: S, new: S) -> bool:
    """Whether a record may change from `old` to `new`; it may always keep its state."""
    return new == old or new in table[old]
