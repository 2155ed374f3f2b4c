"""A small Kubernetes cluster inside the daemon: API server, controllers and node agents.

The parts talk to each other over HTTP on loopback, as those of a real cluster do.
"""

import asyncio
from pathlib import Path

from kronkeep_common.clock import Clock, SystemClock
from kronkeep_daemon.embedded.agent import NodeAgent
from kronkeep_daemon.embedded.apiserver import ApiServer
from kronkeep_daemon.embedded.controllers import ControllerManager
from kronkeep_daemon.embedded.folder_driver import FolderDriver
from kronkeep_daemon.kube.client import Cluster
from kronkeep_daemon.supervisor import Supervisor


class EmbeddedCluster:
    """A running cluster; `kubeconfig` is the file by which any client reaches it as its admin."""

    def __init__(self, api: ApiServer, cluster: Cluster, kubeconfig: Path) -> None:
        self._api = api
        self._cluster = cluster
        self.kubeconfig = kubeconfig
        self.url = api.url

    @classmethod
    async def start(
        cls,
        folder: Path,
        *,
        supervisor: Supervisor,
        port: int = 0,
        clock: Clock | None = None,
        nodes: int = 1,
        machine_tools: bool = False,
        start_delay: float = 0.0,
    ) -> "EmbeddedCluster":
        """Return a running cluster whose state is in `folder`; raises ToolMissing.

        Objects of an earlier start are still there; pods that were running then fail. `port` 0 means the port
        of the earlier start, or any free one. With `machine_tools` containers of images that the nodes do not
        have see this machine's own programs; without it such an image cannot be pulled. Each container waits
        `start_delay` seconds before it starts.
        """
        clock = clock or SystemClock()
        api = await ApiServer.start(folder / "api", port, clock)
        supervisor.start("embedded store", api.run, death="fatal")
        kubeconfig = folder / "kubeconfig"
        api.write_kubeconfig(kubeconfig)
        cluster = await Cluster.connect(kubeconfig=kubeconfig)
        ControllerManager(cluster, clock, FolderDriver(folder / "node")).start(supervisor)
        for number in range(1, nodes + 1):
            agent = NodeAgent(
                cluster=cluster,
                name=f"node-{number}",
                folder=folder / "node",
                clock=clock,
                supervisor=supervisor,
                machine_tools=machine_tools,
                start_delay=start_delay,
            )
            await agent.start()
        return cls(api, cluster, kubeconfig)

    async def close(self) -> None:
        """Close the connection and the server; the supervisor's tasks must have been stopped before."""
        await self._cluster.close()
        await self._api.close()


async def run_cluster(
    folder: Path, port: int, nodes: int = 1, *, machine_tools: bool = False, start_delay: float = 0.0
) -> None:
    """Run a cluster by itself until cancelled; raises ToolMissing."""
    supervisor = Supervisor(SystemClock())
    embedded = await EmbeddedCluster.start(
        folder,
        supervisor=supervisor,
        port=port,
        nodes=nodes,
        machine_tools=machine_tools,
        start_delay=start_delay,
    )
    try:
        await asyncio.Event().wait()
    finally:
        await supervisor.close()
        await embedded.close()
