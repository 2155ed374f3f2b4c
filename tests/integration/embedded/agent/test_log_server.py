"""The node as a real control plane uses it: logs over TLS, the volume that every API server adds."""

import asyncio
import ssl
import stat
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from kronkeep_common.errors import InvalidSettings
from kronkeep_daemon.embedded.agent.log_server import LogServer
from kronkeep_daemon.embedded.agent.volumes import Volumes

STATE: dict[str, Any] = {"name": "main", "state": {"running": {}}}
POD: dict[str, Any] = {
    "metadata": {"namespace": "shop", "name": "dump-1", "uid": "u1"},
    "spec": {"containers": [{"name": "main"}]},
    "status": {"containerStatuses": [STATE]},
}


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[LogServer]:
    found = LogServer(tmp_path, "127.0.0.1")
    await found.start()
    found.saw("ADDED", POD)
    yield found
    await found.close()


def caller(server: LogServer, certificate: tuple[str, str] | None = None) -> httpx.AsyncClient:
    """As kube-apiserver calls a kubelet that it has no CA for."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    if certificate is not None:
        context.load_cert_chain(*certificate)
    return httpx.AsyncClient(base_url=f"https://127.0.0.1:{server.port}", verify=context, trust_env=False)


async def test_a_log_is_served_with_its_options(server: LogServer) -> None:
    await server.sink(POD, "main")(b"2026-01-01T00:00:00Z one\n2026-01-01T00:00:01Z two\n", False)
    async with caller(server) as client:
        path = "/containerLogs/shop/dump-1/main"
        assert (await client.get(path)).text == "one\ntwo\n"
        assert (await client.get(path, params={"tailLines": "1"})).text == "two\n"
        since = {"sinceTime": "2026-01-01T00:00:01Z", "timestamps": "true"}
        assert (await client.get(path, params=since)).text == "2026-01-01T00:00:01Z two\n"
        assert (await client.get("/containerLogs/shop/none/main")).status_code == 404
        assert (await client.get("/containerLogs/shop/dump-1/other")).status_code == 400


async def test_a_follower_gets_every_line_and_the_end(server: LogServer) -> None:
    sink = server.sink(POD, "main")
    async with (
        caller(server) as client,
        client.stream("GET", "/containerLogs/shop/dump-1/main?follow=true") as answer,
    ):
        lines = answer.aiter_lines()
        await sink(b"2026-01-01T00:00:00Z one\n", False)
        assert await anext(lines) == "one"
        await sink(b"2026-01-01T00:00:00Z two\n", True)
        assert [line async for line in lines] == ["two"]


async def test_the_logs_of_a_pod_that_is_gone_go_too(server: LogServer, tmp_path: Path) -> None:
    await server.sink(POD, "main")(b"2026-01-01T00:00:00Z one\n", True)
    server.saw("DELETED", POD)
    assert await asyncio.to_thread(lambda: list((tmp_path / "logs").iterdir())) == []


async def test_the_volume_of_the_service_account_is_made(tmp_path: Path) -> None:
    """kube-apiserver's ServiceAccount admission mounts token, CA and namespace into every pod."""
    sources = [
        {"serviceAccountToken": {"expirationSeconds": 3607, "path": "token"}},
        {"configMap": {"name": "kube-root-ca.crt", "items": [{"key": "ca.crt", "path": "ca.crt"}]}},
        {"downwardAPI": {"items": [{"path": "namespace", "fieldRef": {"fieldPath": "metadata.namespace"}}]}},
    ]
    volume = {"name": "kube-api-access", "projected": {"defaultMode": 420, "sources": sources}}
    pod = {**POD, "spec": {"volumes": [volume]}}

    async def fetch(kind: str, name: str) -> dict[str, Any] | None:
        return {"data": {"ca.crt": "PEM"}} if (kind, name) == ("configmaps", "kube-root-ca.crt") else None

    async def token(seconds: int, audience: str | None) -> str:
        return f"token for {seconds} s"

    volumes = Volumes(folder=tmp_path, pod=pod, fetch=fetch, token=token)
    await volumes.prepare()
    mount = {"name": "kube-api-access", "mountPath": "/var/run/secrets/kubernetes.io/serviceaccount"}
    (made,) = volumes.mounts({"volumeMounts": [mount]})
    files = {path.name: path.read_text() for path in made.source.iterdir()}
    assert files == {"token": "token for 3607 s", "ca.crt": "PEM", "namespace": "shop"}
    assert made.read_only
    assert stat.S_IMODE((made.source / "token").stat().st_mode) == 0o400


async def certified(folder: Path, name: str, *signer: str) -> tuple[str, str]:
    """A certificate and its key, signed by itself or by the signer's."""
    certificate = folder / f"{name}.crt"
    key = folder / f"{name}.key"
    argv = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", f"/CN={name}"]
    argv += ["-keyout", str(key), "-out", str(certificate), *signer]
    done = await asyncio.create_subprocess_exec(*argv, stderr=asyncio.subprocess.DEVNULL)
    assert await done.wait() == 0
    return str(certificate), str(key)


async def test_beyond_loopback_a_caller_needs_the_clusters_certificate(tmp_path: Path) -> None:
    ca, ca_key = await certified(tmp_path, "ca")
    mine = await certified(tmp_path, "apiserver", "-CA", ca, "-CAkey", ca_key)
    server = LogServer(tmp_path / "node", "0.0.0.0", ca)
    await server.start()
    server.saw("ADDED", POD)
    await server.sink(POD, "main")(b"2026-01-01T00:00:00Z one\n", False)
    path = "/containerLogs/shop/dump-1/main"
    async with caller(server) as stranger:
        with pytest.raises(httpx.TransportError):
            await stranger.get(path)
    async with caller(server, mine) as client:
        assert (await client.get(path)).text == "one\n"
    await server.close()
    with pytest.raises(InvalidSettings):
        await LogServer(tmp_path / "open", "0.0.0.0").start()
