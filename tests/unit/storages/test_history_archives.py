"""What is recorded of an archive of the history that does not end."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests.records import VAULT
from tests.unit.storages.saved_storage import SavedStorage

from kronkeep_common.clock import SystemClock
from kronkeep_common.errors import StorageFailed
from kronkeep_common.models import BackupStorage
from kronkeep_daemon.alerts.history_rules import history_not_archived
from kronkeep_daemon.events import Bus
from kronkeep_daemon.history import History
from kronkeep_daemon.kube.errors import NotFoundInCluster
from kronkeep_daemon.kube.objects import JsonObject
from kronkeep_daemon.settings import Settings
from kronkeep_daemon.storages import history_archives
from kronkeep_daemon.storages.history_archives import HistoryArchives


class HangingJobs:
    """Jobs in kronkeep's own namespace that never end, and the cluster with them."""

    id = "c"

    def namespace_of(self, _: BackupStorage) -> str:
        return Settings().namespace

    def cluster_of(self, _: object) -> "HangingJobs":
        return self

    cluster_with = cluster_of

    async def create(self, *_: object) -> None:
        return

    delete = create

    async def get(self, *_: object) -> JsonObject:
        raise NotFoundInCluster("There is no ConfigMap.")

    async def run_job(self, *_: object) -> None:
        await asyncio.Event().wait()


class Repositories:
    """A repository that is there, and free."""

    async def make_if_missing(self, *_: object) -> None:
        return

    @asynccontextmanager
    async def hold_exclusively(self, *_: object) -> AsyncIterator[None]:
        yield

    def id_of(self, _: object) -> str:
        return "id"


async def test_a_job_that_does_not_end_is_an_alert(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("SECONDS", "SLACK_SECONDS"):
        monkeypatch.setattr(history_archives, name, 0.02, raising=False)
    clock = SystemClock()
    history = await History.open(tmp_path, clock=clock)
    history.facts.set("fact", clock.now())
    await history.commit()
    storages = SavedStorage(msgspec.structs.replace(VAULT, settings={"path": "/backups"}))
    parts: Any = Repositories()
    jobs: Any = HangingJobs()
    archives = HistoryArchives(
        storages=storages,  # type: ignore[arg-type]
        history=history,
        index=parts,
        maker=parts,
        jobs=jobs,
        maintenance=parts,
        queues=parts,
        clock=clock,
        settings=lambda: msgspec.convert({}, Settings),
        supervisor=parts,
        leads=parts,
        bus=Bus(),
    )
    with pytest.raises(StorageFailed):
        await archives.archive("vault")
    alert = history_not_archived(storages.storage, clock.now())
    assert alert is not None
    assert "did not end" in alert.message
    await history.close()
