"""A rotation of a storage's password while a repository is being created in the storage."""

import asyncio
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

from tests.records import vault
from tests.unit.storages.saved_storage import SavedStorage

from kronkeep_common.models import BackupStorage
from kronkeep_common.states import RotationState
from kronkeep_daemon.events import Bus
from kronkeep_daemon.history import History
from kronkeep_daemon.jobs.outcome import ContainerResult, FinishedJob
from kronkeep_daemon.repositories.queue import RepositoryQueues
from kronkeep_daemon.repositories.repository import Repository
from kronkeep_daemon.repositories.repository_creation import RepositoryMaker
from kronkeep_daemon.repositories.repository_index import RepositoryIndex
from kronkeep_daemon.settings import Settings
from kronkeep_daemon.storages.key_rotation import KeyRotations
from kronkeep_daemon.testing import FakeClock

COPIES = "copies-of-first"
LOGS = {
    "old-key": b'[{"current": true, "id": "aaaaaaaa"}]',
    "repository": b"a" * 64,
    "config": b'{"id":"%s"}' % (b"c" * 64),
}


class SlowCreation(SavedStorage):
    """A storage, its Secret, and Jobs of which one creates a repository until `end` is set."""

    def __init__(self) -> None:
        super().__init__(vault(settings={"path": "/backups"}))
        self.password = "old"
        self.keys: defaultdict[str, set[str]] = defaultdict(set, {"vault": {"old"}})
        self.begun = asyncio.Event()
        self.swapped = asyncio.Event()
        self.end = asyncio.Event()

    async def make_if_missing(self, _: Repository) -> None:
        """The repository has no password of its own."""

    async def make_next(self, *_: object) -> None:
        """The new password is `new`."""

    async def read_next(self, _: BackupStorage) -> Mapping[str, bytes]:
        return {"password": b"new"}

    async def swap(self, _: BackupStorage) -> None:
        self.password = "new"
        self.swapped.set()

    async def remove_previous(self, _: BackupStorage) -> None:
        """The old password is nowhere any more."""

    async def run(self, name: str, steps: Any, repository: Repository, *_: object, **__: object) -> Any:
        keys = self.keys[repository.id]
        names = [step for step, _ in steps]
        if "init" in names:
            password = self.password
            self.begun.set()
            await self.end.wait()
            keys.add(password)
        if "new-key" in names:
            keys.add("new")
        if "remove-key" in names:
            keys.discard("old")
        containers = [ContainerResult(name=each, exit_code=0, log=LOGS.get(each, b"")) for each in names]
        return FinishedJob(complete=True, reason="", message="", containers=tuple(containers), pod="pod")


async def test_a_repository_whose_creation_began_with_the_old_password_gets_the_new_one(
    tmp_path: Path,
) -> None:
    clock = FakeClock()
    history = await History.open(tmp_path, clock=clock)
    index = RepositoryIndex(history, clock, Bus())
    queues = RepositoryQueues(clock=clock, settings=Settings)
    parts = SlowCreation()
    any_parts = cast(Any, parts)
    maker = RepositoryMaker(jobs=any_parts, index=index, queues=queues, passwords=any_parts)
    rotations = KeyRotations(
        storages=any_parts,
        index=index,
        maintenance=any_parts,
        secrets=any_parts,
        queues=queues,
        clock=clock,
        supervisor=any_parts,
    )
    repository = Repository(storage=parts.storage, folder=COPIES)
    creation = asyncio.create_task(maker.make_if_missing(repository))
    await parts.begun.wait()
    rotation = asyncio.create_task(rotations.rotate("vault"))
    await parts.swapped.wait()
    parts.end.set()
    await creation
    done = (await rotation).rotation
    assert done is not None
    assert done.state is RotationState.DONE
    assert parts.keys == {"vault": {"new"}, repository.id: {"new"}}
    await history.close()
