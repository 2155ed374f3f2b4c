"""A cluster that has never answered: the daemon starts without it, says so, and takes it in later."""

import asyncio
import socket
from pathlib import Path

import pytest
from aiohttp import web
from tests.integration.watch.daemon_sections import command, daemon_of
from tests.integration.watch.world import World, job, status
from tests.waiting import eventually

from kronkeep_common.alert_codes import AlertCode
from kronkeep_common.client import Client
from kronkeep_common.clock import SystemClock
from kronkeep_common.errors import ClusterUnreachable, EventsLost, InvalidSettings
from kronkeep_common.models import Alert, CronJobCreate
from kronkeep_daemon.connect import Connector
from kronkeep_daemon.history import History
from kronkeep_daemon.kube import paths
from kronkeep_daemon.settings import ClusterSettings


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def world_of(name: str) -> World:
    """A cluster with a CronJob and one run that has ended, each with the cluster's name in its uid."""
    world = World()
    world.uid = f"cluster-{name}"
    world.put("cronjobs", {"metadata": {"name": "dump", "namespace": "shop", "uid": f"{name}-uid"}})
    run = job(f"dump-{name}", f"run-{name}", ended=True)
    run["metadata"]["ownerReferences"][0]["uid"] = f"{name}-uid"
    world.put("jobs", run)
    return world


def folder_of(folder: Path, name: str, port: int) -> Path:
    """A folder with a kubeconfig that leads to a port."""
    (folder / name).mkdir()
    World.write(folder / name / "kubeconfig", f"http://127.0.0.1:{port}", {"token": "x"})
    return folder / name


async def never_connected_alert(client: Client) -> Alert:
    """Wait for the alert and return it; the clusters here have others too, as they list no claims."""

    async def look() -> list[Alert]:
        alerts = (await client.alerts.list()).items
        return [alert for alert in alerts if alert.code == AlertCode.CLUSTER_NEVER_CONNECTED]

    return (await eventually(look, bool))[0]


async def test_the_others_are_recorded_and_it_joins_when_it_answers(tmp_path: Path) -> None:
    port = free_port()
    (tmp_path / "east").mkdir()
    west = folder_of(tmp_path, "west", port)
    async with world_of("east").serve(tmp_path / "east"), daemon_of(tmp_path, "west", "east") as daemon:
        async with daemon.client() as client:
            runs = await eventually(client.runs.list, lambda page: len(page.items) == 1)
            assert (runs.items[0].id, runs.items[0].status) == ("run-east", "succeeded")
            assert runs.stale_since is not None
            ready = await client.ready()
            (watch,) = [watch for watch in ready.watches if watch.name == "connection"]
            assert not ready.ready
            assert watch.status == "failing"
            clusters = {cluster.name: cluster.id for cluster in (await client.snapshot()).clusters}
            assert clusters["west"] == watch.cluster
            alert = await never_connected_alert(client)
            assert (alert.severity, "cluster west was never" in alert.message) == ("critical", True)
            assert alert.next_step
            code, text = await command(daemon, "doctor")
            (line,) = [line for line in text.splitlines() if " cluster west " in f"{line} "]
            assert code != 0
            assert "fail" in line
            assert "never been connected" in line
            spec = CronJobCreate(name="new", image="busybox", schedule="0 2 * * *")
            with pytest.raises(ClusterUnreachable, match="west has never been connected"):
                await client.for_cluster("west").cronjobs.create(spec)
        async with world_of("west").serve(west, port=port), daemon.client() as client:
            both = await eventually(client.runs.list, lambda page: len(page.items) == 2)
            assert {run.cluster for run in both.items} == {"cluster-east", "cluster-west"}
            await eventually(client.ready, lambda answer: answer.ready)
            names = {cluster.id: cluster.name for cluster in (await client.snapshot()).clusters}
            assert names == {"cluster-east": "east", "cluster-west": "west"}
            await eventually(lambda: client.alerts.get(alert.id), lambda known: known.status == "resolved")


async def test_a_daemon_whose_only_cluster_never_answered_serves_and_claims_nothing(tmp_path: Path) -> None:
    port = free_port()
    west = folder_of(tmp_path, "west", port)
    async with daemon_of(tmp_path, "west") as daemon:
        code, text = await command(daemon, "get", "cronjobs")
        assert (code, "may be out of date" in text or "old" in text) == (0, True), text
        async with daemon.client() as client:
            assert (await client.snapshot()).cronjobs == []
            reader = asyncio.create_task(read_events(client))
            async with world_of("west").serve(west, port=port):
                await eventually(client.runs.list, lambda page: len(page.items) == 1)
                with pytest.raises(EventsLost):  # so that the terminal takes a snapshot with the cluster's id
                    await reader
                await daemon.stop()
        await daemon.start()  # again without the cluster, which has an identity now
        async with daemon.client() as client:
            assert [run.cluster for run in (await client.runs.list()).items] == ["cluster-west"]
            assert all(watch.name != "connection" for watch in (await client.ready()).watches)


async def read_events(client: Client) -> None:
    async for _ in client.events(tables=("watches",)):
        pass


FAULTS = {
    "refuses": status(503, "ServiceUnavailable"),
    "forbids": status(403, "Forbidden"),
    "answers a page": web.Response(text="<html>Sign in</html>", content_type="text/html"),
    "answers another object": web.json_response({"metadata": []}),
}


@pytest.mark.parametrize("kind", [*FAULTS, "hangs", "has no kubeconfig"])
async def test_whatever_a_cluster_does_at_the_start_is_said_and_survived(tmp_path: Path, kind: str) -> None:
    """At a first start it has no identity; at a later one it has that of the history."""
    world = World()
    history = await History.open(tmp_path / "history", clock=SystemClock())
    file = tmp_path / "kubeconfig"
    sections = {"far": ClusterSettings(kubeconfig=str(file))}
    async with world.serve(tmp_path):
        text = file.read_text()
        for is_known in (False, True):
            if kind in FAULTS:
                answer = FAULTS[kind]
                world.fault = lambda _, answer=answer: web.Response(  # type: ignore[misc]
                    body=answer.body, status=answer.status, content_type=answer.content_type
                )
            elif kind == "hangs":
                world.answers.clear()
            else:
                file.unlink()
            connector = Connector(history, SystemClock(), patience=0.5)
            ((cluster, _),) = await connector.connect(sections)
            assert (cluster.fault is None) == is_known
            if not is_known:
                with pytest.raises(ClusterUnreachable, match="far has never been connected"):
                    await cluster.list(paths.jobs())
            world.fault = lambda _: None
            world.answers.set()
            file.write_text(text)
            await connector.identify(cluster)
            assert cluster.id == "world"
            assert (await cluster.list(paths.jobs()))[0] == []
            await cluster.close()
    await history.close()


async def test_two_sections_on_one_cluster_are_refused_unless_one_is_a_clone(tmp_path: Path) -> None:
    history = await History.open(tmp_path / "history", clock=SystemClock())
    async with World().serve(tmp_path) as file:
        one = ClusterSettings(kubeconfig=str(file))
        with pytest.raises(InvalidSettings, match="one and two lead to the same cluster"):
            await Connector(history, SystemClock()).connect({"one": one, "two": one})
        clone = ClusterSettings(kubeconfig=str(file), clone=True)
        for _ in range(2):  # at a second start as well
            both = await Connector(history, SystemClock()).connect({"one": one, "two": clone})
            first, second = (cluster for cluster, _ in both)
            assert first.id == "world"
            assert len(second.id) == 32
            for cluster in (first, second):
                await cluster.close()
    await history.close()
