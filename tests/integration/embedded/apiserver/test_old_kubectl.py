"""What only a kubectl from before 1.21 is shown: batch/v1beta1, and OpenAPI 2 in protobuf."""

from typing import Any

import aiohttp

from kronkeep_daemon.embedded.apiserver import ApiServer
from kronkeep_daemon.embedded.apiserver.protobuf_wire import read_fields

OLD = {"User-Agent": "kubectl/v1.20.2 (linux/amd64) kubernetes/faecb19"}
NEW = {"User-Agent": "kubectl/v1.37.1 (linux/amd64) kubernetes/0000000"}
CRONJOBS = "/apis/batch/v1beta1/namespaces/default/cronjobs"
POD = {"restartPolicy": "Never", "containers": [{"name": "c", "image": "b"}]}
BODY = {
    "metadata": {"name": "c"},
    "spec": {"schedule": "0 0 29 2 *", "jobTemplate": {"spec": {"template": {"spec": POD}}}},
}


async def versions(http: aiohttp.ClientSession, server: ApiServer, headers: dict[str, str]) -> list[str]:
    async with http.get(f"{server.url}/apis/batch", headers=headers) as answer:
        found: dict[str, Any] = await answer.json()
    assert found["preferredVersion"] == found["versions"][0]
    return [entry["version"] for entry in found["versions"]]


async def test_the_old_version_is_there_for_the_old_alone(server: ApiServer) -> None:
    async with aiohttp.ClientSession() as http:
        assert await versions(http, server, OLD) == ["v1beta1", "v1"]
        assert await versions(http, server, NEW) == ["v1"]
        async with http.post(server.url + CRONJOBS, json=BODY, headers=NEW) as answer:
            assert answer.status == 404
        async with http.post(server.url + CRONJOBS, json=BODY, headers=OLD) as answer:
            assert (answer.status, (await answer.json())["apiVersion"]) == (201, "batch/v1beta1")
        async with http.get(server.url + "/apis/batch/v1/cronjobs", headers=NEW) as answer:
            assert [item["metadata"]["name"] for item in (await answer.json())["items"]] == ["c"]


def within(data: bytes, *way: int) -> list[bytes]:
    """The messages at the end of a way of field numbers."""
    found = [data]
    for number in way:
        found = [
            value
            for raw in found
            for n, value in read_fields(raw)
            if n == number and isinstance(value, bytes)
        ]
    return found


async def test_each_kinds_patch_names_its_kind_and_takes_dry_runs(server: ApiServer) -> None:
    async with aiohttp.ClientSession() as http, http.get(f"{server.url}/openapi/v2", headers=OLD) as answer:
        assert answer.headers["Content-Type"].endswith("+protobuf")
        document = await answer.read()
    patches = within(document, 8, 2, 2, 8)
    kinds = {within(patch, 13, 2, 2)[0].decode(): within(patch, 8, 1, 2, 3, 4) for patch in patches}
    assert all(parameters == [b"dryRun"] for parameters in kinds.values())
    assert "group: 'batch'\nkind: CronJob\nversion: v1beta1\n" in kinds
    assert "group: ''\nkind: Secret\nversion: v1\n" in kinds
