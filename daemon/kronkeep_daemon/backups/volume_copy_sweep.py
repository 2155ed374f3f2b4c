"""The sweep of volumes that were made for archives and are left: at the start, then every ten minutes."""

import logging

from kronkeep_common.clock import Clock
from kronkeep_common.errors import KronkeepError
from kronkeep_common.states import BACKUP_TRANSITIONS, is_final
from kronkeep_daemon.backups.volume_copies import VolumeCopies
from kronkeep_daemon.cronjobs import CronJobService
from kronkeep_daemon.history import History

log = logging.getLogger(__name__)
PAUSE_SECONDS = 600.0


class VolumeCopySweep:
    """The sweep of the clusters that this daemon acts on."""

    def __init__(
        self, *, cronjobs: CronJobService, copies: VolumeCopies, history: History, clock: Clock
    ) -> None:
        self._cronjobs = cronjobs
        self._copies = copies
        self._history = history
        self._clock = clock

    async def run(self) -> None:
        """Sweep again and again."""
        while True:
            await self._cronjobs.leads.wait_until_leading()
            for recorder in self._cronjobs.recorders.values():
                cluster = recorder.cluster
                if not self._cronjobs.leads.leads(cluster.id):
                    continue
                try:
                    await self._copies.sweep(
                        cluster, recorder.watches.namespaces or (None,), self._is_at_work
                    )
                except KronkeepError as fault:
                    log.warning("volumes left by archives on %s: %s", cluster.name, fault)
            await self._clock.sleep(PAUSE_SECONDS)

    def _is_at_work(self, backup_id: str) -> bool:
        backup = self._history.backups.get(backup_id)
        return backup is not None and not is_final(BACKUP_TRANSITIONS, backup.status)
