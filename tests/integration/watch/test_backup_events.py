"""Backups as Kubernetes Events on their CronJob: one of each kind, which counts; off where forbidden."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any, TypedDict

import msgspec
import pytest
from tests.records import make_backup
from tests.waiting import eventually

from kronkeep_common.clock import SystemClock
from kronkeep_common.models import Alert, BackupResult, Restore
from kronkeep_common.states import AlertStatus, BackupStatus, RestoreStatus
from kronkeep_daemon.backups.backup_event_reporter import BackupEventReporter
from kronkeep_daemon.embedded import EmbeddedCluster
from kronkeep_daemon.events import BackupChanged, Bus, RestoreChanged
from kronkeep_daemon.history import History
from kronkeep_daemon.kube import paths
from kronkeep_daemon.kube.client import Cluster
from kronkeep_daemon.kube.errors import Forbidden
from kronkeep_daemon.kube.objects import JsonObject
from kronkeep_daemon.supervisor import Supervisor

NOW = datetime(2026, 11, 30, 2, tzinfo=UTC)
RESULT = BackupResult(snapshot_id="a" * 64, bytes_read=2048, bytes_added=1024)


class CronJobFields(TypedDict):
    """The fields by which a record names its CronJob."""

    namespace: str
    cronjob: str
    cronjob_id: str


OF_DEFAULT = CronJobFields(namespace="default", cronjob="dump", cronjob_id="uid-1")


class Scene:
    """A reporter over an embedded cluster; `leads` says whether this daemon acts."""

    def __init__(self, cluster: Cluster, history: History, supervisor: Supervisor) -> None:
        self.cluster = cluster
        self.history = history
        self.bus = Bus()
        self.leads = True
        cronjobs: Any = SimpleNamespace(
            leads=SimpleNamespace(leads=self._leads), clusters=SimpleNamespace(of=self._cluster_of)
        )
        BackupEventReporter(
            cronjobs=cronjobs, history=history, bus=self.bus, clock=SystemClock(), supervisor=supervisor
        ).start()

    def _leads(self, _: str) -> bool:
        return self.leads

    def _cluster_of(self, _: str) -> Any:
        return self.cluster

    def end_backup(self, backup_id: str, status: BackupStatus, **fields: Any) -> None:
        self.bus.publish(
            BackupChanged(None, make_backup(id=backup_id, status=status, **OF_DEFAULT, **fields))
        )

    async def events(self) -> dict[str, JsonObject]:
        events, _ = await self.cluster.list(paths.events("default"))
        return {event["reason"]: event for event in events}


@pytest.fixture
async def scene(embedded_cluster: EmbeddedCluster, tmp_path: Path) -> AsyncIterator[Scene]:
    supervisor = Supervisor(SystemClock())
    cluster = await Cluster.connect(kubeconfig=embedded_cluster.kubeconfig)
    history = await History.open(tmp_path / "h", clock=SystemClock())
    yield Scene(cluster, history, supervisor)
    await supervisor.close()
    await cluster.close()
    await history.close()


async def test_each_kind_has_one_event_that_counts(scene: Scene) -> None:
    scene.end_backup("b1", BackupStatus.SUCCEEDED, result=RESULT, duration_seconds=5.0)
    first = await eventually(scene.events, bool)
    assert "2.0 KiB read, 1.0 KiB new, on storage s" in first["BackupSucceeded"]["message"]
    assert first["BackupSucceeded"]["involvedObject"]["uid"] == "uid-1"
    scene.end_backup("b1", BackupStatus.SUCCEEDED, result=RESULT)  # as after a restart: the same backup
    scene.end_backup("b2", BackupStatus.FAILED, message="No space left\x1b[2J.")
    await eventually(scene.events, lambda events: "BackupFailed" in events)
    scene.end_backup("b3", BackupStatus.SUCCEEDED)
    events = await eventually(scene.events, lambda now: now["BackupSucceeded"]["count"] > 1)
    assert events["BackupSucceeded"]["count"] == 2
    assert (events["BackupFailed"]["type"], events["BackupFailed"]["count"]) == ("Warning", 1)
    assert "\x1b" not in events["BackupFailed"]["message"]


async def test_an_overdue_backup_and_a_verification_are_reported_once(scene: Scene) -> None:
    alert = Alert(
        id="a",
        code="BackupOverdue",
        severity="critical",
        status=AlertStatus.OPEN,
        kind="cronjob",
        object="default/dump",
        object_id="uid-1",
        cluster="c",
        since=NOW,
        created_at=NOW,
        message="There is no good backup.",
        next_step="Back up now.",
        **OF_DEFAULT,
    )
    for severity in ("critical", "warning"):
        scene.history.alerts.put(msgspec.structs.replace(alert, severity=severity))
        await scene.history.commit()
        await eventually(scene.events, lambda events: "BackupOverdue" in events)
    drill = Restore(
        id="r",
        cluster="c",
        policy_id="p",
        backup_id="b",
        storage_id="s",
        purpose="drill",
        status=RestoreStatus.COMPLETED,
        created_at=NOW,
        files_verified=12,
        **OF_DEFAULT,
    )
    scene.bus.publish(RestoreChanged(None, drill))
    events = await eventually(scene.events, lambda now: "Verified" in now)
    assert events["Verified"]["message"] == "12 files of backup b were restored and are identical."
    assert events["BackupOverdue"]["count"] == 1


async def test_nothing_is_written_where_another_daemon_acts_or_events_are_forbidden(scene: Scene) -> None:
    scene.leads = False
    scene.end_backup("b1", BackupStatus.FAILED)
    scene.leads = True
    asked: list[str] = []

    class ForbiddenCluster:
        async def create(self, path: str, _: JsonObject) -> None:
            asked.append(path)
            raise Forbidden("Not allowed.")

    real, scene.cluster = scene.cluster, ForbiddenCluster()  # type: ignore[assignment]
    scene.end_backup("b2", BackupStatus.SUCCEEDED)
    scene.end_backup("b3", BackupStatus.FAILED)

    async def number_asked() -> int:
        return len(asked)

    await eventually(number_asked, lambda number: number == 1)
    scene.cluster = real
    assert await scene.events() == {}
