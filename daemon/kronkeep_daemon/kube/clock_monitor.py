"""Measurement of each cluster's clock; a log line says when one is at fault and when it is right again."""

import asyncio
import logging
from collections.abc import Awaitable, Callable

from kronkeep_common.errors import KronkeepError
from kronkeep_daemon.kube.client import Cluster
from kronkeep_daemon.kube.cluster_clock import SETTLE_SECONDS
from kronkeep_daemon.kube.clusters import Clusters
from kronkeep_daemon.supervisor import Supervisor

log = logging.getLogger(__name__)
LOOK_SECONDS = 5.0
ANSWER_AGE = 15.0  # seconds after which a cluster that sent no other response is asked for its version


class ClockMonitor:
    """The monitor of the clocks of all clusters.

    repair: repairs the records that a clock which was ahead has left. It is called when the time is trusted
    again after a fault, and once after a start when it has been trusted for a while.
    """

    def __init__(
        self, clusters: Clusters, supervisor: Supervisor, repair: Callable[[], Awaitable[object]]
    ) -> None:
        self._clusters = clusters
        self._supervisor = supervisor
        self._repair = repair
        self._faults: dict[str, str] = {}
        self._repair_at: float | None = None

    def start(self) -> None:
        """Start looking at the clocks."""
        self._supervisor.start("cluster clocks", self._look_forever, death="restart")

    async def _look_forever(self) -> None:
        clock = self._clusters.first.clock
        self._repair_at = clock.monotonic() + SETTLE_SECONDS
        while True:
            # At once: one that hangs must not keep the fault of another's clock from being noticed.
            await asyncio.gather(*map(self._ask_if_silent, self._clusters))
            for cluster in self._clusters:
                self._log_change(cluster)
            await self._repair_if_due()
            await clock.sleep(LOOK_SECONDS)

    async def _repair_if_due(self) -> None:
        clock = self._clusters.first.clock
        if self._repair_at is None or clock.monotonic() < self._repair_at:
            return
        if self._clusters.has_trusted_time():
            try:
                await self._repair()
            except KronkeepError as fault:
                log.error("records dated in the future cannot be corrected now: %s", fault)
            else:
                self._repair_at = None

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
            self._repair_at = cluster.clock.monotonic()
            log.error("the clock of cluster %s: %s Nothing is removed meanwhile.", cluster.name, fault)
