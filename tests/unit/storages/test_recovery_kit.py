"""A recovery kit that is made while a rotation of the passwords ends."""

from typing import Any

import msgspec
import pytest
from tests.records import vault

from kronkeep_common.errors import NotAllowedNow
from kronkeep_common.models import BackupStorage
from kronkeep_common.models.storage import KitOutdated
from kronkeep_daemon.events import Bus
from kronkeep_daemon.repositories.repository import Repository
from kronkeep_daemon.storages.recovery_kit import RecoveryKits
from kronkeep_daemon.testing import FakeClock


class Rotating:
    """A storage with one repository, whose password is replaced after the first reads of it."""

    def __init__(self, rotations: int) -> None:
        self.storage = vault(settings={"path": "/backups"})
        self.password = "password-0"
        self._rotations = rotations

    def get(self, _: str) -> BackupStorage:
        return self.storage

    require_active = get
    find = get

    async def save(self, _: BackupStorage, new: BackupStorage) -> BackupStorage:
        self.storage = new
        return new

    def repositories_of(self, storage: BackupStorage) -> list[Repository]:
        return [Repository(storage=storage)]

    async def job_data(self, _: Repository) -> dict[str, bytes]:
        read = self.password.encode()
        if self._rotations:
            self._rotations -= 1
            self.password = f"password-{self._rotations}-later"
            now = FakeClock().now()
            outdated = KitOutdated(at=now, cause="rotation", repositories=self._rotations)
            self.storage = msgspec.structs.replace(self.storage, kit_outdated=outdated)
        return {"password": read}


def kits_of(parts: Any) -> RecoveryKits:
    return RecoveryKits(
        storages=parts, index=parts, secrets=parts, bus=Bus(), clock=FakeClock(), supervisor=parts
    )


async def test_a_kit_has_the_passwords_that_a_rotation_has_just_put_in() -> None:
    parts = Rotating(rotations=1)
    kit = await kits_of(parts).make("vault")
    assert [each.password for each in kit.repositories] == [parts.password]
    assert parts.storage.kit_outdated is None


async def test_no_kit_is_made_of_passwords_that_change_all_the_time() -> None:
    parts = Rotating(rotations=100)
    with pytest.raises(NotAllowedNow):
        await kits_of(parts).make("vault")
    assert parts.storage.kit_made_at is None
