"""The socket API against a real daemon: access, refusals, lists, events."""

import asyncio
import json
import os
import socket
import stat
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import httpx
import pytest
from tests.daemon_process import Daemon
from tests.integration.http.conftest import request_as_nobody
from tests.waiting import eventually

from kronkeep_common import errors
from kronkeep_common.client import Client, SyncClient
from kronkeep_common.models import CronJobCreate
from kronkeep_daemon.http.access import Level
from kronkeep_daemon.http.listening_socket import bind_socket
from kronkeep_daemon.http.routes import ROUTES

HTTP = httpx.AsyncClient


@pytest.fixture(scope="module")
def daemon(open_folder: Path) -> Iterator[Daemon]:
    process = Daemon(open_folder / "s")
    asyncio.run(process.start())
    yield process
    asyncio.run(process.stop())


@pytest.fixture
async def http(daemon: Daemon) -> AsyncIterator[HTTP]:
    transport = httpx.AsyncHTTPTransport(uds=daemon.announcement["socket"])
    async with HTTP(transport=transport, base_url="http://localhost") as client:
        yield client


def test_every_route_has_a_level_and_changes_are_never_for_readers() -> None:
    for route in ROUTES:
        assert route.level is not Level.NONE
        if route.method != "GET" and route.path not in ("/v1/schedules/check", "/v1/retention/preview"):
            assert route.level >= Level.OPERATE


async def test_the_socket_is_the_owner_s_and_the_group_s(daemon: Daemon) -> None:
    assert stat.S_IMODE(Path(daemon.announcement["socket"]).stat().st_mode) == 0o660


@pytest.mark.skipif(os.getuid() != 0, reason="needs root to become somebody else")
async def test_a_stranger_is_refused_and_the_refusal_says_which_level(daemon: Daemon) -> None:
    said = await request_as_nobody(daemon, "/v1/cronjobs")
    assert b" 403 " in said.split(b"\r\n")[0]
    assert b'"code":"Denied"' in said
    assert b"you hold none" in said
    assert b"sudo usermod -aG kronkeepd-ops USER, then log in again." in said


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://evil"},
        {"Referer": "http://evil/"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Host": "evil"},
    ],
)
async def test_web_pages_are_refused(http: HTTP, headers: dict[str, str]) -> None:
    assert (await http.get("/v1/cronjobs", headers=headers)).status_code == 403


async def test_a_refused_host_says_which_one_is_meant(http: HTTP) -> None:
    problem = (await http.get("/v1/cronjobs", headers={"Host": "evil"})).json()
    assert "http://localhost/" in problem["next_step"]


@pytest.mark.parametrize("host", ["localhost", "LocalHost", "localhost:8080", "unix", "d", "", "kronkeepd"])
async def test_what_clients_of_sockets_write_for_a_host_is_served(http: HTTP, host: str) -> None:
    assert (await http.get("/healthz", headers={"Host": host})).status_code == 200


@pytest.mark.parametrize(
    "path", ["/healthz", "/v1/cronjobs", "/v1/events", "/metrics", "/openapi.json", "/v1/executions/none"]
)
async def test_head_is_answered_where_get_is(http: HTTP, path: str) -> None:
    answer = await http.head(path)
    assert answer.status_code == (404 if path.endswith("none") else 200)
    assert answer.content == b""
    assert (await http.get("/healthz")).text == "ok"


async def test_a_body_that_is_not_packed_as_it_says_is_refused(http: HTTP) -> None:
    headers = {"Content-Encoding": "gzip", "Content-Type": "application/json"}
    answer = await http.post("/v1/cronjobs", content=b"{}", headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (400, "UnreadableBody")


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "code"),
    [
        ("GET", "/v1/nowhere", None, 404, "NoSuchRoute"),
        ("GET", "/v1/cronjobs/default/none", None, 404, "CronJobNotFound"),
        ("GET", "/v1/executions/none", None, 404, "ExecutionNotFound"),
        ("GET", "/v1/executions/none/logs", None, 404, "ExecutionNotFound"),
        ("GET", "/v1/backups/none", None, 404, "BackupNotFound"),
        ("GET", "/v1/storages/none", None, 404, "StorageNotFound"),
        ("GET", "/v1/executions?filter=colour:red", None, 400, "InvalidFilter"),
        ("GET", "/v1/executions?limit=0", None, 422, "InvalidRequest"),
        ("GET", "/v1/executions?colour=red", None, 422, "InvalidRequest"),
        ("POST", "/v1/cronjobs", {"name": "a"}, 422, "InvalidRequest"),
        (
            "POST",
            "/v1/cronjobs",
            {"name": "a", "image": "b", "schedule": "* * * * *", "x": 1},
            422,
            "InvalidRequest",
        ),
        ("POST", "/v1/storages", {"id": "a", "kind": "floppy"}, 422, "InvalidRequest"),
        ("DELETE", "/v1/storages/none", {"confirm": "none"}, 404, "StorageNotFound"),
        (
            "POST",
            "/v1/schedules/check",
            {"cronjob_schedule": "x", "backup_schedule": "y"},
            422,
            "InvalidSchedule",
        ),
    ],
)
async def test_refusals_are_problems_with_code_and_next_step(
    http: HTTP, method: str, path: str, body: object, status: int, code: str
) -> None:
    answer = await http.request(method, path, content=json.dumps(body) if body else None)
    problem = answer.json()
    assert (answer.status_code, problem["code"]) == (status, code)
    assert answer.headers["content-type"] == "application/problem+json"
    assert problem["detail"]
    assert problem["next_step"].endswith(".")


async def test_large_and_deep_bodies_are_refused(http: HTTP) -> None:
    assert (await http.post("/v1/cronjobs", content=b"x" * 2_000_000)).status_code == 413
    assert (await http.post("/v1/cronjobs", content=b"[" * 200_000)).status_code == 422


async def test_schedules_are_checked_as_the_seed_did(daemon: Daemon) -> None:
    from kronkeep_common.models import ScheduleCheckRequest

    async with daemon.client() as client:
        for backup, verdict in (("0 4 * * *", "ok"), ("0 3 * * *", "ok"), ("0 2 * * *", "conflict")):
            request = ScheduleCheckRequest(cronjob_schedule="0 2 * * *", backup_schedule=backup)
            assert (await client.policies.check_schedule(request)).verdict == verdict
        request = ScheduleCheckRequest(cronjob_schedule="0 4 * * *", backup_schedule="0 3 * * *")
        assert (await client.policies.check_schedule(request)).verdict == "conflict"


async def test_events_resume_without_a_hole_and_changes_are_audited(daemon: Daemon, http: HTTP) -> None:
    async with daemon.client() as client:
        before = (await client.snapshot()).seq
        await client.cronjobs.create(
            CronJobCreate(name="ev", image="busybox", command=("true",), schedule="0 2 29 2 *")
        )
        run = await client.cronjobs.trigger("default", "ev")
        await eventually(lambda: client.runs.get(run.id), lambda r: r.status == "succeeded")
        seen = []
        async for event in client.events(before):
            seen.append(event)
            if event.record and event.record.get("status") == "succeeded":
                break
        assert [e.seq for e in seen] == sorted(e.seq for e in seen)
        assert {e.id for e in seen} == {run.id}
        runs = await client.runs.list(filter="name:ev status:succeeded age:<1h")
        assert [r.id for r in runs.items] == [run.id]
    entries = (await http.get("/v1/audit")).json()["items"]
    assert {"POST"} <= {entry["method"] for entry in entries}
    assert any(entry["route"].endswith("/trigger") and entry["outcome"] == "done" for entry in entries)


async def test_documents_about_the_api_itself(http: HTTP) -> None:
    document = (await http.get("/openapi.json")).json()
    assert set(document["paths"]) == {route.path for route in ROUTES}
    assert (await http.get("/healthz")).text == "ok"
    assert (await http.get("/readyz")).json()["ready"] is True
    assert "kronkeep_requests_total" in (await http.get("/metrics")).text


def test_nobody_at_the_socket_is_one_sentence_with_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(errors.DaemonUnreachable) as refusal:
        SyncClient(tmp_path / "none.sock").cronjobs.list()
    assert "systemctl start kronkeepd" in refusal.value.next_step
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(tmp_path / "dead.sock"))
    with pytest.raises(errors.DaemonUnreachable):
        SyncClient(tmp_path / "dead.sock").cronjobs.list()
    listener.close()
    with pytest.raises(errors.InvalidSettings):
        Client(Path("/" + "x" * 120))


def test_a_dead_socket_is_replaced_and_a_file_is_not(tmp_path: Path) -> None:
    path = tmp_path / "run" / "api.sock"
    bind_socket(path).close()
    with bind_socket(path) as listening:
        assert stat.S_IMODE(path.stat().st_mode) == 0o660
        with pytest.raises(errors.StateInUse):
            bind_socket(path)
        assert listening.getsockname() == str(path)
    precious = tmp_path / "precious"
    precious.write_text("x")
    for taken in (precious, precious / "api.sock", tmp_path):
        with pytest.raises(errors.InvalidSettings) as refusal:
            bind_socket(taken)
        assert "--socket" in refusal.value.next_step
    assert precious.read_text() == "x"


async def test_a_name_leads_to_no_other_route(daemon: Daemon) -> None:
    async with daemon.client() as client:
        for name in ("../executions", "..", "x/usage", "x?limit=1", "%2e%2e"):
            with pytest.raises(errors.NotFound):
                await client.storages.get(name)
