"""The making of a morning report from the history and from what is known of the clusters now."""

import asyncio
from collections.abc import Callable, Collection, Sequence
from datetime import datetime, timedelta
from operator import attrgetter
from typing import Any, TypeVar

from kronkeep_common.api import VERSION
from kronkeep_common.clock import Clock
from kronkeep_common.errors import ClusterNotFound
from kronkeep_common.evidence import Period
from kronkeep_common.models import BackupExecution, BackupStorage, CronJob, CronJobExecution, Restore
from kronkeep_common.models.morning_report import MorningReport
from kronkeep_common.morning_report import (
    MOST_LISTED,
    MorningTally,
    is_faulty,
    list_overdue,
    list_storages,
    list_uncovered,
)
from kronkeep_common.record_filter import RecordFilter, parse_filter
from kronkeep_common.states import AlertStatus
from kronkeep_daemon.alerts.inputs import AlertInputs
from kronkeep_daemon.history import History, Records
from kronkeep_daemon.kube.clusters import Clusters
from kronkeep_daemon.kube.watch import WatchState

LOOK_BACK = timedelta(days=7)  # how long before the period a run may have begun that ended in it
MOST_LOOKED_BACK = 20_000  # records of each kind that are read for that
PAGE = 50  # records between two turns of the event loop: about a millisecond
MOST_ALERTS = 10_000
NOT_WATCHED = timedelta(seconds=60)
T = TypeVar("T", CronJobExecution, BackupExecution, Restore)


class ReportBuilder:
    """The builder of morning reports; it keeps nothing from one to the next."""

    def __init__(self, *, inputs: AlertInputs, history: History, clock: Clock, clusters: Clusters) -> None:
        self._inputs = inputs
        self._history = history
        self._clock = clock
        self._clusters = clusters

    async def build(
        self, period: Period, *, filter_text: str, time_zone: str, cluster_ids: Collection[str]
    ) -> MorningReport:
        """Return the report of a period about some clusters.

        filter_text: what it is about; raise InvalidFilter.
        """
        ids = {cluster.name: cluster.id for cluster in self._clusters}
        accepted = parse_filter(filter_text, ids)
        now = self._clock.now()
        tally = await self._count(period, accepted, cluster_ids)
        cronjobs = [
            cronjob
            async for cronjob in self._inputs.cronjobs()
            if self._is_of(cronjob.cluster, cluster_ids) and accepted.matches(cronjob, now)
        ]
        overdue = list_overdue(cronjobs, now)
        uncovered = list_uncovered(
            claim
            for claim in self._inputs.claims()
            if self._is_of(claim.cluster, cluster_ids) and accepted.matches(claim, now)
        )
        faulty = tally.faulty_cronjobs()
        storages = list_storages(self._select_storages(cronjobs, accepted, cluster_ids))
        alerts = self._count_alerts(accepted, cluster_ids)
        sums: dict[str, Any] = dict(tally.sums)
        return MorningReport(
            from_at=period.start,
            to_at=period.end,
            made_at=now,
            version=VERSION,
            time_zone=time_zone,
            filter=filter_text,
            clusters=tuple(name for name, cluster_id in ids.items() if cluster_id in cluster_ids),
            cronjobs=len(cronjobs),
            faulty_total=len(faulty),
            faulty=tuple(faulty[:MOST_LISTED]),
            overdue_total=len(overdue),
            overdue=tuple(overdue[:MOST_LISTED]),
            unusual=tuple(sorted(tally.unusual, key=attrgetter("is_acknowledged"))),
            uncovered_total=len(uncovered),
            uncovered=tuple(uncovered[:MOST_LISTED]),
            claims_unknown=tuple(
                name
                for name, cluster_id in ids.items()
                if cluster_id in cluster_ids and not self._inputs.knows_claims(cluster_id)
            ),
            storages_total=len(storages),
            storages_faulty=sum(map(is_faulty, storages)),
            storages=tuple(storages[:MOST_LISTED]),
            critical_alerts=alerts["critical"],
            warning_alerts=alerts["warning"],
            not_watched=self._list_unwatched(cluster_ids),
            **sums,
        )

    async def _count(
        self, period: Period, accepted: RecordFilter, cluster_ids: Collection[str]
    ) -> MorningTally:
        tally = MorningTally(period)
        history = self._history
        await self._read(history.executions, period, accepted, cluster_ids, tally.add_run)
        await self._read(history.backups, period, accepted, cluster_ids, tally.add_backup)
        await self._read(history.restores, period, accepted, cluster_ids, tally.add_restore)
        return tally

    async def _read(
        self,
        records: Records[T],
        period: Period,
        accepted: RecordFilter,
        cluster_ids: Collection[str],
        add: Callable[[T], None],
    ) -> None:
        """Pass on the records that may have ended in the period, giving way to other tasks in between."""
        now = self._clock.now()
        earlier = 0
        for page in records.pages(PAGE, until=period.end):
            for record in page:
                if self._is_of(record.cluster, cluster_ids) and accepted.matches(record, now):
                    add(record)
            if not page or page[-1].created_at < period.start - LOOK_BACK:
                return
            earlier += sum(record.created_at < period.start for record in page)
            if earlier >= MOST_LOOKED_BACK:
                return
            await asyncio.sleep(0)

    def _select_storages(
        self, cronjobs: Sequence[CronJob], accepted: RecordFilter, cluster_ids: Collection[str]
    ) -> list[BackupStorage]:
        """Return the storages that the filter selects, and those of the CronJobs that it selects."""
        used = {cronjob.policy.storage_id for cronjob in cronjobs if cronjob.policy}
        now = self._clock.now()
        return [
            storage
            for storage in self._inputs.storages()
            if storage.id in used
            or (self._is_of(storage.cluster, cluster_ids) and accepted.matches(storage, now))
        ]

    def _count_alerts(self, accepted: RecordFilter, cluster_ids: Collection[str]) -> dict[str, int]:
        """Count the alerts that have not ended by severity; those of the daemon have no cluster."""
        now = self._clock.now()
        counts = {"critical": 0, "warning": 0}
        for status in (AlertStatus.OPEN, AlertStatus.ACKNOWLEDGED):
            for alert in self._history.alerts.newest(limit=MOST_ALERTS, status=status).items:
                is_here = not alert.cluster or self._is_of(alert.cluster, cluster_ids)
                if is_here and accepted.matches(alert, now):
                    counts[alert.severity] += 1
        return counts

    def _is_of(self, cluster_id: str, cluster_ids: Collection[str]) -> bool:
        """Whether a record is of one of the clusters, or of one that such a cluster stands in for."""
        try:
            return self._clusters.of(cluster_id).id in cluster_ids
        except ClusterNotFound:
            return False

    def _list_unwatched(self, cluster_ids: Collection[str]) -> tuple[str, ...]:
        pending = self._inputs.clusters_not_listed()
        before = self._clock.now() - NOT_WATCHED
        states = self._inputs.watch_states()
        stale = {state.cluster for state in states if _is_stale(state, before)}
        return tuple(
            cluster.name
            for cluster in self._clusters
            if cluster.id in cluster_ids and cluster.id in pending | stale
        )


def _is_stale(state: WatchState, before: datetime) -> bool:
    """Whether a watch has not been live since before a time; one that only reconnects is no news."""
    return state.needed and state.status != "live" and state.since <= before
