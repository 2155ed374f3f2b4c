"""Predictions of how long restores will take, from the restores, drills and verifications in the history."""

from typing import NamedTuple

from kronkeep_common.clock import Clock
from kronkeep_common.models import Restore
from kronkeep_common.states import BackupStatus, RestoreStatus
from kronkeep_daemon.history import CronJobMemo, History
from kronkeep_daemon.restores.duration_rules import RestoreTime, predict_seconds

RECENT = 10  # restores of a CronJob that count: storages and networks change
RECENT_OF_STORAGE = 50
READ = 100  # ended restores in which those are looked for
STORAGE_SECONDS = 60.0  # for which the restores of a storage are remembered


class BackupSize(NamedTuple):
    """How much a backup restores, and from where."""

    storage_id: str
    files: int
    bytes: int


class RestorePredictor:
    """Predictor of restores: from those of the same CronJob, else from others out of the same storage."""

    def __init__(self, history: History, clock: Clock) -> None:
        self._history = history
        self._clock = clock
        self._newest_good = CronJobMemo(self._read_newest_good, history.backups)
        self._own_times = CronJobMemo(self._read_own_times, history.restores)
        self._storage_times: dict[str, tuple[float, list[RestoreTime]]] = {}

    def predict_newest(self, cronjob_id: str) -> float | None:
        """Return in how many seconds the newest good backup of a CronJob would be restored."""
        size = self._newest_good(cronjob_id)
        return self.predict(cronjob_id, size) if size is not None else None

    def predict(self, cronjob_id: str, size: BackupSize) -> float | None:
        """Return in how many seconds so much would be restored; None where nothing was restored yet."""
        own = self._own_times(cronjob_id).get(size.storage_id)
        times = own or self._times_of_storage(size.storage_id)
        seconds = predict_seconds(times, size.files, size.bytes)
        return round(seconds, 1) if seconds is not None else None

    def _read_newest_good(self, cronjob_id: str) -> BackupSize | None:
        backups = self._history.backups.newest(
            limit=20, cronjob_id=cronjob_id, status=BackupStatus.SUCCEEDED
        ).items
        newest = next((backup for backup in backups if backup.snapshot_state == "present"), None)
        if newest is None or newest.result is None:
            return None
        result = newest.result
        return BackupSize(newest.storage_id, result.files_total, result.bytes_read)

    def _read_own_times(self, cronjob_id: str) -> dict[str, list[RestoreTime]]:
        """Return the newest restores of a CronJob by the storage that they read."""
        restores = self._history.restores.newest(
            limit=READ, cronjob_id=cronjob_id, status=RestoreStatus.COMPLETED
        ).items
        times: dict[str, list[RestoreTime]] = {}
        for restore in restores:
            time = time_of(restore)
            of_storage = times.setdefault(restore.storage_id, [])
            if time is not None and len(of_storage) < RECENT:
                of_storage.append(time)
        return times

    def _times_of_storage(self, storage_id: str) -> list[RestoreTime]:
        now = self._clock.monotonic()
        remembered = self._storage_times.get(storage_id)
        if remembered is not None and now - remembered[0] < STORAGE_SECONDS:
            return remembered[1]
        restores = self._history.restores.newest(limit=READ, storage_id=storage_id).items
        times = [time for restore in restores if (time := time_of(restore)) is not None][:RECENT_OF_STORAGE]
        self._storage_times[storage_id] = (now, times)
        return times


def time_of(restore: Restore) -> RestoreTime | None:
    """Return how long a restore took that restored everything; None for any other."""
    seconds = restore.restore_seconds
    if restore.status is not RestoreStatus.COMPLETED or seconds is None or restore.files_total is None:
        return None
    return RestoreTime(restore.files_total, restore.bytes_total or 0, seconds)
