"""A cluster as a platform has it: objects of its own in each namespace, and pods that cannot reach loopback.

    python -m tests.e2e.platform_cluster KUBECONFIG PROXY_KUBECONFIG ADDRESS

serves the embedded cluster of KUBECONFIG at ADDRESS until it is stopped, puts a platform's objects into each
namespace, again when somebody deletes them, and writes PROXY_KUBECONFIG, by which it is reached.
"""

import asyncio
import logging
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import yaml
from tests.cluster_proxy import ClusterProxy, serve_proxy

from kronkeep_common.clock import SystemClock
from kronkeep_common.errors import KronkeepError
from kronkeep_daemon.kube import paths
from kronkeep_daemon.kube.client import Cluster
from kronkeep_daemon.kube.errors import AlreadyExists
from kronkeep_daemon.kube.objects import JsonObject
from kronkeep_daemon.kube.watch import ListWatch, WholeList

log = logging.getLogger(__name__)
DOCKER_CONFIG = {".dockercfg": "e30="}


def platform_objects(namespace: str) -> list[tuple[str, JsonObject]]:
    """Return what OpenShift and a service mesh put into a namespace, each with the path of its collection."""
    certificate = {"data": {"service-ca.crt": "PEM"}}
    names = ("kube-root-ca.crt", "openshift-service-ca.crt", "istio-ca-root-cert", "team-defaults")
    objects: list[tuple[str, JsonObject]] = [
        (paths.configmaps(namespace), {"metadata": {"name": name}, **certificate}) for name in names
    ]
    for account in ("builder", "deployer"):
        secret = {"metadata": {"name": f"{account}-dockercfg-x7k2p"}, "type": "kubernetes.io/dockercfg"}
        objects.append((paths.secrets(namespace), {**secret, "data": DOCKER_CONFIG}))
        accounts = paths.core("serviceaccounts", namespace, "").rstrip("/")
        objects.append((accounts, {"metadata": {"name": account}}))
    return objects


class PlatformController:
    """Puts a platform's objects into each namespace, and back where one is deleted."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._namespaces: set[str] = set()
        self._changed = asyncio.Event()

    async def run(self) -> None:
        """Run until cancelled."""
        clock = SystemClock()
        watches = [
            ListWatch(
                self._cluster,
                path,
                receiver=WholeList(self._take_list),
                on_event=self._take_event,
                clock=clock,
                kind=JsonObject,
            )
            for path in (paths.namespaces(), paths.configmaps(), paths.secrets())
        ]
        async with asyncio.TaskGroup() as group:
            for watch in watches:
                group.create_task(watch.run())
            group.create_task(self._fill_namespaces())

    def _take_list(self, items: list[JsonObject]) -> None:
        for item in items:
            self._take_event("ADDED", item)

    def _take_event(self, event_type: str, item: JsonObject) -> None:
        namespace = item["metadata"].get("namespace") or item["metadata"]["name"]
        if event_type == "DELETED" or namespace not in self._namespaces:
            self._namespaces.add(namespace)
            self._changed.set()

    async def _fill_namespaces(self) -> None:
        while True:
            await self._changed.wait()
            self._changed.clear()
            for namespace in self._namespaces:
                for path, body in platform_objects(namespace):
                    try:
                        await self._cluster.create(path, body)
                    except AlreadyExists:
                        continue
                    except KronkeepError as fault:
                        log.warning("%s: %s", path, fault)


async def serve(kubeconfig: Path, proxy_kubeconfig: Path, address: str) -> None:
    """Serve until stopped."""
    config = yaml.safe_load(await asyncio.to_thread(kubeconfig.read_text))
    cluster = config["clusters"][0]["cluster"]
    origin, _, token = cluster["server"].rpartition("/")
    _, port = await serve_proxy(ClusterProxy(origin), address)
    cluster["server"] = f"http://{address}:{port}/{token}"
    controller = PlatformController(await Cluster.connect(kubeconfig=kubeconfig))
    await asyncio.to_thread(proxy_kubeconfig.write_text, yaml.safe_dump(config))
    await controller.run()


class PodNetwork(NamedTuple):
    """A network namespace of this machine, and the address of this machine that it reaches."""

    name: str
    host_address: str


@contextmanager
def pod_network(number: int) -> Iterator[PodNetwork]:
    """Create a network in which 127.0.0.1 is not this machine's, until the block ends; needs root.

    `number` is one that no other network of this machine has, below 16,384.
    """
    name = f"kronkeep-{number}"
    link = f"kk{number}"
    prefix = f"10.213.{number // 64}.{number % 64 * 4}"
    host, pods = (f"{prefix.rpartition('.')[0]}.{number % 64 * 4 + last}" for last in (1, 2))
    commands = [
        f"ip netns add {name}",
        f"ip link add {link} type veth peer name eth0 netns {name}",
        f"ip address add {host}/30 dev {link}",
        f"ip link set {link} up",
        f"ip -n {name} address add {pods}/30 dev eth0",
        f"ip -n {name} link set lo up",
        f"ip -n {name} link set eth0 up",
        f"ip -n {name} route add default via {host}",
    ]
    try:
        for command in commands:
            subprocess.run(command.split(" "), check=True, capture_output=True)
        yield PodNetwork(name, host)
    finally:
        subprocess.run(["ip", "netns", "delete", name], check=False, capture_output=True)


if __name__ == "__main__":
    asyncio.run(serve(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3]))
