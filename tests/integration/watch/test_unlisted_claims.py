"""What is said of a claim's policy while the claims could not be listed: that it may be there."""

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from tests.integration.watch.world import Quick, World, status
from tests.waiting import LONGEST_WAIT, eventually

from kronkeep_common import object_keys
from kronkeep_common.errors import CronJobNotFound, Unavailable
from kronkeep_daemon.cronjobs import CronJobService
from kronkeep_daemon.cronjobs.run_recorder import RunRecorder
from kronkeep_daemon.events import Bus
from kronkeep_daemon.history import History
from kronkeep_daemon.kube.client import Cluster
from kronkeep_daemon.kube.clusters import Clusters
from kronkeep_daemon.kube.objects import CronJobRef
from kronkeep_daemon.settings import Settings
from kronkeep_daemon.supervisor import Supervisor

CLAIMS = "/persistentvolumeclaims"
CLAIM = {
    "metadata": {
        "name": "data",
        "namespace": "shop",
        "uid": "claim-uid",
        "resourceVersion": "1",
        "annotations": {object_keys.POLICY: '{"storage_id": "s"}'},
    },
    "spec": {},
}
Answer = Callable[[web.Request], web.Response]


def break_connection(request: web.Request) -> web.Response:
    assert request.transport is not None
    request.transport.abort()
    return web.Response()


def list_claims(_: web.Request) -> web.Response:
    return web.json_response({"metadata": {"resourceVersion": "1"}, "items": [CLAIM]})


class Scene:
    """The CronJobs of a world whose claims are answered as a test says; all else is listed."""

    def __init__(self, world: World, cluster: Cluster, recorder: RunRecorder, history: History) -> None:
        self.world = world
        self.recorder = recorder
        leads: Any = None
        self.cronjobs = CronJobService(
            clusters=Clusters([cluster]),
            recorders={cluster.id: recorder},
            leads=leads,
            history=history,
            bus=Bus(),
            clock=Quick(),
            settings=Settings,
        )
        self.ref = CronJobRef(cluster.id, "shop", "pvc/data")

    def answer_claims(self, answer: Answer) -> None:
        self.world.fault = lambda request: answer(request) if request.path.endswith(CLAIMS) else None

    async def wait_until_asked(self, times: int) -> None:
        """Wait until so many more requests for the claims have come, so that those before were judged."""
        count = self.world.count(CLAIMS)

        async def is_asked() -> bool:
            return self.world.count(CLAIMS) >= count + times

        await eventually(is_asked, bool)


@pytest.fixture
async def scene(tmp_path: Path) -> AsyncIterator[Scene]:
    world = World()
    clock = Quick()
    supervisor = Supervisor(clock)
    async with world.serve(tmp_path) as kubeconfig:
        cluster = await Cluster.connect(kubeconfig=kubeconfig)
        history = await History.open(tmp_path / "history", clock=clock)
        recorder = RunRecorder(cluster=cluster, history=history, bus=Bus(), clock=clock)
        new_scene = Scene(world, cluster, recorder, history)
        new_scene.answer_claims(lambda _: status(500, "InternalError"))
        recorder.start(supervisor)
        await asyncio.wait_for(recorder.synced.wait(), LONGEST_WAIT)
        yield new_scene
        await supervisor.close()
        await cluster.close()
        await history.close()


FAULTS = {
    "internal error": lambda _: status(500, "InternalError"),
    "too busy": lambda _: status(429, "TooManyRequests"),
    "another answer": lambda _: status(404, "NotFound"),
    "broken connection": break_connection,
}


@pytest.mark.parametrize("fault", FAULTS)
async def test_a_claim_may_be_there_until_the_claims_could_be_listed(scene: Scene, fault: str) -> None:
    scene.answer_claims(FAULTS[fault])
    await scene.wait_until_asked(2)
    with pytest.raises(Unavailable, match="have not been listed yet, so shop/pvc/data may be there"):
        scene.cronjobs.find_subject(scene.ref)
    assert scene.cronjobs.subjects.clusters_awaiting_claims() == {scene.ref.cluster}
    scene.answer_claims(list_claims)

    async def is_known() -> bool:
        return scene.recorder.watches.knows_claims()

    await eventually(is_known, bool)
    assert scene.cronjobs.find_subject(scene.ref).name == "pvc/data"
    with pytest.raises(CronJobNotFound):
        scene.cronjobs.find_subject(CronJobRef(scene.ref.cluster, "shop", "pvc/other"))


async def test_where_the_claims_are_forbidden_none_is_there(scene: Scene) -> None:
    """Also after another fault: the right to list them is optional."""
    scene.answer_claims(lambda _: status(403, "Forbidden"))
    await scene.wait_until_asked(2)
    scene.answer_claims(lambda _: status(500, "InternalError"))
    await scene.wait_until_asked(2)
    with pytest.raises(CronJobNotFound):
        scene.cronjobs.find_subject(scene.ref)
    assert scene.cronjobs.subjects.clusters_awaiting_claims() == frozenset()
