"""Maintenances over restarts, between two daemons, with a cluster that refuses, and after their time."""

from collections.abc import AsyncIterator, Collection, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests.integration.alerts.alert_scene import ConfigMapCluster, MovableClock
from tests.unit.cronjobs.slot_scene import cronjob as raw_cronjob

from kronkeep_common import object_keys
from kronkeep_common.clock import SystemClock
from kronkeep_common.errors import KronkeepError, MaintenanceNotFound, NotAllowedNow
from kronkeep_common.models import CronJob
from kronkeep_common.models.maintenance import MaintenanceRequest
from kronkeep_daemon.alerts.maintenance_rules import maintenance_finding
from kronkeep_daemon.alerts.shared_alerts import SharedAlerts
from kronkeep_daemon.alerts.shared_state import SharedState
from kronkeep_daemon.cronjobs.maintenance_marks import read_marks, release_patch, suspend_patch
from kronkeep_daemon.embedded.apiserver.patches import apply_merge_patch
from kronkeep_daemon.history import History
from kronkeep_daemon.kube.clusters import Clusters
from kronkeep_daemon.kube.errors import Forbidden
from kronkeep_daemon.kube.objects import CronJobObject, CronJobRef
from kronkeep_daemon.maintenance_service import MaintenanceService
from kronkeep_daemon.supervisor import Supervisor

NIGHT = MaintenanceRequest(filter="ns:pay", because="database upgrade", for_seconds=3600)


class CronJobCluster(ConfigMapCluster):
    """A cluster with CronJobs; `refused` are names that it refuses to change."""

    def __init__(self, *names: str) -> None:
        super().__init__()
        self.refused: set[str] = set()
        self.cronjobs: dict[str, dict[str, Any]] = {}
        for name in names:
            namespace, _, own_name = name.partition("/")
            raw = raw_cronjob()
            raw["metadata"] |= {"namespace": namespace, "name": own_name, "uid": name}
            self.cronjobs[name] = raw

    def suspended(self) -> set[str]:
        return {name for name, raw in self.cronjobs.items() if raw["spec"].get("suspend")}

    def set_suspended(self, name: str, suspended: bool) -> None:
        """Change it as kubectl does."""
        self.cronjobs[name]["spec"]["suspend"] = suspended


class CronJobs:
    """The CronJobs of a cluster as the services of one daemon show and change them."""

    def __init__(self, cluster: CronJobCluster, clusters: Clusters) -> None:
        self._cluster = cluster
        self.clusters = clusters
        self.leads = self
        self.subjects = self
        self.is_standby = False
        self.pending: frozenset[str] = frozenset()

    def stands_by(self, _: str) -> bool:
        return self.is_standby

    def pending_clusters(self) -> frozenset[str]:
        return self.pending

    def marked(self) -> Iterator[CronJobObject]:
        return (cronjob for cronjob in self.objects() if object_keys.MAINTENANCE in cronjob.annotations)

    def objects(self) -> Iterator[CronJobObject]:
        return iter([CronJobObject.from_manifest(raw, "c") for raw in self._cluster.cronjobs.values()])

    def find(self, ref: CronJobRef) -> CronJobObject:
        return CronJobObject.from_manifest(self._cluster.cronjobs[str(ref)], "c")

    async def iter_cronjobs(self) -> AsyncIterator[CronJob]:
        for live in self.objects():
            yield CronJob(
                id=live.uid,
                cluster="c",
                namespace=live.namespace,
                name=live.name,
                schedule="@daily",
                created_at=datetime.now(UTC),
            )

    async def suspend_for(self, ref: CronJobRef, maintenance_id: str) -> None:
        self._patch(ref, suspend_patch(self.find(ref), maintenance_id))

    async def release_from(self, ref: CronJobRef, over: Collection[str]) -> None:
        self._patch(ref, release_patch(self.find(ref), over, None, datetime.now(UTC)))

    def _patch(self, ref: CronJobRef, patch: dict[str, Any] | None) -> None:
        if ref.name in self._cluster.refused:
            raise Forbidden("A webhook says no.")
        if patch is not None:
            self._cluster.cronjobs[str(ref)] = apply_merge_patch(self._cluster.cronjobs[str(ref)], patch)


class Daemon:
    """The maintenance service of one daemon."""

    def __init__(self, history: History, supervisor: Supervisor, cluster: CronJobCluster) -> None:
        self.clock = MovableClock()
        clusters = Clusters([cluster])  # type: ignore[list-item]
        self.shared = SharedAlerts(clusters, lambda: "kronkeep", self.clock)
        self.cronjobs = CronJobs(cluster, clusters)
        self.service = MaintenanceService(
            cronjobs=self.cronjobs,  # type: ignore[arg-type]
            extended=self.cronjobs,  # type: ignore[arg-type]
            history=history,
            clock=self.clock,
            supervisor=supervisor,
            shared=self.shared,
        )

    async def exchange(self) -> None:
        for each in self.shared.all():
            await each.sync()
        await self.service.reconcile()
        for each in self.shared.all():
            await each.sync()

    def status(self) -> list[tuple[str, int]]:
        return [(view.status, view.cronjobs) for view in self.service.views(self.service.newest())]


@asynccontextmanager
async def daemon(folder: Path, cluster: CronJobCluster) -> AsyncIterator[Daemon]:
    history = await History.open(folder / "h", clock=SystemClock())
    supervisor = Supervisor(SystemClock())
    try:
        yield Daemon(history, supervisor, cluster)
    finally:
        await supervisor.close()
        await history.close()


async def test_what_matches_is_suspended_and_exactly_that_is_resumed(tmp_path: Path) -> None:
    cluster = CronJobCluster("pay/a", "pay/b", "shop/c")
    cluster.set_suspended("pay/b", True)
    async with daemon(tmp_path, cluster) as it:
        begun = await it.service.create(NIGHT, "eve")
        assert it.status() == [("starting", 0)]
        await it.service.reconcile()
        assert (cluster.suspended(), it.status()) == ({"pay/a", "pay/b"}, [("active", 1)])
        await it.service.end(begun.id, "bob")
        assert it.status() == [("ending", 1)]
        await it.service.reconcile()
        assert (cluster.suspended(), it.status()) == ({"pay/b"}, [("ended", 0)])
        assert it.service.get(begun.id).ended_by == "bob"
        with pytest.raises(NotAllowedNow):
            await it.service.end(begun.id, "bob")
        with pytest.raises(MaintenanceNotFound):
            await it.service.end("none", "bob")


async def test_a_start_that_a_stop_interrupted_goes_on_and_ends_by_itself(tmp_path: Path) -> None:
    cluster = CronJobCluster("pay/a", "pay/b")
    async with daemon(tmp_path, cluster) as first:
        await first.service.create(NIGHT, "eve")
    async with daemon(tmp_path, cluster) as second:
        await second.service.reconcile()
        assert cluster.suspended() == {"pay/a", "pay/b"}
    async with daemon(tmp_path, cluster) as third:
        third.clock.ahead = timedelta(seconds=3601)
        await third.service.reconcile()
        assert (cluster.suspended(), third.status()) == (set(), [("ended", 0)])


async def test_lines_of_a_filter_are_terms(tmp_path: Path) -> None:
    cluster = CronJobCluster("pay/a", "bank/b", "shop/c")
    async with daemon(tmp_path, cluster) as it:
        request = msgspec.structs.replace(NIGHT, filter="!ns:pay\n!ns:bank\n")
        assert (await it.service.create(request, "eve")).filter == "!ns:pay !ns:bank"
        await it.service.reconcile()
    assert cluster.suspended() == {"shop/c"}


async def test_a_filter_of_a_later_version_keeps_no_other_maintenance_from_ending(tmp_path: Path) -> None:
    cluster = CronJobCluster("pay/a")
    async with daemon(tmp_path, cluster) as it:
        begun = await it.service.create(NIGHT, "eve")
        await it.service.reconcile()
        await it.service.end(begun.id, "eve")
        unknown = msgspec.structs.replace(begun, id="later", filter="colour:red", started_at=None)
        it.shared.all()[0].change(SharedState(maintenances={"later": unknown}))
        await it.service.reconcile()
        assert it.service.get("later").started_at is None
    assert cluster.suspended() == set()


async def test_another_daemon_knows_it_and_ends_it(tmp_path: Path) -> None:
    cluster = CronJobCluster("pay/a")
    async with daemon(tmp_path / "a", cluster) as one, daemon(tmp_path / "b", cluster) as two:
        begun = await one.service.create(NIGHT, "eve")
        await one.exchange()
        await one.exchange()  # that it has started is shared with the next look
        two.cronjobs.is_standby = True
        await two.exchange()
        assert two.status() == [("active", 1)]
        two.clock.ahead = timedelta(seconds=3601)
        await two.service.reconcile()
        assert cluster.suspended() == {"pay/a"}  # that is the other one's work
        two.cronjobs.is_standby = False
        await two.service.reconcile()
        assert cluster.suspended() == set()
        again = await two.service.create(NIGHT, "bob")
        await two.exchange()
        await one.exchange()
        await one.service.end(again.id, "eve")
        await one.exchange()
        await two.exchange()
        assert (two.service.get(again.id).ended_by, two.service.get(begun.id).created_by) == ("eve", "eve")
        assert cluster.suspended() == set()


async def test_a_daemon_that_stands_by_does_what_it_was_asked(tmp_path: Path) -> None:
    cluster = CronJobCluster("pay/a")
    async with daemon(tmp_path, cluster) as it:
        it.cronjobs.is_standby = True
        begun = await it.service.create(NIGHT, "eve")
        await it.service.reconcile()
        assert cluster.suspended() == {"pay/a"}
        await it.service.end(begun.id, "eve")
        await it.service.reconcile()
        assert cluster.suspended() == set()


async def test_one_that_cannot_be_suspended_is_named_and_holds_up_no_other(tmp_path: Path) -> None:
    cluster = CronJobCluster("pay/a", "pay/b")
    cluster.refused = {"a"}
    async with daemon(tmp_path, cluster) as it:
        await it.service.create(NIGHT, "eve")
        for _ in range(3):
            await it.service.reconcile()
            it.clock.ahead += timedelta(seconds=31)
        (view,) = it.service.views(it.service.newest())
        assert (view.status, view.cronjobs, cluster.suspended()) == ("active", 1, {"pay/b"})
        assert view.faults == ("pay/a: A webhook says no.",)


async def test_one_that_cannot_be_resumed_is_tried_again_and_is_an_alert(tmp_path: Path) -> None:
    cluster = CronJobCluster("pay/a", "pay/b")
    async with daemon(tmp_path, cluster) as it:
        begun = await it.service.create(NIGHT, "eve")
        await it.service.reconcile()
        cluster.refused = {"a"}
        await it.service.end(begun.id, "eve")
        await it.service.reconcile()
        assert (cluster.suspended(), it.status()) == ({"pay/a"}, [("ending", 1)])
        assert list(it.service.list_held_cronjobs()) == []
        it.clock.ahead = timedelta(minutes=6)
        await it.service.reconcile()
        (held,) = it.service.list_held_cronjobs()
        finding = maintenance_finding(held)
        assert (finding.code, finding.object, finding.severity) == (
            "MaintenanceNotEnded",
            "pay/a",
            "critical",
        )
        cluster.refused = set()
        it.clock.ahead = timedelta(minutes=7)
        await it.service.reconcile()
        assert (cluster.suspended(), it.status()) == (set(), [("ended", 0)])
        assert list(it.service.list_held_cronjobs()) == []


async def test_marks_without_a_record_are_an_alert_and_can_be_ended(tmp_path: Path) -> None:
    cluster = CronJobCluster("pay/a")
    async with daemon(tmp_path / "lost", cluster) as lost:
        begun = await lost.service.create(NIGHT, "eve")
        await lost.service.reconcile()
    async with daemon(tmp_path / "new", cluster) as it:
        await it.service.reconcile()
        assert list(it.service.list_held_cronjobs()) == []  # the record may come from another daemon
        it.clock.ahead = timedelta(minutes=6)
        (held,) = it.service.list_held_cronjobs()
        assert (held.maintenance_id, held.is_known) == (begun.id, False)
        assert "no daemon knows" in maintenance_finding(held).message
        await it.service.end(begun.id, "eve")
        await it.service.reconcile()
        assert cluster.suspended() == set()


async def test_one_that_somebody_resumed_stays_so(tmp_path: Path) -> None:
    cluster = CronJobCluster("pay/a", "pay/b")
    async with daemon(tmp_path, cluster) as it:
        await it.service.create(NIGHT, "eve")
        await it.service.reconcile()
        cluster.set_suspended("pay/a", False)
        await it.service.reconcile()
        assert cluster.suspended() == {"pay/b"}
        cluster.set_suspended("pay/a", True)  # and suspended again: that is theirs now
        it.clock.ahead = timedelta(seconds=3601)
        await it.service.reconcile()
        assert cluster.suspended() == {"pay/a"}
        assert read_marks(CronJobObject.from_manifest(cluster.cronjobs["pay/a"], "c")) == ()


async def test_a_cluster_that_is_not_listed_is_waited_for(tmp_path: Path) -> None:
    cluster = CronJobCluster("pay/a")
    async with daemon(tmp_path, cluster) as it:
        it.cronjobs.pending = frozenset({"c"})
        await it.service.create(msgspec.structs.replace(NIGHT, filter=""), "eve")
        await it.service.reconcile()
        assert it.status() == [("starting", 0)]
        it.cronjobs.pending = frozenset()
        await it.service.reconcile()
        assert it.status() == [("active", 1)]


async def test_there_is_a_limit(tmp_path: Path) -> None:
    async with daemon(tmp_path, CronJobCluster()) as it:
        for _ in range(100):
            await it.service.create(NIGHT, "eve")
        with pytest.raises(KronkeepError, match="which is the most"):
            await it.service.create(NIGHT, "eve")
