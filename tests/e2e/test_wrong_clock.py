"""A daemon whose clock jumps by 400 days while its cluster's is right; libfaketime moves it."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from tests.cluster_proxy import DaemonOnOtherCluster, other_cluster
from tests.e2e.backup_site import wait_for_end
from tests.external_cluster import NAMESPACES_SETTING
from tests.quick_repository import prepare_storage
from tests.waiting import eventually

from kronkeep_common.client import Client
from kronkeep_common.models import (
    BackupExecution,
    BackupPolicySpec,
    BackupStorageCreate,
    ClaimSource,
    CronJobCreate,
    Retention,
    Source,
)
from kronkeep_daemon.kube import paths
from kronkeep_daemon.kube.client import Cluster

LIBRARY = next(iter(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1")), None)
pytestmark = pytest.mark.skipif(LIBRARY is None, reason="libfaketime is not installed")


class MovableDaemon(DaemonOnOtherCluster):
    """A daemon on a cluster of its own process; `show` moves the daemon's clock."""

    def __init__(self, folder: Path, kubeconfig: Path) -> None:
        super().__init__(folder / "s")
        self.folder = folder
        self.kubeconfig = kubeconfig
        config = folder / "kronkeepd.toml"
        text = f'[allow]\nhost_path = true\n[clusters.e2e]\nkubeconfig = "{kubeconfig}"\n'
        config.write_text(text + NAMESPACES_SETTING)
        self.arguments = ("--config", str(config))
        self._offset = folder / "offset"
        self.show("+0")
        self.environment = {
            "LD_PRELOAD": str(LIBRARY),
            "FAKETIME_TIMESTAMP_FILE": str(self._offset),
            "FAKETIME_CACHE_DURATION": "1",  # seconds
            "FAKETIME_FORCE_MONOTONIC_FIX": "0",  # it makes each thread that waits for Python's lock spin
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        }

    def show(self, offset: str) -> None:
        """Move the daemon's clock to `offset` of the true time, as libfaketime reads it."""
        self._offset.write_text(f"{offset}\n")


@pytest.fixture
async def daemon(tmp_path: Path) -> AsyncIterator[MovableDaemon]:
    async with other_cluster(tmp_path / "cluster") as kubeconfig:
        movable = MovableDaemon(tmp_path, kubeconfig)
        await movable.start()
        yield movable
        await movable.end()


async def create_policy(daemon: MovableDaemon, client: Client) -> None:
    """Create a CronJob that runs each minute, whose policy keeps one snapshot of what people ask for."""
    cluster = await Cluster.connect(kubeconfig=daemon.kubeconfig)
    await prepare_storage(cluster, "vault", daemon.folder / "vault")
    await client.storages.create(
        BackupStorageCreate(
            layout="shared",
            id="vault",
            kind="local",
            settings={"path": str(daemon.folder / "vault")},
            namespaces=("default",),
        )
    )
    spec = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
    await cluster.create(paths.claims("default"), {"metadata": {"name": "data"}, "spec": spec})
    await cluster.close()
    files = daemon.claims / "default" / "data"
    files.mkdir(parents=True, exist_ok=True)
    (files / "file").write_text("content")
    await eventually(lambda: client.storages.get("vault"), lambda storage: storage.status == "active")
    policy = BackupPolicySpec(
        storage_id="vault",
        source=Source(claims=(ClaimSource(claim="data"),)),
        schedule="0 2 1 1 *",
        on_conflict="accept",
        retention=Retention(keep_last=1),
        rpo_seconds=86400,
    )
    await client.cronjobs.create(
        CronJobCreate(
            name="dump", image="busybox:1.36", command=("true",), schedule="* * * * *", policy=policy
        )
    )


async def back_up(client: Client) -> BackupExecution:
    """Back up and return the record, which must be dated with the cluster's time."""
    began_at = datetime.now(UTC)
    begun = await client.cronjobs.back_up("default", "dump")
    backup = await wait_for_end(client, begun.id)
    assert backup.status == "succeeded", backup
    assert backup.ended_at is not None
    assert began_at - timedelta(seconds=3) < backup.created_at < backup.ended_at
    assert backup.ended_at < datetime.now(UTC) + timedelta(seconds=3)
    return backup


async def alert_codes(client: Client) -> set[str]:
    page = await client.alerts.list(filter="status:open")
    return {alert.code for alert in page.items}


async def test_a_clock_that_was_400_days_ahead_costs_no_backup_and_no_alert(daemon: MovableDaemon) -> None:
    async with daemon.client() as client:
        await create_policy(daemon, client)
        first = await back_up(client)
        daemon.show("+400d")
        await eventually(lambda: alert_codes(client), lambda codes: "ClockJumped" in codes)
        second = await back_up(client)
        assert (await client.backups.get(first.id)).snapshot_removed_at is None
    await daemon.stop()
    await daemon.start()  # with the wrong clock
    async with daemon.client() as client:
        third = await back_up(client)
        runs = await client.runs.list(filter="status:missed")
        assert runs.items == []
        for backup in (first, second):
            assert (await client.backups.get(backup.id)).snapshot_removed_at is None
        daemon.show("+0")
        await eventually(lambda: alert_codes(client), lambda codes: "ClockJumped" not in codes)
        last = await back_up(client)
        assert third.sequence < last.sequence
        cronjob = (await client.cronjobs.list()).items[0]
        assert cronjob.last_good_backup_at == last.ended_at
        assert (await client.backups.get(last.id)).snapshot_removed_at is None
        assert (await client.runs.list(filter="status:missed")).items == []
        assert await alert_codes(client) <= {"ScheduleConflictAccepted"}
