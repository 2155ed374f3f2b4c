"""Container logs over TLS, as kube-apiserver fetches them from a kubelet."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from kronkeep_common.errors import InvalidSettings
from kronkeep_daemon.embedded.agent.log_server import LogServer

STATE: dict[str, Any] = {"name": "main", "state": {"running": {}}}
POD: dict[str, Any] = {
    "metadata": {"namespace": "shop", "name": "dump-1", "uid": "u1"},
    "spec": {"containers": [{"name": "main"}]},
    "status": {"containerStatuses": [STATE]},
}


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[LogServer]:
    log_server = LogServer(tmp_path, "127.0.0.1")
    await log_server.start()
    log_server.update_pod("ADDED", POD)
    yield log_server
    await log_server.close()


def connect(server: LogServer, certificate: tuple[str, str] | None = None) -> httpx.AsyncClient:
    """A client that trusts any certificate, as kube-apiserver does without a CA for kubelets."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    if certificate is not None:
        context.load_cert_chain(*certificate)
    return httpx.AsyncClient(base_url=f"https://127.0.0.1:{server.port}", verify=context, trust_env=False)


async def test_a_log_is_served_with_its_options(server: LogServer) -> None:
    lines = b"2026-01-01T00:00:00Z one\n2026-01-01T00:00:01Z two\n"
    await server.open_writer(POD, "main", 0).write(lines, final=False)
    async with connect(server) as client:
        path = "/containerLogs/shop/dump-1/main"
        assert (await client.get(path)).text == "one\ntwo\n"
        assert (await client.get(path, params={"tailLines": "1"})).text == "two\n"
        since = {"sinceTime": "2026-01-01T00:00:01Z", "timestamps": "true"}
        assert (await client.get(path, params=since)).text == "2026-01-01T00:00:01Z two\n"
        assert (await client.get("/containerLogs/shop/none/main")).status_code == 404
        assert (await client.get("/containerLogs/shop/dump-1/other")).status_code == 400


async def test_a_follower_receives_every_line_and_the_end(server: LogServer) -> None:
    writer = server.open_writer(POD, "main", 0)
    async with (
        connect(server) as client,
        client.stream("GET", "/containerLogs/shop/dump-1/main?follow=true") as answer,
    ):
        lines = answer.aiter_lines()
        await writer.write(b"2026-01-01T00:00:00Z one\n", final=False)
        assert await anext(lines) == "one"
        await writer.write(b"2026-01-01T00:00:00Z two\n", final=True)
        assert [line async for line in lines] == ["two"]


async def test_each_instance_of_a_restarted_container_has_its_log(server: LogServer) -> None:
    for restarts, line in enumerate((b"2026-01-01T00:00:00Z one\n", b"2026-01-01T00:00:01Z two\n")):
        await server.open_writer(POD, "main", restarts).write(line, final=True)
    restarted = {**STATE, "restartCount": 1, "lastState": {"terminated": {"exitCode": 1}}}
    server.update_pod("MODIFIED", POD | {"status": {"containerStatuses": [restarted]}})
    async with connect(server) as client:
        path = "/containerLogs/shop/dump-1/main"
        assert (await client.get(path)).text == "two\n"
        assert (await client.get(path, params={"previous": "true"})).text == "one\n"


async def test_the_logs_of_a_deleted_pod_are_removed(server: LogServer, tmp_path: Path) -> None:
    await server.open_writer(POD, "main", 0).write(b"2026-01-01T00:00:00Z one\n", final=True)
    server.update_pod("DELETED", POD)
    assert list((tmp_path / "logs").iterdir()) == []


async def create_certificate(folder: Path, name: str, *signer: str) -> tuple[str, str]:
    """Return the files of a certificate and its key, signed by itself or with the signer's arguments."""
    certificate = folder / f"{name}.crt"
    key = folder / f"{name}.key"
    argv = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", f"/CN={name}"]
    argv += ["-keyout", str(key), "-out", str(certificate), *signer]
    openssl = await asyncio.create_subprocess_exec(*argv, stderr=asyncio.subprocess.DEVNULL)
    assert await openssl.wait() == 0
    return str(certificate), str(key)


async def test_on_another_address_than_loopback_a_caller_needs_the_clusters_certificate(
    tmp_path: Path,
) -> None:
    ca, ca_key = await create_certificate(tmp_path, "ca")
    certificate = await create_certificate(tmp_path, "apiserver", "-CA", ca, "-CAkey", ca_key)
    server = LogServer(tmp_path / "node", "0.0.0.0", ca)
    await server.start()
    server.update_pod("ADDED", POD)
    await server.open_writer(POD, "main", 0).write(b"2026-01-01T00:00:00Z one\n", final=False)
    path = "/containerLogs/shop/dump-1/main"
    async with connect(server) as stranger:
        with pytest.raises(httpx.TransportError):
            await stranger.get(path)
    async with connect(server, certificate) as client:
        assert (await client.get(path)).text == "one\n"
    await server.close()
    with pytest.raises(InvalidSettings):
        await LogServer(tmp_path / "open", "0.0.0.0").start()
