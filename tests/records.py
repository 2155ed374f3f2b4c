"""Records that many tests begin with; fields by name make them what a test is about."""

from datetime import UTC, datetime
from typing import Any

import msgspec

from kronkeep_common.models import BackupStorage, SecretKeyRef, StorageUsage
from kronkeep_common.states import StorageStatus

VAULT = BackupStorage(
    id="vault",
    cluster="c",
    kind="local",
    password=SecretKeyRef(secret="s"),
    status=StorageStatus.ACTIVE,
    created_at=datetime(2026, 1, 1, 12, tzinfo=UTC),
)


def vault(**fields: Any) -> BackupStorage:
    """An active local storage, with these fields."""
    return msgspec.structs.replace(VAULT, **fields)


def measured(**usage: Any) -> BackupStorage:
    """The same with figures; never measured where there are none."""
    return vault(usage=StorageUsage(measured_at=VAULT.created_at, **usage) if usage else None)
