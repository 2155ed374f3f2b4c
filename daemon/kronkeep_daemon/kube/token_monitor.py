"""The search for new tokens: a kubeconfig whose token ends soon is read again, until somebody renewed it."""

import logging
from datetime import timedelta

from kronkeep_common.clock import Clock
from kronkeep_common.errors import KronkeepError
from kronkeep_daemon.kube.client import Cluster
from kronkeep_daemon.kube.clusters import Clusters
from kronkeep_daemon.supervisor import Supervisor

log = logging.getLogger(__name__)
LOOK_SECONDS = 300.0
SOON = timedelta(days=15)


class TokenMonitor:
    """The monitor of the tokens of all clusters."""

    def __init__(self, *, clusters: Clusters, supervisor: Supervisor, clock: Clock) -> None:
        self._clusters = clusters
        self._supervisor = supervisor
        self._clock = clock

    def start(self) -> None:
        """Start looking for new tokens."""
        self._supervisor.start("cluster tokens", self._look_forever, death="restart")

    async def _look_forever(self) -> None:
        while True:
            await self._clock.sleep(LOOK_SECONDS)
            for cluster in self._clusters:
                await self.look(cluster)

    async def look(self, cluster: Cluster) -> None:
        """Read the cluster's credentials again where its token ends soon."""
        end = cluster.token_ends_at
        if end is None or end - self._clock.now() > SOON:
            return
        try:
            await cluster.reload_if_renewed()
        except KronkeepError as fault:
            log.warning(
                "the token of cluster %s ends soon, and no new one can be read: %s", cluster.name, fault
            )
