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
    """Apply the rights as an admin would; return a token of the account that has them.

    What an earlier test has left on an external cluster is replaced, but for the namespace.
    """
    for body in yaml.safe_load_all(RIGHTS.read_text()):
        await create_anew(cluster, body)
    return await request_token(cluster, ACCOUNT)


async def create_anew(cluster: Cluster, body: dict[str, Any]) -> None:
    """Create an object in place of one of its name; a namespace stays as it is."""
    collection = collection_path(body)
    if body["kind"] != "Namespace":
        await cluster.delete(f"{collection}/{body['metadata']['name']}")
    with contextlib.suppress(AlreadyExists):
        await cluster.create(collection, body)


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


async def create_token(kubeconfig: Path) -> str:
    cluster = await Cluster.connect(kubeconfig=kubeconfig)
    try:
        return await create_account(cluster)
    finally:
        await cluster.close()
