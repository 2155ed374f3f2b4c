"""A small Kubernetes of our own: API server, controllers, node agents; everything over HTTP on loopback."""

import asyncio
from pathlib import Path

from kronkeep_common.clock import Clock, SystemClock
from kronkeep_daemon.embedded.agent import NodeAgent
from kronkeep_daemon.embedded.apiserver import ApiServer
from kronkeep_daemon.embedded.controllers import Controllers
from kronkeep_daemon.kube.client import Cluster
from kronkeep_daemon.supervisor import Supervisor


class EmbeddedCluster:
    """The running parts; `kubeconfig` leads any client to them."""

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
    ) -> "EmbeddedCluster":
        """A cluster whose state is `folder`; what was there before goes on. Raises ToolMissing."""
        clock = clock or SystemClock()
        api = await ApiServer.start(folder / "api", port, clock)
        supervisor.start("embedded store", api.run, death="fatal")
        kubeconfig = folder / "kubeconfig"
        api.write_kubeconfig(kubeconfig)
        cluster = await Cluster.connect(kubeconfig=kubeconfig)
        Controllers(cluster, clock).start(supervisor)
        for number in range(1, nodes + 1):
            agent = NodeAgent(
                cluster=cluster,
                name=f"node-{number}",
                folder=folder / "node",
                clock=clock,
                supervisor=supervisor,
            )
            await agent.start()
        return cls(api, cluster, kubeconfig)

    async def close(self) -> None:
        """Closes the connection and the server; the supervisor's tasks should have been stopped before."""
        await self._cluster.close()
        await self._api.close()


async def run_cluster(folder: Path, port: int, nodes: int = 1) -> None:
    """Serves a cluster alone until cancelled."""
    supervisor = Supervisor(SystemClock())
    embedded = await EmbeddedCluster.start(folder, supervisor=supervisor, port=port, nodes=nodes)
    try:
        await asyncio.Event().wait()
    finally:
        await supervisor.close()
        await embedded.close()
