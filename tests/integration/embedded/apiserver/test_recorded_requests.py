"""Every recorded request gets the recorded status code, reason and message."""

import json
from typing import Any

import aiohttp
import pytest
from tests.recordings import read_recording

from kronkeep_daemon.embedded.apiserver import ApiServer

NAMESPACE = "rec-api-errors"


def read_requests(name: str) -> list[dict[str, Any]]:
    return [record for record in read_recording(name) if "request" in record]


def headers_of(server: ApiServer, request: dict[str, Any]) -> dict[str, str]:
    token = "wrong" if request.get("note") == "unauthorized" else server.admin_token
    impersonation = {"Impersonate-User": "kronkeep"} if request.get("note") == "forbidden" else {}
    return {
        **impersonation,
        "Authorization": f"Bearer {token}",
        "Accept": request.get("accept") or "application/json",
        "Content-Type": request.get("contentType") or "application/json",
    }


def body_of(request: dict[str, Any]) -> Any:
    if request.get("note") == "annotations too large":
        return {"metadata": {"annotations": {"big": "x" * 270_000}}}
    return request.get("body")


async def send(http: aiohttp.ClientSession, server: ApiServer, request: dict[str, Any]) -> tuple[int, bytes]:
    body = body_of(request)
    data = None if body is None else json.dumps(body)
    url = server.origin + request["path"]
    async with http.request(
        request["method"], url, data=data, headers=headers_of(server, request)
    ) as response:
        return response.status, await response.read()


async def test_each_recorded_refusal_is_answered_word_for_word(server: ApiServer) -> None:
    async with aiohttp.ClientSession() as http:
        await send(
            http,
            server,
            {"method": "POST", "path": "/api/v1/namespaces", "body": {"metadata": {"name": NAMESPACE}}},
        )
        compared = 0
        for record in read_requests("api-errors"):
            request = record["request"]
            expected = record["response"]
            code, raw = await send(http, server, request)
            assert code == expected["status"], (request, raw[:500])
            if code >= 400:
                body = json.loads(raw)
                for key in ("reason", "message", "code", "status"):
                    assert body[key] == expected["body"][key], request
                assert body.get("details", {}) == (expected["body"].get("details") or {}), request
                compared += 1
        assert compared == 26


async def test_a_watch_from_a_version_that_has_expired(server: ApiServer) -> None:
    record = read_requests("watch-errors")[0]
    async with aiohttp.ClientSession() as http:
        code, raw = await send(http, server, record["request"])
    assert code == 200
    (line,) = [json.loads(text) for text in raw.splitlines()]
    expected = record["response"]["stream"][0]
    assert line["type"] == "ERROR"
    for key in ("code", "reason", "status", "kind"):
        assert line["object"][key] == expected["object"][key]
    assert line["object"]["message"].startswith("too old resource version: 1 (")


async def test_a_list_at_a_version_that_is_not_reached(server: ApiServer) -> None:
    record = read_requests("watch-errors")[1]
    async with aiohttp.ClientSession() as http:
        code, raw = await send(http, server, record["request"])
    body = json.loads(raw)
    expected = record["response"]["body"]
    assert code == expected["code"]
    assert body["reason"] == expected["reason"]
    assert body["details"] == expected["details"]
    assert body["message"].split(", current")[0] == expected["message"].split(", current")[0]


@pytest.mark.parametrize("name", ["job-success", "job-indexed-parallel", "cronjob-concurrency-forbid"])
async def test_created_objects_have_the_recorded_defaults(server: ApiServer, name: str) -> None:
    async with aiohttp.ClientSession() as http:
        await send(
            http,
            server,
            {"method": "POST", "path": "/api/v1/namespaces", "body": {"metadata": {"name": f"rec-{name}"}}},
        )
        record = next(r for r in read_requests(name) if r["request"]["method"] == "POST")
        code, raw = await send(http, server, record["request"])
    assert code == 201
    assert without_identity(json.loads(raw)) == without_identity(record["response"]["body"])


def without_identity(obj: dict[str, Any]) -> dict[str, Any]:
    uid = obj["metadata"]["uid"]
    plain: dict[str, Any] = json.loads(json.dumps(obj).replace(uid, "UID"))
    for key in ("resourceVersion", "creationTimestamp"):
        plain["metadata"].pop(key)
    return plain
