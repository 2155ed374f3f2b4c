"""Faults of policies as Kubernetes Events: one for each CronJob and kind, which counts."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest

from kronkeep_common import object_keys
from kronkeep_common.clock import SystemClock
from kronkeep_common.models import BackupPolicy
from kronkeep_daemon.backups.policy_fault_reporter import PAUSE_SECONDS, PolicyFaultReporter
from kronkeep_daemon.embedded import EmbeddedCluster
from kronkeep_daemon.events import Bus
from kronkeep_daemon.kube import paths
from kronkeep_daemon.kube.client import Cluster
from kronkeep_daemon.kube.objects import CronJobObject, JsonObject
from kronkeep_daemon.kube.subjects import PolicySubject
from kronkeep_daemon.storages.service import StorageRefusal
from kronkeep_daemon.supervisor import Supervisor
from kronkeep_daemon.testing import FakeClock


class Scene:
    """A reporter over CronJobs that the test names; `restart` makes it forget."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        self.clock = FakeClock(datetime.now(UTC).replace(microsecond=0))
        self.texts = {"one": "{", "two": "{"}
        self.conflicts: dict[str, str] = {}
        self.restart()

    def restart(self) -> None:
        cronjobs: Any = SimpleNamespace(
            carriers_led_here=self.cronjobs, clusters=SimpleNamespace(of=self._cluster_of)
        )
        storages: Any = SimpleNamespace(find_refusal=self.find_refusal)
        supervisor = Supervisor(SystemClock())
        self.reporter = PolicyFaultReporter(
            cronjobs=cronjobs,
            storages=storages,
            find_conflict=self.find_conflict,
            bus=Bus(),
            clock=self.clock,
            supervisor=supervisor,
        )

    async def find_conflict(self, cronjob: PolicySubject, _policy: BackupPolicy) -> str | None:
        return self.conflicts.get(cronjob.name)

    def find_refusal(self, name: str, _cluster: str, namespace: str) -> StorageRefusal | None:
        if name != "others":
            return None
        return StorageRefusal("NamespaceNotServed", f"It does not serve {namespace}.", "Let it.")

    def _cluster_of(self, _: str) -> Cluster:
        return self.cluster

    async def cronjobs(self) -> AsyncIterator[CronJobObject]:
        for name, text in self.texts.items():
            yield CronJobObject.from_manifest(
                {
                    "metadata": {
                        "uid": name,
                        "name": name,
                        "namespace": "default",
                        "annotations": {object_keys.POLICY: text},
                    }
                },
                "c",
            )

    async def report(self) -> None:
        await self.clock.advance(PAUSE_SECONDS + 1)
        assert await self.reporter.report_faults()

    async def events(self) -> list[JsonObject]:
        events, _ = await self.cluster.list(paths.events("default"))
        return sorted(events, key=lambda event: str(event["involvedObject"]["name"]))


@pytest.fixture
async def scene(embedded_cluster: EmbeddedCluster) -> AsyncIterator[Scene]:
    cluster = await Cluster.connect(kubeconfig=embedded_cluster.kubeconfig)
    yield Scene(cluster)
    await cluster.close()


async def test_other_texts_of_one_cronjob_count_on_its_event(scene: Scene) -> None:
    for number in range(5):
        scene.texts["one"] = f'{{"storage_id": "s", "x{number}": 1}}'
        await scene.report()
    events = await scene.events()
    assert [(event["involvedObject"]["name"], event["count"]) for event in events] == [("one", 5), ("two", 1)]
    assert "x4" in events[0]["message"]
    assert events[0]["lastTimestamp"] > events[0]["firstTimestamp"]


async def test_a_second_daemon_and_a_restart_count_nothing_twice(scene: Scene) -> None:
    await scene.report()
    scene.restart()
    await scene.report()
    assert [event["count"] for event in await scene.events()] == [1, 1]
    scene.texts["two"] = "[]"
    await scene.report()
    assert [event["count"] for event in await scene.events()] == [1, 2]


async def test_a_storage_that_does_not_serve_the_namespace_is_reported_at_once(scene: Scene) -> None:
    policy = '{"storage_id": "others", "source": {"claims": [{"claim": "data"}]}}'
    scene.texts = {"one": policy, "two": policy.replace("others", "ours")}
    await scene.report()
    (event,) = await scene.events()
    assert (event["reason"], event["involvedObject"]["name"]) == ("StorageNotUsable", "one")
    assert "It does not serve default. Let it." in event["message"]


async def test_a_schedule_that_kubectl_broke_has_one_event_that_counts(scene: Scene) -> None:
    policy = '{"storage_id": "ours", "schedule": "0 2 * * *", "source": {"claims": [{"claim": "data"}]}}'
    scene.texts = {"one": policy}
    await scene.report()
    assert await scene.events() == []
    for day in range(3):
        scene.conflicts["one"] = f"SameTime: Both begin at 02:00, first on day {day}."
        await scene.report()
    scene.restart()
    await scene.report()
    (event,) = await scene.events()
    assert (event["reason"], event["type"], event["count"]) == ("ScheduleConflict", "Warning", 1)
    assert "SameTime: Both begin at 02:00" in event["message"]
    for number in range(4):  # each other schedule is one more
        scene.texts["one"] = policy.replace("0 2", f"{number} 2")
        await scene.report()
    (event,) = await scene.events()
    assert event["count"] == 4
