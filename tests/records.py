"""Records that many tests use; keyword arguments change single fields."""

from datetime import UTC, datetime
from typing import Any

import msgspec

from kronkeep_common.models import (
    BackupExecution,
    BackupStorage,
    CronJobExecution,
    SecretKeyRef,
    StorageUsage,
)
from kronkeep_common.states import BackupStatus, ExecutionStatus, StorageStatus, Trigger

VAULT = BackupStorage(
    id="vault",
    cluster="c",
    kind="local",
    password=SecretKeyRef(secret="s"),
    status=StorageStatus.ACTIVE,
    created_at=datetime(2026, 1, 1, 12, tzinfo=UTC),
    namespaces=("*",),
)
BACKUP = BackupExecution(
    id="b",
    cluster="c",
    namespace="n",
    cronjob="j",
    cronjob_id="u",
    policy_id="p",
    storage_id="s",
    status=BackupStatus.SUCCEEDED,
    created_at=datetime(2026, 1, 1, tzinfo=UTC),
)
RUN = CronJobExecution(
    id="r",
    cluster="c",
    namespace="n",
    cronjob="j",
    cronjob_id="u",
    job="j-1",
    status=ExecutionStatus.SUCCEEDED,
    trigger=Trigger.SCHEDULED,
    created_at=datetime(2026, 1, 1, tzinfo=UTC),
)


def make_backup(**fields: Any) -> BackupExecution:
    """Return a backup that succeeded, without a snapshot, with these fields changed."""
    return msgspec.structs.replace(BACKUP, **fields)


def make_run(**fields: Any) -> CronJobExecution:
    """Return a run that succeeded, with these fields changed."""
    return msgspec.structs.replace(RUN, **fields)


def vault(**fields: Any) -> BackupStorage:
    """Return an active local storage with these fields changed."""
    return msgspec.structs.replace(VAULT, **fields)


def vault_with_usage(**usage: Any) -> BackupStorage:
    """Return the storage with these figures; without any it has never been measured."""
    return vault(usage=StorageUsage(measured_at=VAULT.created_at, **usage) if usage else None)
