"""What can be restored now: the newest backup of each CronJob and claim, of those that are gone too."""

import asyncio
from collections.abc import AsyncIterator
from operator import attrgetter

from kronkeep_common.errors import NotAllowedNow
from kronkeep_common.models import BackupExecution, CronJob
from kronkeep_common.models.restorable import RestorableBackup
from kronkeep_common.reasons import Reason
from kronkeep_common.states import BackupStatus
from kronkeep_daemon.history import History
from kronkeep_daemon.restores.backup_places import BackupInCopy, BackupPlaces
from kronkeep_daemon.storages.service import StorageService

PAGE = 20  # backups that are read at a time
# A backup that was found in a repository has an unknown outcome until something shows that it is good.
STATUSES = (BackupStatus.SUCCEEDED, BackupStatus.UNKNOWN)


class RestorableBackups:
    """The search for the newest backup of each CronJob that can be restored, good ones first."""

    def __init__(self, *, history: History, places: BackupPlaces, storages: StorageService) -> None:
        self._history = history
        self._places = places
        self._storages = storages

    async def iter(
        self, cronjobs: AsyncIterator[CronJob], namespace: str | None = None
    ) -> AsyncIterator[RestorableBackup]:
        """Yield what can be restored of each CronJob, then of those whose backups are all that is left.

        cronjobs: all that are there, or those of the namespace alone, where one is named; one with a policy
            of which nothing can be restored is yielded too.
        """
        present: set[str] = set()
        carried: set[tuple[str, str, str, str]] = set()
        async for cronjob in cronjobs:
            present.add(cronjob.id)
            place = await self._find_place(cronjob_id=cronjob.id)
            if cronjob.policy is not None:
                # One that was made again under its name, with its policy, has the backups of before.
                carried.add((cronjob.cluster, cronjob.namespace, cronjob.name, cronjob.policy.id))
                place = place or await self._find_place(
                    cluster=cronjob.cluster,
                    namespace=cronjob.namespace,
                    cronjob=cronjob.name,
                    policy_id=cronjob.policy.id,
                )
            if place is not None:
                yield self._describe(place, cronjob)
            elif cronjob.policy is not None:
                yield _describe_nothing(cronjob)
        for cronjob_id in self._history.backups.distinct("cronjob_id"):
            if cronjob_id in present:
                continue
            place = await self._find_place(cronjob_id=cronjob_id, namespace=namespace)
            if place is not None and _carrier_of(place) not in carried:
                yield self._describe(place, None)

    async def _find_place(self, **equal: str | None) -> BackupExecution | None:
        """Return the newest backup with these values that can be restored, good ones first."""
        for status in STATUSES:
            place = await self._find_place_with(status, **equal)
            if place is not None:
                return place
        return None

    async def _find_place_with(self, status: BackupStatus, **equal: str | None) -> BackupExecution | None:
        for page in self._history.backups.pages(PAGE, cursor=None, until=None, status=status, **equal):
            for backup in page:
                place = self._place_of(backup)
                if place is not None:
                    return place
            await asyncio.sleep(0)
        return None

    async def find_newer(self, backup: BackupExecution) -> BackupExecution | None:
        """Return the newest good backup of the CronJob of a backup, where it was made after that."""
        own = await self._find_good(cronjob_id=backup.cronjob_id)
        # One that was made again under its name, with its policy, goes on with the backups of before.
        later = await self._find_good(
            cluster=backup.cluster,
            namespace=backup.namespace,
            cronjob=backup.cronjob,
            policy_id=backup.policy_id,
        )
        good = [each for each in (own, later) if each is not None and each.created_at > backup.created_at]
        return max(good, key=attrgetter("created_at"), default=None)

    async def _find_good(self, **equal: str) -> BackupExecution | None:
        return await self._find_place_with(BackupStatus.SUCCEEDED, **equal)

    def _place_of(self, backup: BackupExecution) -> BackupExecution | None:
        """Return a backup as it is in the place that is read first; None where it cannot be restored."""
        if backup.status is BackupStatus.UNKNOWN and not backup.is_unconfirmed:
            return None
        try:
            place = self._places.list_places(backup.id)[0]
        except NotAllowedNow:
            return None
        is_missing = backup.snapshot_missing_at is not None
        return place if isinstance(place, BackupInCopy) or not is_missing else None

    def _describe(self, place: BackupExecution, cronjob: CronJob | None) -> RestorableBackup:
        return RestorableBackup(
            cluster=place.cluster,
            namespace=place.namespace,
            cronjob=place.cronjob,
            cronjob_id=place.cronjob_id,
            is_there=cronjob is not None,
            policy_id=place.policy_id,
            storage_id=place.storage_id,
            id=place.id,
            created_at=place.created_at,
            verified_at=place.verified_at,
            size_bytes=place.result.bytes_read if place.result is not None else 0,
            is_confirmed=not place.is_unconfirmed,
            is_copy=isinstance(place, BackupInCopy),
            storage_reason=self._explain_storage(place.storage_id),
            expected_seconds=cronjob.expected_restore_seconds if cronjob is not None else None,
        )

    def _explain_storage(self, storage_id: str) -> str | None:
        """Return the reason why a storage cannot be read now, so far as is known; None where it can."""
        storage = self._storages.find(storage_id)
        return storage.away_reason if storage is not None else Reason.STORAGE_UNKNOWN


def _carrier_of(backup: BackupExecution) -> tuple[str, str, str, str]:
    """Return whose the backup is by names, which a CronJob that is made again has too."""
    return backup.cluster, backup.namespace, backup.cronjob, backup.policy_id


def _describe_nothing(cronjob: CronJob) -> RestorableBackup:
    return RestorableBackup(
        cluster=cronjob.cluster,
        namespace=cronjob.namespace,
        cronjob=cronjob.name,
        cronjob_id=cronjob.id,
        policy_id=cronjob.policy.id if cronjob.policy is not None else None,
        storage_id=cronjob.policy.storage_id if cronjob.policy is not None else None,
    )
