"""Credentials that cannot delete, and others for maintenance, against a server that tells users apart."""

import base64
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import NamedTuple

import aiohttp
import pytest
from aiohttp import web
from tests.daemon_process import Daemon
from tests.e2e.storages.servers import StorageServer, needs_servers
from tests.e2e.storages.storage_steps import (
    create_claim,
    create_storage,
    replace_secret,
    wait_for_backup,
    write_repository,
)
from tests.external_cluster import find_server_address
from tests.waiting import eventually

from kronkeep_common.client import Client
from kronkeep_common.errors import InvalidRequest, StorageFailed
from kronkeep_common.models import (
    BackupPolicySpec,
    BackupStorageCreate,
    CronJobCreate,
    Retention,
    Source,
    VolumeMount,
)

pytestmark = needs_servers


class SeenRequest(NamedTuple):
    """A request that came to the server, and whose it was."""

    user: str
    method: str
    path: str


def basic_auth(user: str, password: str) -> str:
    """Return the header of HTTP's basic authentication."""
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


class RestProxy:
    """A server of restic's REST protocol before another; `append` may delete locks only, `full` all.

    is_strict: whether that is enforced.
    """

    def __init__(self, target: StorageServer) -> None:
        self.is_strict = True
        self.seen: list[SeenRequest] = []
        self._target = str(target.settings["url"]).removesuffix("/vault")
        self._auth = basic_auth(target.secret["RESTIC_REST_USERNAME"], target.secret["RESTIC_REST_PASSWORD"])

    async def handle(self, request: web.Request) -> web.StreamResponse:
        logins = {basic_auth(user, user): user for user in ("append", "full")}
        login = logins.get(request.headers.get("Authorization", ""))
        if login is None:
            return web.Response(status=401)
        self.seen.append(SeenRequest(login, request.method, request.path))
        is_delete = request.method == "DELETE" and "/locks/" not in request.path
        if is_delete and login == "append" and self.is_strict:
            return web.Response(status=403)
        kept = {"Accept", "Content-Type", "Range"}
        headers = {name: value for name, value in request.headers.items() if name in kept}
        headers["Authorization"] = self._auth
        async with (
            aiohttp.ClientSession(auto_decompress=False) as session,
            session.request(
                request.method,
                f"{self._target}{request.raw_path}",
                data=await request.read(),
                headers=headers,
            ) as answer,
        ):
            passed = {"Content-Type", "Content-Range", "Content-Length"}
            headers = {name: value for name, value in answer.headers.items() if name in passed}
            return web.Response(status=answer.status, body=await answer.read(), headers=headers)


@asynccontextmanager
async def run_proxy(target: StorageServer) -> AsyncIterator[tuple[RestProxy, str]]:
    """Serve a proxy; yield it with its address."""
    proxy = RestProxy(target)
    app = web.Application(client_max_size=2**28)
    app.router.add_route("*", "/{path:.*}", proxy.handle)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    try:
        site = web.TCPSite(runner, find_server_address(), 0)
        await site.start()
        port = runner.addresses[0][1]
        yield proxy, f"http://{find_server_address()}:{port}"
    finally:
        await runner.cleanup()


def secret_of(user: str) -> dict[str, str]:
    return {"RESTIC_REST_USERNAME": user, "RESTIC_REST_PASSWORD": user}


async def test_archives_cannot_delete_and_maintenance_can(
    storage_daemon: Daemon, client: Client, servers_by_kind: dict[str, StorageServer]
) -> None:
    async with run_proxy(servers_by_kind["rest"]) as (proxy, address):
        for user in ("append", "full"):
            await replace_secret(storage_daemon, f"rest-{user}", secret_of(user))
        await write_repository(storage_daemon, servers_by_kind["rest"], "guarded")
        request = BackupStorageCreate(
            layout="shared",
            id="guarded",
            kind="rest",
            settings={"url": f"{address}/guarded"},
            credentials="rest-append",
            maintenance_credentials="rest-full",
            namespaces=("default",),
        )
        storage = await create_storage(client, request)
        assert storage.status == "active", storage
        assert {seen.user for seen in proxy.seen} == {"append"}
        tested = await client.storages.test("guarded")
        assert (tested.append_only, tested.reason) == (True, None)
        await back_up_twice(storage_daemon, client)
        deleted = [seen for seen in proxy.seen if seen.method == "DELETE" and "/locks/" not in seen.path]
        assert {seen.user for seen in deleted if "/snapshots/" in seen.path} == {"append", "full"}
        written = {seen.user for seen in proxy.seen if seen.method == "POST" and "/data/" in seen.path}
        assert written == {"append"}
        proxy.is_strict = False
        with pytest.raises(StorageFailed, match="can delete snapshots"):
            await client.storages.test("guarded")
        failed = await client.storages.get("guarded")
        assert (failed.append_only, failed.reason) == (False, None)
        alerts = await eventually(
            lambda: client.alerts.list("code:DeletingAllowed"), lambda page: bool(page.items)
        )
        assert [alert.object for alert in alerts.items] == ["guarded"]


async def back_up_twice(daemon: Daemon, client: Client) -> None:
    """Back up twice where one backup is kept, and wait until the first is forgotten."""
    await create_claim(daemon, "guarded")
    policy = BackupPolicySpec(
        storage_id="guarded", source=Source(), retention=Retention(keep_last=1), retries=0
    )
    await client.cronjobs.create(
        CronJobCreate(
            name="guarded",
            image="busybox:1.36",
            command=("sh", "-c", "date +%N > /data/file"),
            schedule="0 2 29 2 *",
            volumes=(VolumeMount(claim="guarded", mount_path="/data"),),
            policy=policy,
        )
    )
    made = []
    for _ in range(2):
        run = await client.cronjobs.trigger("default", "guarded")
        made.append(await wait_for_backup(client, run.backup_id))
    assert [backup.status for backup in made] == ["succeeded"] * 2, made
    await eventually(
        lambda: client.backups.get(made[0].id), lambda backup: backup.snapshot_removed_at is not None
    )


async def test_a_secret_for_maintenance_has_the_same_keys_and_stays_at_home(
    storage_daemon: Daemon, client: Client
) -> None:
    await replace_secret(storage_daemon, "half", {"RESTIC_REST_USERNAME": "full"})
    await replace_secret(storage_daemon, "whole", secret_of("append"))
    rest = BackupStorageCreate(
        layout="shared",
        id="refused",
        kind="rest",
        settings={"url": "http://localhost:1/"},
        credentials="whole",
        maintenance_credentials="half",
        namespaces=("default",),
    )
    claim = BackupStorageCreate(
        layout="shared",
        id="refused",
        kind="pvc",
        settings={"claim": "c", "namespace": "default"},
        maintenance_credentials="whole",
        namespaces=("default",),
    )
    for request, words in ((rest, "has no RESTIC_REST_PASSWORD"), (claim, "do not go there")):
        with pytest.raises(InvalidRequest, match=words) as refusal:
            await client.storages.create(request, dry_run=True)
        assert refusal.value.details["field"] == "maintenance_credentials"
