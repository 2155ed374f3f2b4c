"""Bodies of every shape and queries of every kind: refused or taken, and never a fault of the server's."""

import json
import random
from typing import Any

import aiohttp

from kronkeep_daemon.embedded.apiserver import ApiServer

REQUESTS = 1500
KEYS = [
    "metadata",
    "spec",
    "name",
    "labels",
    "annotations",
    "schedule",
    "jobTemplate",
    "template",
    "containers",
    "status",
    "conditions",
    "command",
    "ownerReferences",
    "finalizers",
    "restartPolicy",
    "image",
    "env",
    "subjects",
    "roleRef",
    "rules",
    "data",
    "stringData",
    "suspend",
    "volumes",
    "parallelism",
    "selector",
    "resourceVersion",
    "uid",
    "generateName",
]
PATHS = [
    "/api/v1/namespaces/default/pods",
    "/apis/batch/v1/namespaces/default/jobs",
    "/apis/batch/v1/namespaces/default/cronjobs",
    "/api/v1/namespaces/default/secrets",
    "/api/v1/namespaces/default/events",
    "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings",
    "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews",
]
QUERIES = [
    "dryRun=All",
    "limit=x",
    "labelSelector=a%20b",
    "fieldSelector=x",
    "resourceVersion=abc",
    "continue=z",
    "timeoutSeconds=x",
]
KINDS = [
    "application/json",
    "application/merge-patch+json",
    "application/strategic-merge-patch+json",
    "application/json-patch+json",
    "application/apply-patch+yaml",
    "application/vnd.kubernetes.protobuf",
]


def value(chance: random.Random, depth: int = 0) -> Any:
    roll = chance.random()
    if depth > 3 or roll < 0.3:
        return chance.choice([None, 1, -5, "x", "", True, [], {}, 1.5, "2026-01-01"])
    if roll < 0.6:
        return [value(chance, depth + 1) for _ in range(chance.randrange(3))]
    return {chance.choice(KEYS): value(chance, depth + 1) for _ in range(chance.randrange(5))}


def body(chance: random.Random) -> Any:
    if chance.random() < 0.2:
        return value(chance)
    return {"metadata": {"name": "x"}} | {key: value(chance) for key in chance.sample(KEYS, 3)}


async def test_no_request_is_the_servers_fault(server: ApiServer) -> None:
    chance = random.Random(20261125)
    async with aiohttp.ClientSession() as http:
        for _ in range(REQUESTS):
            method = chance.choice(["POST", "PUT", "PATCH", "DELETE", "GET"])
            path = chance.choice(PATHS) + ("/x" if method != "POST" and chance.random() < 0.8 else "")
            sent = None if method == "GET" else json.dumps(body(chance))
            headers = {"Content-Type": chance.choice(KINDS)}
            url = f"{server.url}{path}?{chance.choice(QUERIES)}"
            async with http.request(method, url, data=sent, headers=headers) as answer:
                assert answer.status < 500, (method, url, headers, sent)
                assert (await answer.json())["kind"]
