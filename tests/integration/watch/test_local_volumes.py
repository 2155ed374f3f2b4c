"""The tests' provisioner of volumes, against a server that has claims and takes volumes."""

import asyncio
import json
from contextlib import suppress
from pathlib import Path

from aiohttp import web
from tests.local_volumes import PREFIX, serve
from tests.waiting import eventually

from kronkeep_daemon.kube.objects import JsonObject

METADATA = {"name": "data", "namespace": "default", "uid": "u1", "resourceVersion": "2"}
SPEC = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
CLAIM = {"metadata": METADATA, "spec": SPEC}
BLOCK = {"metadata": {**METADATA, "name": "raw", "uid": "u2"}, "spec": {**SPEC, "volumeMode": "Block"}}
NODE = {"metadata": {"labels": {"kubernetes.io/hostname": "node-1"}}}


class ClaimServer:
    """Serves two claims and deletes one as soon as its volume is created."""

    def __init__(self) -> None:
        self.volumes: dict[str, JsonObject] = {}
        self.deleted: list[str] = []
        self._created = asyncio.Event()

    async def answer(self, request: web.Request) -> web.StreamResponse:
        plural = request.path.rpartition("/")[2]
        if request.method == "POST":
            volume = await request.json()
            self.volumes[volume["metadata"]["name"]] = volume
            self._created.set()
            return web.json_response(volume, status=201)
        if request.method == "DELETE":
            self.deleted.append(plural)
            return web.json_response({})
        if "watch" in request.query:
            return await self._watch(request)
        items = {"nodes": [NODE], "persistentvolumeclaims": [CLAIM, BLOCK]}.get(plural, [])
        meta = {"resourceVersion": "2", "name": "kube-system", "uid": "c"}
        return web.json_response({"metadata": meta, "items": items})

    async def _watch(self, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "application/json"})
        await response.prepare(request)
        await self._created.wait()
        await response.write(json.dumps({"type": "DELETED", "object": CLAIM}).encode() + b"\n")
        await asyncio.Event().wait()
        return response


async def test_each_claim_gets_a_volume_of_its_mode_until_it_is_deleted(tmp_path: Path) -> None:
    server = ClaimServer()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", server.answer)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    address = f"http://127.0.0.1:{runner.addresses[0][1]}"
    config = {
        "current-context": "c",
        "contexts": [{"name": "c", "context": {"cluster": "c", "user": "c"}}],
        "clusters": [{"name": "c", "cluster": {"server": address}}],
        "users": [{"name": "c", "user": {"token": "x"}}],
    }
    (tmp_path / "kubeconfig").write_text(json.dumps(config))
    task = asyncio.create_task(serve(tmp_path / "kubeconfig", tmp_path / "claims"))

    async def deleted() -> list[str]:
        return server.deleted

    try:
        assert await eventually(deleted, bool, 60) == [f"{PREFIX}u1"]
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
        await runner.cleanup()
    volume, block = server.volumes.values()
    assert [each["spec"]["volumeMode"] for each in (volume, block)] == ["Filesystem", "Block"]
    assert volume["spec"]["local"] == {"path": str(tmp_path / "claims" / "default" / "data")}
    assert (tmp_path / "claims" / "default" / "data").is_dir()
