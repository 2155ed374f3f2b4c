"""When the end of other work makes the state of a storage doubtful."""

import asyncio
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from tests.records import make_backup, vault

from kronkeep_common.clock import SystemClock
from kronkeep_common.models import BackupStorage, Restore
from kronkeep_common.states import BackupStatus, RestoreStatus
from kronkeep_daemon.events import BackupChanged, Bus, RestoreChanged
from kronkeep_daemon.storages.fault_tests import StorageFaultTests, differs
from kronkeep_daemon.supervisor import Supervisor

RESTORE = Restore(
    id="r",
    cluster="c",
    namespace="n",
    cronjob="j",
    cronjob_id="u",
    policy_id="p",
    backup_id="b",
    storage_id="vault",
    status=RestoreStatus.RESTORING,
    created_at=datetime(2026, 1, 1, tzinfo=UTC),
)


class TestedStorage:
    """A storage, and what stands for the parts that test it: its next test finds `finds`."""

    __test__ = False

    def __init__(self) -> None:
        self.storage = vault()
        self.finds: str | None = None
        self.tests = 0

    def find(self, name: str) -> BackupStorage | None:
        return self.storage if name == "vault" else None

    get = find

    def leads(self, cluster: str) -> bool:
        return cluster == "c"

    async def test(self, name: str) -> None:
        self.tests += 1
        self.storage = msgspec.structs.replace(self.storage, reason=self.finds)


async def test_what_restores_and_backups_meet_is_tested_and_so_is_that_it_is_over() -> None:
    site: Any = TestedStorage()
    bus = Bus()
    clock = SystemClock()
    supervisor = Supervisor(clock)
    StorageFaultTests(storages=site, upkeep=site, bus=bus, clock=clock, supervisor=supervisor, leads=site)

    async def publish(event: object) -> tuple[int, str | None]:
        bus.publish(event)
        await asyncio.gather(*(task for task in asyncio.all_tasks() if task.get_name() == "test of vault"))
        return site.tests, site.storage.reason

    failed = msgspec.structs.replace(RESTORE, status=RestoreStatus.FAILED, reason="RepositoryMissing")
    done = msgspec.structs.replace(RESTORE, status=RestoreStatus.COMPLETED)
    site.finds = "RepositoryMissing"
    assert await publish(RestoreChanged(RESTORE, failed)) == (1, "RepositoryMissing")
    assert await publish(RestoreChanged(RESTORE, failed)) == (1, "RepositoryMissing")
    site.finds = None
    assert await publish(RestoreChanged(RESTORE, done)) == (2, None)
    backup = make_backup(storage_id="vault", status=BackupStatus.FAILED, reason="WrongPassword")
    assert await publish(BackupChanged(None, backup)) == (3, None)
    # It held for that backup's repository only: the next ones start no test each.
    assert await publish(BackupChanged(None, backup)) == (3, None)


@pytest.mark.parametrize(
    ("recorded", "met", "is_good", "expected"),
    [
        (None, "RepositoryMissing", False, True),
        (None, "ServerUnreachable", False, True),
        (None, "StorageReadOnly", False, True),
        (None, "WrongPassword", False, True),
        (None, "SnapshotGone", False, False),
        (None, "OOMKilled", False, False),
        (None, None, False, False),
        (None, None, True, False),
        ("RepositoryMissing", "RepositoryMissing", False, False),
        ("RepositoryMissing", None, True, True),
        ("StorageFull", None, True, True),
    ],
)
def test_work_that_ends_otherwise_than_the_record_says_asks_for_a_test(
    recorded: str | None, met: str | None, *, is_good: bool, expected: bool
) -> None:
    assert differs(vault(reason=recorded), met, is_good=is_good) is expected
