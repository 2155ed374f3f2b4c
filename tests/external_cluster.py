"""The cluster that the end-to-end tests run on instead of embedded ones, where one is named.

    KRONKEEP_E2E_KUBECONFIG=FILE   any cluster; its namespaces `default` and `kronkeep` are emptied before
                                   each test, so a `default` with foreign objects in it is refused
    KRONKEEP_E2E_NODE_AGENT=1      for a control plane without nodes: this machine becomes its node

Tests that look into claims or have repositories on this machine need the agent and are skipped without it.
One cluster serves one test at a time: run pytest with `-n 0`.
"""

import asyncio
import atexit
import logging
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import ClassVar

import pytest

from kronkeep_common import object_keys
from kronkeep_common.errors import KronkeepError
from kronkeep_daemon.kube import paths
from kronkeep_daemon.kube.client import Cluster
from kronkeep_daemon.kube.errors import AlreadyExists
from kronkeep_daemon.kube.objects import JsonObject

KUBECONFIG = os.environ.get("KRONKEEP_E2E_KUBECONFIG")
NODE_AGENT = os.environ.get("KRONKEEP_E2E_NODE_AGENT") == "1"
log = logging.getLogger(__name__)
NODE_PREFIX = "kronkeep-e2e-"
NODE = f"{NODE_PREFIX}{os.getpid()}"
NAMESPACES = ("default", "kronkeep")
KINDS = (paths.leases, paths.cronjobs, paths.jobs, paths.claims, paths.secrets, paths.configmaps, paths.pods)
LONGEST_EMPTYING = 60.0  # seconds


class NodeAgentProcess:
    """The node agent of this test session; it runs until the session ends."""

    _running: ClassVar["NodeAgentProcess | None"] = None

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix=NODE_PREFIX))
        command = [sys.executable, "-m", "kronkeep_daemon", "node-agent", "--kubeconfig", str(KUBECONFIG)]
        command += ["--name", NODE, "--folder", str(self.folder), "--place"]
        with (self.folder / "agent.log").open("ab") as output:
            self._process = subprocess.Popen(command, stderr=output)
        atexit.register(self._stop)

    def _stop(self) -> None:
        self._process.terminate()
        self._process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)

    @classmethod
    def require(cls) -> "NodeAgentProcess":
        """Return the running agent; skip the test where none is asked for."""
        if not NODE_AGENT:
            pytest.skip("this needs containers on this machine: KRONKEEP_E2E_NODE_AGENT=1")
        if cls._running is None:
            cls._running = cls()
        return cls._running


class _Session:
    """The state of this test session: whether the cluster was checked at its beginning."""

    is_prepared: ClassVar[bool] = False


async def empty_cluster() -> None:
    """Delete everything that earlier tests have left; end the session where an object is foreign."""
    assert KUBECONFIG is not None
    cluster = await Cluster.connect(kubeconfig=Path(KUBECONFIG))
    try:
        if NODE_AGENT:
            agent = NodeAgentProcess.require()
            await asyncio.to_thread(shutil.rmtree, agent.folder / "claims", True)
        await _create_namespace(cluster)
        if not _Session.is_prepared:
            await _refuse_foreign_objects(cluster)
            await _delete_old_nodes(cluster)
            _Session.is_prepared = True
        for namespace in NAMESPACES:
            await _empty_namespace(cluster, namespace)
    finally:
        await cluster.close()


async def _delete_old_nodes(cluster: Cluster) -> None:
    """Delete the nodes of earlier sessions, whose agents have ended."""
    items, _ = await cluster.list(paths.nodes())
    for name in [item["metadata"]["name"] for item in items]:
        if name.startswith(NODE_PREFIX) and name != NODE:
            await cluster.delete(paths.nodes(name))


async def _create_namespace(cluster: Cluster) -> None:
    try:
        body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "kronkeep"}}
        await cluster.create(paths.namespaces(), body)
    except AlreadyExists:
        return


async def _refuse_foreign_objects(cluster: Cluster) -> None:
    for path_of in (paths.cronjobs, paths.jobs):
        items, _ = await cluster.list(path_of("default"))
        for item in items:
            if not _is_ours(item):
                name = item["metadata"]["name"]
                pytest.exit(f"the tests would delete {name} in the namespace default: use another cluster", 2)


def _is_ours(obj: JsonObject) -> bool:
    """Whether kronkeep or a CronJob has created the object."""
    labels = obj["metadata"].get("labels") or {}
    owners = obj["metadata"].get("ownerReferences") or []
    is_managed = labels.get(object_keys.MANAGED_BY_LABEL) == object_keys.MANAGED_BY
    return is_managed or any(owner["kind"] == "CronJob" for owner in owners)


async def _empty_namespace(cluster: Cluster, namespace: str) -> None:
    loop = asyncio.get_running_loop()
    end = loop.time() + LONGEST_EMPTYING
    while remaining := await _list_objects(cluster, namespace):
        for path in remaining:
            try:
                await cluster.delete(path, grace_seconds=0 if "/pods/" in path else None)
            except KronkeepError as fault:
                log.info("%s is not deleted yet: %s", path, fault)
        assert loop.time() < end, remaining
        await asyncio.sleep(0.2)


async def _list_objects(cluster: Cluster, namespace: str) -> list[str]:
    """Return the paths of all objects that Kubernetes itself has not created."""
    object_paths = []
    for path_of in KINDS:
        items, _ = await cluster.list(path_of(namespace))
        for item in items:
            is_root_ca = item["metadata"]["name"] == "kube-root-ca.crt"
            is_account_token = item.get("type") == "kubernetes.io/service-account-token"
            if not is_root_ca and not is_account_token:
                object_paths.append(path_of(namespace, item["metadata"]["name"]))
    return object_paths
