"""Measurement of each cluster's clock; a log line says when one is at fault and when it is right again."""

import logging

from kronkeep_common.errors import KronkeepError
from kronkeep_daemon.kube.client import Cluster
from kronkeep_daemon.kube.clusters import Clusters
from kronkeep_daemon.supervisor import Supervisor

log = logging.getLogger(__name__)
LOOK_SECONDS = 5.0
ANSWER_AGE = 15.0  # seconds after which a cluster that sent no other response is asked for its version


class ClockMonitor:
    """The monitor of the clocks of all clusters."""

    def __init__(self, clusters: Clusters, supervisor: Supervisor) -> None:
        self._clusters = clusters
        self._supervisor = supervisor
        self._faults: dict[str, str] = {}

    def start(self) -> None:
        """Start looking at the clocks."""
        self._supervisor.start("cluster clocks", self._look_forever, death="restart")

    async def _look_forever(self) -> None:
        clock = self._clusters.first.clock
        while True:
            for cluster in self._clusters:
                await self._ask_if_silent(cluster)
                self._log_change(cluster)
            await clock.sleep(LOOK_SECONDS)

    async def _ask_if_silent(self, cluster: Cluster) -> None:
        """Ask a cluster for its version, whose Date header is measured, unless it has just answered."""
        silence = cluster.clock.seconds_since_answer()
        if silence is not None and silence < ANSWER_AGE and cluster.clock.fault() is None:
            return
        try:
            await cluster.server_version()
        except KronkeepError as fault:
            log.debug("the time of cluster %s: %s", cluster.name, fault)

    def _log_change(self, cluster: Cluster) -> None:
        fault = cluster.clock.fault()
        if fault is None:
            if self._faults.pop(cluster.id, None) is not None:
                log.warning("the clock of cluster %s is right again", cluster.name)
        elif cluster.id not in self._faults:
            self._faults[cluster.id] = fault
            log.error("the clock of cluster %s: %s Nothing is removed meanwhile.", cluster.name, fault)
