"""What only a kubectl before 1.21 sees: batch/v1beta1, and OpenAPI 2 in protobuf."""

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


async def list_versions(http: aiohttp.ClientSession, server: ApiServer, headers: dict[str, str]) -> list[str]:
    async with http.get(f"{server.url}/apis/batch", headers=headers) as response:
        group: dict[str, Any] = await response.json()
    assert group["preferredVersion"] == group["versions"][0]
    return [entry["version"] for entry in group["versions"]]


async def test_an_old_kubectl_alone_sees_the_old_version(server: ApiServer) -> None:
    async with aiohttp.ClientSession() as http:
        assert await list_versions(http, server, OLD) == ["v1beta1", "v1"]
        assert await list_versions(http, server, NEW) == ["v1"]
        async with http.post(server.url + CRONJOBS, json=BODY, headers=NEW) as response:
            assert response.status == 404
        async with http.post(server.url + CRONJOBS, json=BODY, headers=OLD) as response:
            assert (response.status, (await response.json())["apiVersion"]) == (201, "batch/v1beta1")
        async with http.get(server.url + "/apis/batch/v1/cronjobs", headers=NEW) as response:
            assert [item["metadata"]["name"] for item in (await response.json())["items"]] == ["c"]


def find_messages(data: bytes, *path: int) -> list[bytes]:
    """Return the messages at the end of a path of field numbers."""
    messages = [data]
    for number in path:
        fields = [field for message in messages for field in read_fields(message)]
        messages = [value for n, value in fields if n == number and isinstance(value, bytes)]
    return messages


async def test_the_patch_of_each_kind_names_the_kind_and_takes_dry_runs(server: ApiServer) -> None:
    async with aiohttp.ClientSession() as http, http.get(f"{server.url}/openapi/v2", headers=OLD) as response:
        assert response.headers["Content-Type"].endswith("+protobuf")
        document = await response.read()
    patches = find_messages(document, 8, 2, 2, 8)
    kinds = {
        find_messages(patch, 13, 2, 2)[0].decode(): find_messages(patch, 8, 1, 2, 3, 4) for patch in patches
    }
    assert all(parameters == [b"dryRun"] for parameters in kinds.values())
    assert "group: 'batch'\nkind: CronJob\nversion: v1beta1\n" in kinds
    assert "group: ''\nkind: Secret\nversion: v1\n" in kinds
