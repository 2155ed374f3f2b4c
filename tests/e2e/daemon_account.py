"""The daemon's own account in a cluster, with the rights that systemd/kubernetes grants and no others."""

import contextlib
from pathlib import Path
from typing import Any

import yaml

from kronkeep_daemon.kube.client import Cluster
from kronkeep_daemon.kube.errors import AlreadyExists

RIGHTS = Path(__file__).parents[2] / "systemd" / "kubernetes" / "rights.yaml"
ACCOUNT = "/api/v1/namespaces/kronkeep/serviceaccounts/kronkeepd"


async def create_account(cluster: Cluster) -> str:
    """Apply the rights as an admin would; return a token of the account that has them."""
    for body in yaml.safe_load_all(RIGHTS.read_text()):
        with contextlib.suppress(AlreadyExists):  # the namespace
            await cluster.create(collection_path(body), body)
    return await request_token(cluster, ACCOUNT)


async def request_token(cluster: Cluster, account: str) -> str:
    """Return a token of a service account by its path."""
    request = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}}
    token = await cluster.create(f"{account}/token", request)
    return str(token["status"]["token"])


def collection_path(body: dict[str, Any]) -> str:
    """Return the path of the collection to which an object belongs."""
    base = "/api/v1" if body["apiVersion"] == "v1" else f"/apis/{body['apiVersion']}"
    namespace = body["metadata"].get("namespace")
    scope = f"/namespaces/{namespace}" if namespace else ""
    return f"{base}{scope}/{body['kind'].lower()}s"
