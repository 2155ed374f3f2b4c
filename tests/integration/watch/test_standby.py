"""A daemon on a cluster where another one acts: it records, serves and does what it is asked, and no more."""

import asyncio
import inspect
import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from tests.records import VAULT
from tests.waiting import LONGEST_WAIT, eventually

from kronkeep_common.clock import SystemClock
from kronkeep_daemon.backups.planner import BackupPlanner
from kronkeep_daemon.backups.policy_fault_reporter import PolicyFaultReporter
from kronkeep_daemon.backups.retention_service import RetentionService
from kronkeep_daemon.http.services import Services
from kronkeep_daemon.kube import lease, paths
from kronkeep_daemon.kube.client import Cluster
from kronkeep_daemon.kube.errors import NotFoundInCluster
from kronkeep_daemon.kube.lease import Leadership
from kronkeep_daemon.kube.objects import CronJobRef
from kronkeep_daemon.repositories.credential_copies import CredentialCopies
from kronkeep_daemon.restores.drills import Drills
from kronkeep_daemon.settings import Settings
from kronkeep_daemon.storages.data_checks import DataChecks
from kronkeep_daemon.storages.service import StorageService
from kronkeep_daemon.storages.upkeep import StorageUpkeep
from kronkeep_daemon.supervisor import Supervisor
from kronkeep_daemon.testing import open_composition

ACTS: tuple[tuple[type, str], ...] = (
    (BackupPlanner, "plan_policy"),
    (RetentionService, "run_pass"),
    (PolicyFaultReporter, "report_faults"),
    (CredentialCopies, "sweep"),
    (StorageUpkeep, "start_due_task"),
    (DataChecks, "start_if_due"),
    (Drills, "_record"),
)


class Acts:
    """Notes what a daemon began by itself, in place of doing it."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.done: set[str] = set()
        self.changed = asyncio.Event()
        for owner, name in ACTS:
            noted = self._make_note(
                f"{owner.__name__}.{name}", inspect.iscoroutinefunction(getattr(owner, name))
            )
            monkeypatch.setattr(owner, name, noted)

    def _make_note(self, name: str, later: bool) -> Callable[..., Any]:
        def note(*_: object, **__: object) -> list[object]:
            self.done.add(name)
            self.changed.set()
            return []

        async def note_later(*_: object, **__: object) -> list[object]:
            return note()

        return note_later if later else note

    async def all(self) -> None:
        async with asyncio.timeout(LONGEST_WAIT):
            while len(self.done) < len(ACTS):
                self.changed.clear()
                await self.changed.wait()


@pytest.fixture
async def other(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> Leadership:
    """Another daemon, which acts until `hand_over`; its Lease lasts longer than the test."""
    monkeypatch.setattr(lease, "LEASE_SECONDS", 600)
    leadership = Leadership(cluster=cluster, namespace="kronkeep", holder="other", clock=SystemClock())
    await leadership.refresh()
    return leadership


async def hand_over(other: Leadership, lead: Leadership) -> None:
    await other.release()
    await lead.refresh()
    async with asyncio.timeout(LONGEST_WAIT):
        await lead.wait_until_leading()


def file_of(services: Services) -> tuple[str, ...]:
    return tuple(f"{file.status} {file.message or ''}" for file in services.manifest_folder.files())


async def test_it_acts_once_the_other_has_gone(
    cluster: Cluster, other: Leadership, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(StorageService, "list", lambda _: [VAULT])
    acts = Acts(monkeypatch)
    (tmp_path / "manifests").mkdir()
    text = json.dumps({"kind": "CronJob", "name": "dropped", "image": "busybox", "schedule": "0 2 29 2 *"})
    (tmp_path / "manifests" / "dropped.yaml").write_text(text)
    monkeypatch.setattr("kronkeep_daemon.restores.drills.due_slot", lambda *_: datetime.now(UTC))
    policy = {"id": "p", "storage_id": "vault", "drill": {"schedule": "0 3 * * *"}}
    await make(cluster, "dump", {"kronkeep.dev/backup-policy": json.dumps(policy)})
    settings = Settings(state=str(tmp_path), manifests=str(tmp_path / "manifests"))
    async with open_composition(cluster, tmp_path / "h", Supervisor(SystemClock()), settings) as composition:
        services = composition.services

        async def files() -> tuple[str, ...]:
            return file_of(services)

        words = f"waiting Another kronkeepd acts on the cluster {cluster.name}: other."
        await eventually(files, lambda statuses: statuses == (words,))
        run = await services.cronjobs.trigger(CronJobRef(cluster.id, "default", "dump"))
        assert await services.backups.create_for_run(run) is None
        assert services.cronjobs.execution(run.id).job == run.job
        assert acts.done == set()
        with pytest.raises(NotFoundInCluster):
            await cluster.get(paths.cronjobs("default", "dropped"))
        await hand_over(other, services.cronjobs.leads.of(cluster.id))
        await acts.all()
        await eventually(files, lambda statuses: statuses == ("applied ",))
        assert await cluster.get(paths.cronjobs("default", "dropped"))


async def make(cluster: Cluster, name: str, annotations: dict[str, str]) -> None:
    container = {"name": "c", "image": "busybox", "command": ["true"]}
    pod = {"spec": {"restartPolicy": "Never", "containers": [container]}}
    spec = {"schedule": "0 2 29 2 *", "jobTemplate": {"spec": {"template": pod}}}
    meta = {"name": name, "annotations": annotations}
    body = {"apiVersion": "batch/v1", "kind": "CronJob", "metadata": meta, "spec": spec}
    await cluster.create(paths.cronjobs("default"), body)
