"""Alerts, silences and maintenances of a client without a daemon."""

from typing import Any

from kronkeep_common import api
from kronkeep_common.models import CronJob, SilenceView
from kronkeep_common.models.maintenance import MaintenanceView


class CannedAlerts:
    """`client.alerts`; what it is asked is noted."""

    def __init__(self, canned: Any) -> None:
        self._canned = canned

    async def acknowledge(self, alert_id: str) -> CronJob:
        cronjob: CronJob = self._canned.answer("acknowledge", alert_id)
        return cronjob

    async def unacknowledge(self, alert_id: str) -> CronJob:
        cronjob: CronJob = self._canned.answer("unacknowledge", alert_id)
        return cronjob


class CannedSilences:
    """`client.silences`, answered from the lists of a canned client."""

    def __init__(self, canned: Any) -> None:
        self._canned = canned

    async def list(self, *, limit: int) -> api.ListOf[SilenceView]:
        return api.ListOf(items=self._canned.silences_given[:limit])

    async def create(self, filter: str, *, for_seconds: float, because: str) -> SilenceView:
        self._canned.answer("silence", filter, f"{for_seconds:.0f}", because)
        silence: SilenceView = self._canned.silences_given[0]
        return silence

    async def end(self, silence_id: str) -> SilenceView:
        self._canned.answer("end silence", silence_id)
        silence: SilenceView = self._canned.silences_given.pop(0)
        return silence


class CannedMaintenance:
    """`client.maintenance`, answered from the lists of a canned client."""

    def __init__(self, canned: Any) -> None:
        self._canned = canned

    async def list(self, *, limit: int) -> api.ListOf[MaintenanceView]:
        return api.ListOf(items=self._canned.maintenances_given[:limit])

    async def start(
        self, filter: str, *, because: str, for_seconds: float | None = None
    ) -> MaintenanceView | None:
        self._canned.answer("maintenance", filter, str(for_seconds), because)
        return None

    async def end(self, maintenance_id: str) -> MaintenanceView:
        self._canned.answer("end maintenance", maintenance_id)
        maintenance: MaintenanceView = self._canned.maintenances_given.pop(0)
        return maintenance
