"""The cluster that the end-to-end tests run on instead of embedded ones, where one is named.

    KRONKEEP_E2E_KUBECONFIG=FILE   any cluster; its namespaces `default` and `kronkeep` are emptied before
                                   each test, so a `default` with foreign objects in it is refused, unless
                                   tests have emptied it before: then it has the annotation of `EMPTIED`
    KRONKEEP_E2E_NODE_AGENT=1      for a control plane without nodes: this machine becomes its node
    KRONKEEP_E2E_LOCAL_VOLUMES=1   for a cluster whose one node is this machine, with a kubelet: claims become
                                   folders of this machine; the node needs the images of `make images` as
                                   busybox:1.36, :1.37, restic/restic:0.14.0, :newer, :0.19.1 (the newer one)
    KRONKEEP_E2E_NETWORK=NAME      the node's pods run in that network namespace of this machine (ip netns)
    KRONKEEP_E2E_ADDRESS=ADDRESS   where pods reach servers that tests start; by default the address from
                                   which this machine reaches the cluster's nodes

The attacks create the namespaces `shop`, `bank`, `evil` and `meek` and delete them.
Tests that look into claims or have repositories on this machine need one of the two, and are skipped without;
those that need this machine's programs in containers need the agent.
One cluster serves one test at a time: run pytest with `-n 0`.
"""

import asyncio
import atexit
import functools
import json
import logging
import os
import shutil
import socket
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import ClassVar
from urllib.parse import urlsplit

import pytest
import yaml

from kronkeep_common import object_keys
from kronkeep_common.errors import KronkeepError
from kronkeep_daemon.kube import paths
from kronkeep_daemon.kube.client import Cluster
from kronkeep_daemon.kube.errors import AlreadyExists
from kronkeep_daemon.kube.objects import JsonObject

KUBECONFIG = os.environ.get("KRONKEEP_E2E_KUBECONFIG")
NODE_AGENT = os.environ.get("KRONKEEP_E2E_NODE_AGENT") == "1"
LOCAL_VOLUMES = os.environ.get("KRONKEEP_E2E_LOCAL_VOLUMES") == "1"
NETWORK = os.environ.get("KRONKEEP_E2E_NETWORK")
log = logging.getLogger(__name__)
NODE_PREFIX = "kronkeep-e2e-"
NODE = f"{NODE_PREFIX}{os.getpid()}"
NAMESPACES = ("default", "kronkeep")
# Of the section of the cluster: what others have there in other namespaces is not the tests'.
NAMESPACES_SETTING = f"namespaces = {json.dumps([*NAMESPACES, 'shop'])}\n" if KUBECONFIG is not None else ""
KINDS = (paths.leases, paths.cronjobs, paths.jobs, paths.claims, paths.secrets, paths.configmaps, paths.pods)
LONGEST_EMPTYING = 60.0  # seconds
EMPTIED = "kronkeep.dev/emptied-by-tests"
# What platforms put into each namespace, and create again when it is deleted.
PLATFORM_OBJECTS = frozenset({"kube-root-ca.crt", "openshift-service-ca.crt", "istio-ca-root-cert"})
PLATFORM_SECRETS = frozenset({"kubernetes.io/service-account-token", "kubernetes.io/dockercfg"})


class NodeProcess:
    """What makes this machine's folders the claims of the cluster, until this test session ends.

    It is a node agent, or a provisioner of volumes beside a kubelet.
    """

    _running: ClassVar["NodeProcess | None"] = None

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix=NODE_PREFIX))
        self.folder.chmod(0o755)  # archives may run as any user
        with (self.folder / "node.log").open("ab") as output:
            self._process = subprocess.Popen(self._command(), stderr=output)
        atexit.register(self._stop)

    def _command(self) -> list[str]:
        if not NODE_AGENT:
            return [sys.executable, "-m", "tests.local_volumes", str(KUBECONFIG), str(self.claims)]
        command = [sys.executable, "-m", "kronkeep_daemon", "node-agent", "--kubeconfig", str(KUBECONFIG)]
        command += ["--name", NODE, "--folder", str(self.folder), "--place", "--machine-tools"]
        # Not `ip netns exec`, which has a mount namespace too: tests mount file systems for pods.
        return command if NETWORK is None else ["nsenter", f"--net=/run/netns/{NETWORK}", *command]

    def _stop(self) -> None:
        self._process.terminate()
        self._process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)

    @property
    def claims(self) -> Path:
        """The folder that holds the claims as NAMESPACE/NAME."""
        return self.folder / "claims"

    @classmethod
    def require(cls) -> "NodeProcess":
        """Return the running process; skip the test where none is asked for."""
        if not (NODE_AGENT or LOCAL_VOLUMES):
            pytest.skip("this needs claims on this machine: KRONKEEP_E2E_NODE_AGENT=1 or _LOCAL_VOLUMES=1")
        if cls._running is None:
            cls._running = cls()
        return cls._running


def require_machine_tools() -> None:
    """Skip the test where containers cannot see this machine's programs."""
    if not NODE_AGENT:
        pytest.skip("this needs this machine's programs in containers: KRONKEEP_E2E_NODE_AGENT=1")


class _Session:
    """The state of this test session: whether the cluster was checked at its beginning.

    `platform_paths` are the objects that came back when they were deleted, so they are not the tests'.
    """

    is_prepared: ClassVar[bool] = False
    platform_paths: ClassVar[set[str]] = set()


@functools.cache
def find_server_address() -> str:
    """Return the address of this machine at which servers of tests listen, so that pods reach them."""
    chosen = os.environ.get("KRONKEEP_E2E_ADDRESS")
    if chosen or KUBECONFIG is None:
        return chosen or "127.0.0.1"
    with ThreadPoolExecutor(1) as pool:  # a test's own event loop may be running
        node = pool.submit(asyncio.run, _find_node_address(Path(KUBECONFIG))).result()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect((node, 9))  # nothing is sent; the route decides
        return str(probe.getsockname()[0])


async def _find_node_address(kubeconfig: Path) -> str:
    """Return the internal address of a node, or of the API server where the nodes tell none."""
    cluster = await Cluster.connect(kubeconfig=kubeconfig)
    items, _ = await cluster.list(paths.nodes())
    await cluster.close()
    addresses = [entry for item in items for entry in item["status"].get("addresses") or ()]
    internal = [entry["address"] for entry in addresses if entry["type"] == "InternalIP"]
    server = yaml.safe_load(await asyncio.to_thread(kubeconfig.read_text))["clusters"][0]["cluster"]["server"]
    return internal[0] if internal else str(urlsplit(server).hostname)


async def empty_cluster() -> None:
    """Delete everything that earlier tests have left; end the session where an object is foreign."""
    assert KUBECONFIG is not None
    cluster = await Cluster.connect(kubeconfig=Path(KUBECONFIG))
    try:
        if NODE_AGENT or LOCAL_VOLUMES:
            await asyncio.to_thread(shutil.rmtree, NodeProcess.require().claims, True)
        await _create_namespace(cluster)
        if not _Session.is_prepared:
            await _require_emptied(cluster)
            await _delete_old_nodes(cluster)
            _Session.is_prepared = True
        for namespace in NAMESPACES:
            await _empty_namespace(cluster, namespace)
    finally:
        await cluster.close()


async def create_namespace(cluster: Cluster, name: str) -> None:
    """Create a namespace; one that tests have left on the external cluster is deleted before."""
    if KUBECONFIG is not None:
        await _delete_left_namespace(cluster, name)
    metadata = {"name": name, "annotations": {EMPTIED: "true"}}
    await cluster.create(paths.namespaces(), {"metadata": metadata})


async def _delete_left_namespace(cluster: Cluster, name: str) -> None:
    """Delete a namespace that tests have made, and wait until it is gone."""
    present = await _find_namespace(cluster, name)
    if present is None:
        return
    assert EMPTIED in (present["metadata"].get("annotations") or {}), name
    await cluster.delete(paths.namespaces(name))
    loop = asyncio.get_running_loop()
    end = loop.time() + LONGEST_EMPTYING
    while await _find_namespace(cluster, name) is not None:
        assert loop.time() < end, name
        await asyncio.sleep(0.5)


async def _find_namespace(cluster: Cluster, name: str) -> JsonObject | None:
    items, _ = await cluster.list(paths.namespaces())
    return next((item for item in items if item["metadata"]["name"] == name), None)


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


async def _require_emptied(cluster: Cluster) -> None:
    """Refuse foreign objects in `default`; mark it where there are none, as what comes later is of tests."""
    default = await cluster.get(paths.namespaces("default"))
    if EMPTIED in (default["metadata"].get("annotations") or {}):
        return
    await _refuse_foreign_objects(cluster)
    await cluster.patch(paths.namespaces("default"), {"metadata": {"annotations": {EMPTIED: "true"}}})


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
    """Delete all objects but a platform's: those come back, with another uid, and are left alone then."""
    loop = asyncio.get_running_loop()
    end = loop.time() + LONGEST_EMPTYING
    deleted: dict[str, str] = {}
    while remaining := await _list_objects(cluster, namespace):
        for path, uid in remaining.items():
            if deleted.setdefault(path, uid) != uid:
                _Session.platform_paths.add(path)
                continue
            try:
                await cluster.delete(path, grace_seconds=0 if "/pods/" in path else None)
            except KronkeepError as fault:
                log.info("%s is not deleted yet: %s", path, fault)
        assert loop.time() < end, remaining
        await asyncio.sleep(0.2)


async def _list_objects(cluster: Cluster, namespace: str) -> dict[str, str]:
    """Return the paths of all objects that no platform has created, with their uids."""
    uids = {}
    for path_of in KINDS:
        items, _ = await cluster.list(path_of(namespace))
        for item in items:
            path = path_of(namespace, item["metadata"]["name"])
            if not is_of_platform(item) and path not in _Session.platform_paths:
                uids[path] = item["metadata"]["uid"]
    return uids


def is_of_platform(obj: JsonObject) -> bool:
    """Whether an object is one that Kubernetes or a distribution of it puts into each namespace."""
    return obj["metadata"]["name"] in PLATFORM_OBJECTS or obj.get("type") in PLATFORM_SECRETS
