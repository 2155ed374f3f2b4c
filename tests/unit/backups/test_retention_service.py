"""When retention is applied after a backup."""

import asyncio
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from kronkeep_common.clock import SystemClock
from kronkeep_common.errors import CronJobNotFound
from kronkeep_common.models import BackupExecution
from kronkeep_common.states import BackupStatus
from kronkeep_daemon.backups.retention_service import RetentionService
from kronkeep_daemon.events import BackupChanged, Bus
from kronkeep_daemon.settings import Settings
from kronkeep_daemon.supervisor import Supervisor
from kronkeep_daemon.testing import settle

RUNNING = BackupExecution(
    id="b",
    cluster="c",
    namespace="n",
    cronjob="j",
    cronjob_id="u",
    policy_id="p",
    storage_id="s",
    status=BackupStatus.RUNNING,
    created_at=datetime(2026, 1, 1, tzinfo=UTC),
)
SUCCEEDED = msgspec.structs.replace(RUNNING, status=BackupStatus.SUCCEEDED)


class CronJobs:
    """CronJobs that note which one was looked up, and have none."""

    def __init__(self) -> None:
        self.refs: list[str] = []

    def find(self, ref: Any) -> Any:
        self.refs.append(str(ref))
        raise CronJobNotFound("There is none.")


@pytest.mark.parametrize(
    ("old", "new", "applied"),
    [
        (RUNNING, SUCCEEDED, ["n/j"]),
        (SUCCEEDED, msgspec.structs.replace(SUCCEEDED, pinned=True), []),
        (RUNNING, msgspec.structs.replace(RUNNING, status=BackupStatus.PARTIAL), []),
        (RUNNING, msgspec.structs.replace(RUNNING, status=BackupStatus.FAILED), []),
        (None, SUCCEEDED, []),
    ],
)
async def test_retention_follows_the_success_of_a_backup_once(
    old: BackupExecution | None, new: BackupExecution, applied: list[str]
) -> None:
    cronjobs = CronJobs()
    bus = Bus()
    supervisor = Supervisor(SystemClock())
    nothing: Any = None
    RetentionService(
        cronjobs=cronjobs,  # type: ignore[arg-type]
        policies=nothing,
        records=nothing,
        index=nothing,
        storages=nothing,
        upkeep=nothing,
        maintenance=nothing,
        queues=nothing,
        bus=bus,
        clock=SystemClock(),
        settings=Settings,
        supervisor=supervisor,
    )
    bus.publish(BackupChanged(old, new))
    await settle()
    assert cronjobs.refs == applied
    await asyncio.wait_for(supervisor.close(), 5)
