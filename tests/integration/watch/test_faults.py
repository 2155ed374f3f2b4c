"""The list-and-watch loop against a server that fails in every way that has been seen."""

import asyncio
import re
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest
import yaml
from aiohttp import web
from tests.integration.watch.watcher import Watcher
from tests.integration.watch.world import Quick, World, job, status
from tests.waiting import LONGEST_WAIT

from kronkeep_common.errors import ClusterUnreachable
from kronkeep_daemon.kube import paths
from kronkeep_daemon.kube.client import Cluster
from kronkeep_daemon.kube.silence_monitor import SilenceMonitor
from kronkeep_daemon.kube.watch import FIRST_PAUSE


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    new_world = World()
    async with new_world.serve(tmp_path):
        yield new_world


@pytest.fixture
async def cluster(world: World, tmp_path: Path) -> AsyncIterator[Cluster]:
    connection = await Cluster.connect(kubeconfig=tmp_path / "kubeconfig")
    yield connection
    await connection.close()


@pytest.fixture
async def watcher(cluster: Cluster) -> AsyncIterator[Watcher]:
    new_watcher = Watcher(cluster, Quick())
    await new_watcher.until(lambda: new_watcher.watch.state.status == "live")
    yield new_watcher
    await new_watcher.stop()


async def test_what_happens_is_delivered(world: World, watcher: Watcher) -> None:
    world.put("jobs", job("a", "1"))
    await watcher.until(lambda: watcher.there == {"1": "a"})
    world.delete("jobs", "1")
    await watcher.until(lambda: watcher.told[-1] == ("DELETED", "1"))


async def test_a_silent_stream_is_dead_after_its_deadline_and_all_is_listed_again(
    world: World, cluster: Cluster
) -> None:
    """A half-open connection: nothing comes, no error either. 70 s in the daemon, half a second here."""
    watcher = Watcher(cluster, Quick(), read_deadline=0.5, longest_gap=0.4)
    try:
        await watcher.until(lambda: watcher.watch.lists == 1)
        world.silent = True
        world.put("jobs", job("a", "1"))
        await watcher.until(lambda: watcher.there == {"1": "a"}, 5)
        assert watcher.told == []
    finally:
        await watcher.stop()


@asynccontextmanager
async def silence_monitor(cluster: Cluster, watcher: Watcher, answer_seconds: float) -> AsyncIterator[None]:
    """Look after the cluster of one watch, after a tenth of a second without a byte."""

    def end(error: ClusterUnreachable) -> None:
        watcher.watch.mark_silent(error.message)
        cluster.contact.end_watches(error)

    monitor = SilenceMonitor(
        cluster, end, silent_seconds=0.1, answer_seconds=answer_seconds, pause_seconds=0.01
    )
    task = asyncio.create_task(monitor.run())
    yield
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task


async def test_a_cluster_that_takes_requests_and_answers_none_is_not_live(
    world: World, cluster: Cluster, watcher: Watcher
) -> None:
    """A stopped API server, or packets that are dropped: 24 s in the daemon."""
    async with silence_monitor(cluster, watcher, answer_seconds=0.1):
        world.silent = True
        world.answers.clear()
        await watcher.until(lambda: watcher.watch.state.status != "live")
        why = watcher.watch.state.why or ""
        assert re.search(r"default has sent nothing for \d+ s and does not answer", why)
    world.put("jobs", job("a", "1"))
    world.silent = False
    world.answers.set()
    await watcher.until(lambda: watcher.there == {"1": "a"})
    await watcher.until(lambda: watcher.watch.state.status == "live")


@pytest.mark.parametrize("answer", ["not found", "refused", "once of two"])
async def test_a_quiet_cluster_that_answers_stays_live(
    world: World, cluster: Cluster, watcher: Watcher, answer: str
) -> None:
    """A refusal is an answer as well, and one connection that breaks says nothing."""
    asked = 0

    def answer_version(request: web.Request) -> web.Response | None:
        nonlocal asked
        if request.path != "/version":
            return None
        asked += 1
        if answer == "once of two" and asked % 2 and request.transport is not None:
            request.transport.abort()
        return status(503, "etcd is away") if answer == "refused" else None

    world.fault = answer_version
    states = set()

    def is_asked_often() -> bool:
        states.add(watcher.watch.state.status)
        return asked >= 6

    async with silence_monitor(cluster, watcher, answer_seconds=LONGEST_WAIT):
        await watcher.until(is_asked_often)
    assert (states, world.count("watch=1")) == ({"live"}, 1)


async def test_the_kernel_looks_after_the_connection_of_a_watch(world: World, watcher: Watcher) -> None:
    """One that is dropped on its way is closed after 25 s; without keepalive its timer is 00."""
    await watcher.until(lambda: world.count("watch=1") > 0)
    await watcher.until(lambda: "02" in read_timers(world.port))


def read_timers(port: int) -> set[str]:
    """Return the kinds of timers of connections to a port: 02 is keepalive (proc(5), /proc/net/tcp)."""
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return {row[5][:2] for row in rows if row[2].endswith(f":{port:04X}") and row[3] == "01"}


async def test_a_quiet_cluster_is_live_once_its_watch_is_open_again(world: World, watcher: Watcher) -> None:
    """A real API server sends a bookmark once a minute: until then nothing need come."""
    watches = world.count("watch=1")
    world.hang_up()
    await watcher.until(lambda: world.count("watch=1") > watches)
    await watcher.until(lambda: watcher.watch.state.status == "live", 10)
    assert watcher.told == []


async def test_a_collection_without_bookmarks_is_live_however_long_nothing_happens(
    world: World, cluster: Cluster
) -> None:
    """A real API server sends none for Events: their watches end before silence counts as death."""
    watcher = Watcher(cluster, Quick(), read_deadline=1.5, longest_gap=0.4, watch_seconds=(1, 1))
    states = set()

    def has_watched_again() -> bool:
        states.add(watcher.watch.state.status)
        return world.count("watch=1") >= 3

    try:
        await watcher.until(lambda: watcher.watch.state.status == "live")
        await watcher.until(has_watched_again)
        assert (states, watcher.watch.lists) == ({"live"}, 1)
        assert max(watcher.clock.slept) <= FIRST_PAUSE
        world.put("jobs", job("a", "1"))
        await watcher.until(lambda: watcher.told == [("ADDED", "1")])
    finally:
        await watcher.stop()


async def test_410_as_an_event_lists_again(world: World, watcher: Watcher) -> None:
    world.put("jobs", job("a", "1"))
    world.floor = world.version + 100
    world.hang_up()
    world.floor = world.version
    world.version += 1
    await watcher.until(lambda: watcher.there == {"1": "a"})


async def test_410_as_a_status_lists_again(world: World, watcher: Watcher) -> None:
    lists = watcher.watch.lists
    world.fault = lambda r: (
        status(410, "Expired") if "watch" in r.query and watcher.watch.lists == lists else None
    )
    world.hang_up()
    await watcher.until(lambda: watcher.watch.lists > lists)
    await watcher.until(lambda: watcher.watch.state.status == "live")


@pytest.mark.parametrize("code", [500, 504, 403])
async def test_any_other_error_event_lists_again(world: World, watcher: Watcher, code: int) -> None:
    lists = watcher.watch.lists
    world.version += 1
    world.say("jobs", b'{"type":"ERROR","object":{"kind":"Status","status":"Failure","code":%d}}' % code)
    await watcher.until(lambda: watcher.watch.lists > lists)


async def test_the_server_is_given_the_time_that_it_asks_for(world: World, cluster: Cluster) -> None:
    asked = [
        status(429, "TooManyRequests", **{"Retry-After": "17"}),
        status(503, "Down", **{"Retry-After": "9"}),
    ]

    def fault(request: web.Request) -> web.Response | None:
        return asked.pop(0) if asked and request.path.endswith("/jobs") else None

    world.fault = fault
    watcher = Watcher(cluster, Quick())
    try:
        await watcher.until(lambda: watcher.watch.state.status == "live")
        assert watcher.clock.slept[:2] == [17.0, 9.0]
    finally:
        await watcher.stop()


async def test_a_server_that_ends_every_watch_at_once_is_not_stormed(world: World, cluster: Cluster) -> None:
    world.fault = lambda r: web.Response(text="") if "watch" in r.query else None
    watcher = Watcher(cluster, Quick(times=1))
    try:
        await asyncio.sleep(2)
        assert world.count("watch=1") <= 5
    finally:
        await watcher.stop()


async def test_a_list_is_read_page_by_page_and_again_when_its_token_has_expired(
    world: World, cluster: Cluster
) -> None:
    world.page = 10
    for number in range(35):
        world.put("jobs", job(f"j{number}", str(number)))
    expired = [True]

    def fault(request: web.Request) -> web.Response | None:
        if request.query.get("continue") == "20" and expired:
            expired.clear()
            return status(410, "Expired")
        return None

    world.fault = fault
    watcher = Watcher(cluster, Quick())
    try:
        await watcher.until(lambda: len(watcher.there) == 35)
        assert world.count("limit=500") == 3 + 4
    finally:
        await watcher.stop()


async def test_a_restored_server_whose_version_went_back_is_believed(world: World, watcher: Watcher) -> None:
    for number in range(5):
        world.put("jobs", job(f"j{number}", str(number)))
    await watcher.until(lambda: len(watcher.there) == 5)
    world.objects["jobs"] = {"0": world.objects["jobs"]["0"]}
    world.lose_events("jobs")
    world.version = 50
    world.floor = 10**6
    world.hang_up()
    await watcher.until(lambda: watcher.there == {"0": "j0"})
    world.floor = 0
    world.put("jobs", job("new", "9"))
    await watcher.until(lambda: "9" in watcher.there)


async def test_everything_is_listed_again_from_time_to_time(world: World, cluster: Cluster) -> None:
    """What a watch has lost is found by the difference; ten minutes in the daemon, no time at all here."""
    watcher = Watcher(cluster, Quick(), relist_seconds=0.2)
    try:
        await watcher.until(lambda: watcher.watch.lists == 1)
        world.objects["jobs"]["1"] = job("lost", "1")
        world.hang_up()
        await asyncio.sleep(0.3)
        world.hang_up()
        await watcher.until(lambda: watcher.there == {"1": "lost"})
    finally:
        await watcher.stop()


async def test_one_object_that_cannot_be_read_stops_no_other(world: World, watcher: Watcher) -> None:
    for line in (b"not json", b'{"type":"ADDED"}', b'{"type":"ADDED","object":{"metadata":{"uid":7}}}'):
        world.version += 1
        world.say("jobs", line)
    world.put("jobs", job("a", "1"))
    await watcher.until(lambda: watcher.there == {"1": "a"})
    assert watcher.watch.unreadable == 3


async def test_one_object_of_a_list_that_cannot_be_read_stops_no_other(
    world: World, cluster: Cluster
) -> None:
    world.put("jobs", job("a", "1"))
    world.objects["jobs"]["2"] = {"metadata": {"uid": 2}}
    watcher = Watcher(cluster, Quick())
    try:
        await watcher.until(lambda: watcher.there == {"1": "a"})
    finally:
        await watcher.stop()


def server_of(kubeconfig: Path) -> str:
    server: str = yaml.safe_load(kubeconfig.read_text())["clusters"][0]["cluster"]["server"]
    return server


PLUGIN = """
import json, pathlib, sys
status = {"token": pathlib.Path(sys.argv[1]).read_text()}
print(json.dumps({"apiVersion": sys.argv[2], "kind": "ExecCredential", "status": status}))
"""


class TestCredentials:
    """Tokens are rotated under a running daemon: the next refusal reloads them, once for all requests."""

    async def test_a_token_file_is_read_again(self, world: World, tmp_path: Path) -> None:
        config = tmp_path / "kubeconfig"
        token = tmp_path / "token"
        server = server_of(config)
        token.write_text("one")
        world.write(config, server, {"tokenFile": str(token)})
        world.token = "one"
        cluster = await Cluster.connect(kubeconfig=config)
        world.token = "two"
        token.write_text("two")
        await asyncio.gather(*(cluster.get(paths.namespaces("kube-system")) for _ in range(10)))
        assert cluster.loads == 2
        await cluster.close()

    async def test_an_exec_plugin_is_run_again(self, world: World, tmp_path: Path) -> None:
        config = tmp_path / "kubeconfig"
        script = tmp_path / "plugin.py"
        server = server_of(config)
        api = "client.authentication.k8s.io/v1"
        (tmp_path / "secret").write_text("one")
        script.write_text(PLUGIN)
        plugin = {
            "apiVersion": api,
            "command": sys.executable,
            "args": [str(script), str(tmp_path / "secret"), api],
            "interactiveMode": "Never",
        }
        world.write(config, server, {"exec": plugin})
        world.token = "one"
        cluster = await Cluster.connect(kubeconfig=config)
        (tmp_path / "secret").write_text("two")
        world.token = "two"
        assert (await cluster.get(paths.namespaces("kube-system")))["metadata"]["uid"] == "world"
        await cluster.close()

    async def test_a_plugin_that_fails_is_named(self, world: World, tmp_path: Path) -> None:
        config = tmp_path / "kubeconfig"
        server = server_of(config)
        plugin = {"apiVersion": "client.authentication.k8s.io/v1", "command": "false"}
        world.write(config, server, {"exec": plugin})
        with pytest.raises(ClusterUnreachable, match="exec plugin false"):
            await Cluster.connect(kubeconfig=config)


async def test_a_page_of_a_proxy_in_place_of_an_answer_is_a_fault_with_a_name(
    world: World, watcher: Watcher
) -> None:
    """A sign-in page with the status 200 ended the watch's task with a decoding error."""
    world.fault = lambda _: web.Response(text="<html>Sign in</html>", content_type="text/html")
    world.hang_up()
    await watcher.until(lambda: watcher.watch.state.status != "live")
    await watcher.until(lambda: "no Kubernetes API server" in (watcher.watch.state.why or ""))
    world.fault = lambda _: None
    world.put("jobs", job("a", "1"))
    await watcher.until(lambda: watcher.there == {"1": "a"})
