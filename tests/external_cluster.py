"""The cluster that the end-to-end tests run against: an embedded one each, or the one that is named.

    KRONKEEP_E2E_KUBECONFIG=FILE   any cluster; its namespaces `default` and `kronkeep` are emptied before
                                   each test, so a `default` with something foreign in it is refused
    KRONKEEP_E2E_NODE_AGENT=1      for a control plane without nodes on this machine: pods run here

Tests that look into claims or keep repositories on this machine need the agent and are skipped without it.
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

import pytest

from kronkeep_common import object_keys
from kronkeep_common.errors import KronkeepError
from kronkeep_daemon.kube import paths
from kronkeep_daemon.kube.client import Cluster
from kronkeep_daemon.kube.errors import AlreadyExists

KUBECONFIG = os.environ.get("KRONKEEP_E2E_KUBECONFIG")
NODE_AGENT = os.environ.get("KRONKEEP_E2E_NODE_AGENT") == "1"
log = logging.getLogger(__name__)
NODE = "kronkeep-e2e-"
NAMESPACES = ("default", "kronkeep")
KINDS = (paths.leases, paths.cronjobs, paths.jobs, paths.claims, paths.secrets, paths.configmaps)
PATIENCE = 60.0


class Node:
    """The node agent of this test session, started once."""

    _started: "Node | None" = None

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="kronkeep-e2e-"))
        command = [sys.executable, "-m", "kronkeep_daemon", "node-agent", "--kubeconfig", str(KUBECONFIG)]
        command += ["--name", f"{NODE}{os.getpid()}", "--folder", str(self.folder), "--place"]
        with (self.folder / "agent.log").open("ab") as log:
            self._process = subprocess.Popen(command, stderr=log)
        atexit.register(self._stop)

    def _stop(self) -> None:
        self._process.terminate()
        self._process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)

    @classmethod
    def started(cls) -> "Node":
        """The agent, where it is asked for."""
        if not NODE_AGENT:
            pytest.skip("this needs containers on this machine: KRONKEEP_E2E_NODE_AGENT=1")
        if cls._started is None:
            cls._started = cls()
        return cls._started


_checked = False


async def emptied() -> None:
    """Leaves nothing of earlier tests in the cluster that is named; fails where something is foreign."""
    global _checked
    assert KUBECONFIG is not None
    cluster = await Cluster.connect(kubeconfig=Path(KUBECONFIG))
    try:
        if NODE_AGENT:
            node = Node.started()
            await asyncio.to_thread(shutil.rmtree, node.folder / "claims", True)
        await _namespace(cluster)
        if not _checked:
            await _refuse_foreign(cluster)
            await _forget_nodes(cluster)
            _checked = True
        for namespace in NAMESPACES:
            await _empty(cluster, namespace)
    finally:
        await cluster.close()


async def _forget_nodes(cluster: Cluster) -> None:
    """Takes away the nodes of earlier sessions, whose agents are gone."""
    items, _ = await cluster.list(paths.nodes())
    names = [item["metadata"]["name"] for item in items]
    for name in names:
        if name.startswith(NODE) and name != f"{NODE}{os.getpid()}":
            await cluster.delete(paths.nodes(name))


async def _namespace(cluster: Cluster) -> None:
    try:
        body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "kronkeep"}}
        await cluster.create(paths.namespaces(), body)
    except AlreadyExists:
        return


async def _refuse_foreign(cluster: Cluster) -> None:
    for kind in (paths.cronjobs, paths.jobs):
        items, _ = await cluster.list(kind("default"))
        for item in items:
            labels = item["metadata"].get("labels") or {}
            owned = any(o["kind"] == "CronJob" for o in item["metadata"].get("ownerReferences") or [])
            if labels.get(object_keys.MANAGED_BY_LABEL) != object_keys.MANAGED_BY and not owned:
                name = item["metadata"]["name"]
                pytest.exit(f"the tests would delete {name} in the namespace default: use another cluster", 2)


async def _empty(cluster: Cluster, namespace: str) -> None:
    loop = asyncio.get_running_loop()
    end = loop.time() + PATIENCE
    while left := await _left(cluster, namespace):
        for path in left:
            try:
                await cluster.delete(path, grace_seconds=0 if "/pods/" in path else None)
            except KronkeepError as fault:
                log.info("%s is not deleted yet: %s", path, fault)
        assert loop.time() < end, left
        await asyncio.sleep(0.2)


async def _left(cluster: Cluster, namespace: str) -> list[str]:
    """Paths of what is still there and was not put there by Kubernetes itself."""
    found = []
    for kind in (*KINDS, paths.pods):
        items, _ = await cluster.list(kind(namespace))
        for item in items:
            ours = item["metadata"]["name"] != "kube-root-ca.crt"
            token = item.get("type") == "kubernetes.io/service-account-token"
            if ours and not token:
                found.append(kind(namespace, item["metadata"]["name"]))
    return found
