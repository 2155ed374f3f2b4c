"""Random bodies and queries are accepted or refused, but never answered with a 5xx."""

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


def random_value(chance: random.Random, depth: int = 0) -> Any:
    roll = chance.random()
    if depth > 3 or roll < 0.3:
        return chance.choice([None, 1, -5, "x", "", True, [], {}, 1.5, "2026-01-01"])
    if roll < 0.6:
        return [random_value(chance, depth + 1) for _ in range(chance.randrange(3))]
    return {chance.choice(KEYS): random_value(chance, depth + 1) for _ in range(chance.randrange(5))}


def random_body(chance: random.Random) -> Any:
    if chance.random() < 0.2:
        return random_value(chance)
    return {"metadata": {"name": "x"}} | {key: random_value(chance) for key in chance.sample(KEYS, 3)}


async def test_no_request_is_answered_with_a_server_error(server: ApiServer) -> None:
    chance = random.Random(20261125)
    async with aiohttp.ClientSession() as http:
        for _ in range(REQUESTS):
            method = chance.choice(["POST", "PUT", "PATCH", "DELETE", "GET"])
            path = chance.choice(PATHS) + ("/x" if method != "POST" and chance.random() < 0.8 else "")
            data = None if method == "GET" else json.dumps(random_body(chance))
            headers = {"Content-Type": chance.choice(KINDS)}
            url = f"{server.url}{path}?{chance.choice(QUERIES)}"
            async with http.request(method, url, data=data, headers=headers) as response:
                assert response.status < 500, (method, url, headers, data)
                assert (await response.json())["kind"]
