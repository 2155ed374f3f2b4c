"""The scheduler waits for a claim that is being filled, also before its watch has reported it."""

from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from kronkeep_common.clock import SystemClock
from kronkeep_daemon.embedded.apiserver.server import ApiServer
from kronkeep_daemon.embedded.controllers.cached_collection import CachedCollection, ClusterObjects
from kronkeep_daemon.embedded.controllers.event_recorder import EventRecorder
from kronkeep_daemon.embedded.controllers.scheduler import CLAIM_SECONDS, Scheduler
from kronkeep_daemon.kube import paths
from kronkeep_daemon.kube.client import Cluster
from kronkeep_daemon.kube.objects import JsonObject

NODE = {
    "metadata": {"name": "one"},
    "status": {"conditions": [{"type": "Ready", "status": "True"}]},
}


def ignore_change(event_type: str, obj: JsonObject) -> None:
    """Take a change of a cache; no watch runs here, so nothing else does."""


@pytest.fixture
async def cluster(api_server: ApiServer, tmp_path: Path) -> AsyncIterator[Cluster]:
    cluster = await Cluster.connect(kubeconfig=tmp_path / "kubeconfig")
    yield cluster
    await cluster.close()


def build_objects(cluster: Cluster) -> ClusterObjects:
    """Return collections whose watches have reported nothing."""
    build = partial(CachedCollection, cluster=cluster, clock=SystemClock(), on_change=ignore_change)
    return ClusterObjects(
        cronjobs=build(path_of=paths.cronjobs),
        jobs=build(path_of=paths.jobs),
        pods=build(path_of=paths.pods),
        claims=build(path_of=paths.claims),
        nodes=build(path_of=partial(paths.core, "nodes")),
        snapshots=build(path_of=paths.volume_snapshots),
    )


def claim(source: dict[str, str] | None) -> JsonObject:
    spec: dict[str, Any] = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
    return {"metadata": {"name": "data"}, "spec": {**spec, "dataSource": source} if source else spec}


POD = {
    "metadata": {"name": "reader"},
    "spec": {
        "containers": [{"name": "c", "image": "busybox:1.36"}],
        "volumes": [{"name": "data", "persistentVolumeClaim": {"claimName": "data"}}],
    },
}


@pytest.mark.parametrize(
    ("made", "waits"),
    [
        (claim({"kind": "PersistentVolumeClaim", "name": "original"}), True),
        (claim(None), False),
        (None, False),
    ],
    ids=["filled from another", "empty", "missing"],
)
async def test_a_claim_that_the_watch_has_not_reported_is_looked_up(
    cluster: Cluster, made: JsonObject | None, waits: bool
) -> None:
    objects = build_objects(cluster)
    objects.nodes.cache.put_written(await cluster.create(paths.core("nodes", None, None), NODE))
    if made is not None:
        await cluster.create(paths.claims("default"), made)
    pod = await objects.pods.create("default", POD)
    scheduler = Scheduler(objects, EventRecorder(cluster, SystemClock()))
    assert await scheduler.sync("default", "reader") == (CLAIM_SECONDS if waits else None)
    bound = await cluster.get(paths.pods("default", pod["metadata"]["name"]))
    assert bound["spec"].get("nodeName") == (None if waits else "one")
