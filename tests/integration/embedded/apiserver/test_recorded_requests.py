"""Every recorded request gets the recorded status code, reason and message."""

import json
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from kronkeep_daemon.embedded.apiserver import ApiServer

RECORDINGS = Path(__file__).parents[3] / "data" / "recordings"
NAMESPACE = "rec-api-errors"


def requests(name: str) -> list[dict[str, Any]]:
    lines = (RECORDINGS / name).read_text().split("\n")
    return [record for line in lines if line and "request" in (record := json.loads(line))]


def headers(server: ApiServer, request: dict[str, Any]) -> dict[str, str]:
    token = "wrong" if request.get("note") == "unauthorized" else server.admin_token
    other = {"Impersonate-User": "kronkeep"} if request.get("note") == "forbidden" else {}
    return {
        **other,
        "Authorization": f"Bearer {token}",
        "Accept": request.get("accept") or "application/json",
        "Content-Type": request.get("contentType") or "application/json",
    }


def body_of(request: dict[str, Any]) -> Any:
    if request.get("note") == "annotations too large":
        return {"metadata": {"annotations": {"big": "x" * 270_000}}}
    return request.get("body")


async def answer(
    http: aiohttp.ClientSession, server: ApiServer, request: dict[str, Any]
) -> tuple[int, bytes]:
    body = body_of(request)
    data = None if body is None else json.dumps(body)
    url = server.origin + request["path"]
    async with http.request(request["method"], url, data=data, headers=headers(server, request)) as response:
        return response.status, await response.read()


async def test_the_requests_of_api_errors(server: ApiServer) -> None:
    async with aiohttp.ClientSession() as http:
        await answer(
            http,
            server,
            {"method": "POST", "path": "/api/v1/namespaces", "body": {"metadata": {"name": NAMESPACE}}},
        )
        compared = 0
        for record in requests("api-errors.jsonl"):
            request = record["request"]
            expected = record["response"]
            code, raw = await answer(http, server, request)
            assert code == expected["status"], (request, raw[:500])
            if code >= 400:
                found = json.loads(raw)
                for key in ("reason", "message", "code", "status"):
                    assert found[key] == expected["body"][key], request
                assert found.get("details", {}) == (expected["body"].get("details") or {}), request
                compared += 1
        assert compared == 26


async def test_a_watch_from_a_version_that_is_gone(server: ApiServer) -> None:
    record = requests("watch-errors.jsonl")[0]
    async with aiohttp.ClientSession() as http:
        code, raw = await answer(http, server, record["request"])
    assert code == 200
    (line,) = [json.loads(text) for text in raw.splitlines()]
    expected = record["response"]["stream"][0]
    assert line["type"] == "ERROR"
    for key in ("code", "reason", "status", "kind"):
        assert line["object"][key] == expected["object"][key]
    assert line["object"]["message"].startswith("too old resource version: 1 (")


async def test_a_list_at_a_version_not_reached(server: ApiServer) -> None:
    record = requests("watch-errors.jsonl")[1]
    async with aiohttp.ClientSession() as http:
        code, raw = await answer(http, server, record["request"])
    found = json.loads(raw)
    expected = record["response"]["body"]
    assert code == expected["code"]
    assert found["reason"] == expected["reason"]
    assert found["details"] == expected["details"]
    assert found["message"].split(", current")[0] == expected["message"].split(", current")[0]


@pytest.mark.parametrize("name", ["job-success", "job-indexed-parallel", "cronjob-concurrency-forbid"])
async def test_created_objects_get_the_recorded_defaults(server: ApiServer, name: str) -> None:
    async with aiohttp.ClientSession() as http:
        await answer(
            http,
            server,
            {"method": "POST", "path": "/api/v1/namespaces", "body": {"metadata": {"name": f"rec-{name}"}}},
        )
        record = next(r for r in requests(f"{name}.jsonl") if r["request"]["method"] == "POST")
        code, raw = await answer(http, server, record["request"])
    assert code == 201
    assert without_identity(json.loads(raw)) == without_identity(record["response"]["body"])


def without_identity(obj: dict[str, Any]) -> dict[str, Any]:
    uid = obj["metadata"]["uid"]
    plain = json.loads(json.dumps(obj).replace(uid, "UID"))
    for key in ("resourceVersion", "creationTimestamp"):
        plain["metadata"].pop(key)
    return plain
