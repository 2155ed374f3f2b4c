"""The first answer that a terminal reads stays small, whatever the records hold."""

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest
from tests.records import BACKUP, RUN, make_backup, make_run

from kronkeep_common.clock import SystemClock
from kronkeep_common.models import BackupPolicy, Cause, PodRecord
from kronkeep_common.models.policy import Hook, Hooks
from kronkeep_daemon.embedded import EmbeddedCluster
from kronkeep_daemon.http.routes_backups import list_backups
from kronkeep_daemon.http.routes_events import get_snapshot
from kronkeep_daemon.http.services import Services
from kronkeep_daemon.kube.client import Cluster
from kronkeep_daemon.settings import Settings
from kronkeep_daemon.supervisor import Supervisor
from kronkeep_daemon.testing import open_composition

RECORDS = 300


@pytest.fixture
async def services(embedded_cluster: EmbeddedCluster, tmp_path: Path) -> AsyncIterator[Services]:
    cluster = await Cluster.connect(kubeconfig=embedded_cluster.kubeconfig)
    async with open_composition(cluster, tmp_path, Supervisor(SystemClock()), Settings()) as composition:
        yield composition.services
    await cluster.close()


def call_of(services: Services) -> Any:
    return SimpleNamespace(services=services, query={"limit": str(RECORDS)})


async def fill(services: Services) -> None:
    cause = Cause(reason="ExitCode", message="x" * 1000, next_step="y" * 200)
    pods = tuple(PodRecord(name=f"pod-{number}", cause=cause) for number in range(20))
    policy = BackupPolicy(
        id="p",
        storage_id="s",
        hooks=Hooks(pre=(Hook(name="a", image="b", command=("x" * 30_000,)),)),
    )
    for number in range(RECORDS):
        created = RUN.created_at + timedelta(minutes=number)
        run = make_run(id=f"run-{number:03}", pods=pods, created_at=created)
        services.history.executions.put(run)
        warnings = tuple("w" * 300 for _ in range(20))
        backup = make_backup(id=f"b-{number:03}", policy=policy, warnings=warnings, created_at=created)
        services.history.backups.put(backup)
    await services.history.commit()


async def test_a_snapshot_of_the_largest_records_has_at_most_two_megabytes(services: Services) -> None:
    await fill(services)
    snapshot = await get_snapshot(call_of(services))
    assert len(msgspec.json.encode(snapshot)) < 2_000_000
    assert snapshot.executions[0].id == f"run-{RECORDS - 1}"
    assert len(snapshot.executions) > 20
    assert len(snapshot.backups) > 50


async def test_a_list_of_backups_leaves_the_policies_out_and_one_backup_has_its_own(
    services: Services,
) -> None:
    await fill(services)
    page = await list_backups(call_of(services))
    assert len(page.items) == RECORDS
    assert len(msgspec.json.encode(page)) < 3_000_000
    policy = services.backups.get(BACKUP.id + "-000").policy
    assert policy is not None
    assert len(policy.hooks.pre[0].command[0]) == 30_000
