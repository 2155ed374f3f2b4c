"""What the coverage says of claims that could not be listed, and how often it lists them."""

from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest

from kronkeep_common import object_keys
from kronkeep_common.clock import SystemClock
from kronkeep_common.errors import ClusterUnreachable, KronkeepError
from kronkeep_daemon.coverage import service as coverage
from kronkeep_daemon.coverage.service import CoverageService
from kronkeep_daemon.history import History
from kronkeep_daemon.kube.claims import ClaimObject
from kronkeep_daemon.kube.errors import Forbidden

NOW = datetime(2026, 1, 15, 10, tzinfo=UTC)
FORBIDDEN = Forbidden("persistentvolumeclaims is forbidden")


class Clock(SystemClock):
    """A clock that stands still until a test moves it."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def now(self) -> datetime:
        return NOW

    def monotonic(self) -> float:
        return self.seconds


class ListingCluster:
    """A cluster with claims, or with a fault instead."""

    id = "c"
    name = "prod"

    def __init__(self) -> None:
        self.fault: KronkeepError | None = None
        self.lists = 0
        self.claims = ["a", "b"]

    async def pages_of(self, path: str, kind: type, **_: str) -> AsyncIterator[tuple[list[ClaimObject], str]]:
        self.lists += 1
        if self.fault is not None:
            raise self.fault
        for name in self.claims:
            meta = {
                "name": name,
                "namespace": "shop",
                "uid": name,
                "creationTimestamp": "2026-01-01T00:00:00Z",
            }
            yield [msgspec.convert({"metadata": meta, "status": {"phase": "Bound"}}, ClaimObject)], "1"


class CronJobs:
    """No CronJobs on one cluster."""

    def __init__(self, cluster: ListingCluster) -> None:
        self.clusters = [cluster]
        self.recorders = {"c": SimpleNamespace(record_id_of=str, watches=SimpleNamespace(namespaces=()))}
        self.pending: frozenset[str] = frozenset()
        self.subjects = self

    def objects(self) -> Iterator[Any]:
        return iter(())

    def clusters_awaiting_claims(self) -> frozenset[str]:
        return frozenset()

    def pending_clusters(self) -> frozenset[str]:
        return self.pending


class Scene:
    """The service over what a test sets."""

    def __init__(self, history: History) -> None:
        self.cluster = ListingCluster()
        self.cronjobs = CronJobs(self.cluster)
        self.clock = Clock()
        self.service = CoverageService(
            cronjobs=self.cronjobs,  # type: ignore[arg-type]
            storages=SimpleNamespace(list=list),  # type: ignore[arg-type]
            history=history,
            clock=self.clock,
        )

    async def names(self) -> list[str]:
        return [claim.name for claim in (await self.service.report()).claims]


@pytest.fixture
async def scene(tmp_path: Path) -> AsyncIterator[Scene]:
    history = await History.open(tmp_path / "h", clock=SystemClock())
    yield Scene(history)
    await history.close()


async def test_without_the_right_to_list_the_coverage_says_so(scene: Scene) -> None:
    scene.cluster.fault = FORBIDDEN
    report = await scene.service.report()
    assert report.claims == ()
    (fault,) = report.faults
    assert "forbidden" in fault.message
    assert "rights.yaml" in (fault.next_step or "")
    assert not scene.service.is_known("c")
    assert scene.service.first_listed_at("c") is None


async def test_claims_of_a_cluster_that_does_not_answer_stay_and_are_not_known(scene: Scene) -> None:
    assert await scene.names() == ["a", "b"]
    assert scene.service.is_known("c")
    assert scene.service.first_listed_at("c") == NOW
    scene.cluster.fault = ClusterUnreachable("no route")
    scene.clock.seconds = 100.0
    assert await scene.names() == ["a", "b"]
    assert not scene.service.is_known("c")
    scene.cluster.fault = None
    scene.clock.seconds = 200.0
    scene.cluster.claims = ["b"]
    assert await scene.names() == ["b"]
    assert scene.service.is_known("c")


async def test_claims_are_not_judged_before_the_cronjobs_are_listed(scene: Scene) -> None:
    scene.cronjobs.pending = frozenset({"c"})
    await scene.service.report()
    assert not scene.service.is_known("c")


async def test_requests_that_come_together_share_a_list(scene: Scene) -> None:
    for _ in range(3):
        await scene.service.report()
    assert scene.cluster.lists == 1


async def test_no_more_than_so_many_claims_are_kept(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(coverage, "MOST_CLAIMS", 1)
    report = await scene.service.report()
    assert len(report.claims) == 1
    assert "more than 1 claims" in report.faults[0].message


def test_a_claim_that_was_made_for_an_archive_is_exempt_and_not_hidden() -> None:
    labels = {object_keys.ROLE_LABEL: object_keys.VOLUME_COPY_ROLE}
    claim = msgspec.convert({"metadata": {"name": "copy", "labels": labels}}, ClaimObject)
    assert "for one archive" in coverage.facts_of(claim, "c", NOW).exemption
