"""The checks of the daemon: socket, disk, history, storages, restic; those of clusters are apart."""

import asyncio
import os
import re
import shutil
import stat
import sys
from collections.abc import Callable, Iterator, Set
from datetime import timedelta
from itertools import chain
from pathlib import Path

from kronkeep_common.api import VERSION, Check
from kronkeep_common.errors import KronkeepError
from kronkeep_common.models.storage import EVERY_NAMESPACE
from kronkeep_common.states import BackupStatus
from kronkeep_common.text import clean, size
from kronkeep_daemon.alerts.history_rules import history_findings
from kronkeep_daemon.backups.orphaned_policies import OrphanedPolicies
from kronkeep_daemon.cronjobs import CronJobService
from kronkeep_daemon.cronjobs.run_recorder import RunRecorder
from kronkeep_daemon.doctor import cluster_checks, leftovers, storage_checks
from kronkeep_daemon.doctor.alert_checks import check_alerts
from kronkeep_daemon.doctor.history_checks import (
    HistoryPace,
    check_growth,
    check_memory,
    read_memory_limit,
    read_used_memory,
)
from kronkeep_daemon.doctor.leftovers import Leftovers
from kronkeep_daemon.doctor.log_checks import check_kept_logs
from kronkeep_daemon.doctor.metrics_checks import check_metrics
from kronkeep_daemon.doctor.pod_security import check_pod_security
from kronkeep_daemon.doctor.schedule_checks import check_schedules
from kronkeep_daemon.doctor.sink_checks import check_sink
from kronkeep_daemon.doctor.volume_copy_checks import check_volume_copies
from kronkeep_daemon.history import History
from kronkeep_daemon.history.facts import LOST_CHANGES
from kronkeep_daemon.history.figure_reader import FigureQuestion, read_figures
from kronkeep_daemon.settings import Settings
from kronkeep_daemon.sinks.service import SinkService
from kronkeep_daemon.storages.service import StorageService

Checks = list[Check]
LEAST_SPACE = 64 * 2**20  # bytes
LITTLE_SPACE = 2**30  # bytes
CLUSTERS_AT_ONCE = 20  # each is asked some thirty questions, one after the other
CRONJOBS_AT_ONCE = 100  # counted between two turns of the event loop


MOST_FORGOTTEN = 1000  # backups and copies of one storage that was deleted that are counted
MOST_UNKNOWN = 10_000  # backups whose end is not known that are looked through


class Doctor:
    """All checks of the daemon and its clusters, and the list of what kronkeep created in them."""

    def __init__(
        self,
        *,
        cronjobs: CronJobService,
        storages: StorageService,
        orphans: OrphanedPolicies,
        history: History,
        settings: Callable[[], Settings],
        sinks: SinkService,
    ) -> None:
        self._sinks = sinks
        self._cronjobs = cronjobs
        self._storages = storages
        self._orphans = orphans
        self._history = history
        self._settings = settings

    async def run_checks(self) -> Checks:
        """Return every check; the clusters are asked for it, which may take seconds."""
        checks = [
            _check_daemon(),
            _check_socket(Path(self._settings().socket)),
            _check_disk(Path(self._settings().state)),
        ]
        checks.append(await self._check_history())
        checks.append(check_growth(await self._measure_pace(), self._settings().history))
        checks.append(check_memory(read_used_memory(), read_memory_limit()))
        checks.append(
            check_kept_logs(
                self._history.logs.usage.by_namespace(),
                self._settings().history,
                self._history.log_removals.recent(self._cronjobs.clusters.first.clock.now()),
            )
        )
        checks += map(check_sink, self._sinks.views())
        checks += [check async for check in check_metrics(self._settings().metrics)]
        checks += await self._check_clusters()
        checks += [check async for check in check_volume_copies(self._cronjobs)]
        checks += self._check_storages()
        storages = self._storages.list()
        checks += storage_checks.check_snapshots(storages, await self._orphans.views())
        checks += storage_checks.check_kits(storages, self._cronjobs.clusters.first.clock.now())
        checks += storage_checks.check_moves(storages)
        checks += storage_checks.check_crowded(storages)
        checks += self._check_forgotten_storages({storage.id for storage in storages})
        by_name = {storage.id: storage for storage in storages}
        checks += storage_checks.check_history_archives(self._settings().history.archive_to, by_name)
        unknown = self._history.backups.newest(limit=MOST_UNKNOWN, status=BackupStatus.UNKNOWN)
        checks += storage_checks.check_recovered(unknown.items)
        by_name = {storage.id: storage for storage in storages}
        checks += storage_checks.check_copies(self._cronjobs.subjects.objects(), by_name)
        checks += check_schedules(self._history.alerts)
        checks.append(self._check_restic())
        checks.append(check_alerts(self._history.alerts))
        return checks

    async def _check_clusters(self) -> Checks:
        """Return the checks of all clusters in their order; they are asked beside each other."""
        own = self._settings().namespace
        turns = asyncio.Semaphore(CLUSTERS_AT_ONCE)

        async def check(recorder: RunRecorder) -> Checks:
            async with turns:
                checks = await cluster_checks.check_cluster(recorder, own)
                if len(checks) > 1:  # it answers
                    user = self._settings().archive.run_as_user
                    places = (
                        own,
                        *recorder.watches.namespaces,
                        *self._list_storage_namespaces(recorder.cluster.id),
                    )
                    checks += [each async for each in check_pod_security(recorder.cluster, places, user)]
                return checks

        each = await asyncio.gather(*map(check, self._cronjobs.recorders.values()))
        return list(chain.from_iterable(each))

    def _list_storage_namespaces(self, cluster_id: str) -> list[str]:
        """Return the namespaces that storages of the cluster name."""
        storages = (each for each in self._storages.list() if each.cluster == cluster_id)
        return [name for each in storages for name in each.namespaces if name != EVERY_NAMESPACE]

    async def list_leftovers(self) -> Leftovers:
        """Return what kronkeep created in the clusters, in the order in which it may be removed."""
        return await leftovers.list_leftovers(self._cronjobs, self._settings().namespace)

    async def _check_history(self) -> Check:
        try:
            await self._history.commit()
        except KronkeepError as fault:
            return Check(name="history", status="fail", message=fault.message, next_step=fault.next_step)
        lost = history_findings(
            self._history.facts.get(LOST_CHANGES), self._cronjobs.clusters.first.clock.now()
        )
        if lost:
            return Check(name="history", status="warn", message=lost[0].message, next_step=lost[0].next_step)
        count = sum(self._history.executions.count().values())
        return Check(name="history", status="ok", message=f"It accepts changes and holds {count} runs.")

    async def _measure_pace(self) -> HistoryPace:
        """Return how fast the history grows, by the figures of the last seven days, fewer where it is new."""
        today = self._cronjobs.clusters.first.clock.now().date()
        question = FigureQuestion(
            by="namespace", first=today - timedelta(days=7), last=today - timedelta(days=1), period="day"
        )
        figures = await read_figures(self._history, question)
        first = min((figure.from_at.date() for figure in figures), default=today)
        return HistoryPace(
            runs=sum(self._history.executions.count().values()),
            bytes=self._history.size_bytes(),
            runs_per_day=sum(figure.runs + figure.missed for figure in figures)
            / max((today - first).days, 1),
            cronjobs=await self._count_cronjobs(),
            free=shutil.disk_usage(self._settings().state).free,
        )

    async def _count_cronjobs(self) -> int:
        """Return how many CronJobs have runs; each is a query, so other tasks run in between."""
        count = 0
        for _ in self._history.executions.distinct("cronjob_id"):
            count += 1
            if count % CRONJOBS_AT_ONCE == 0:
                await asyncio.sleep(0)
        return count

    def _check_forgotten_storages(self, known: Set[str]) -> Iterator[Check]:
        """Yield a warning for each name that is no storage any more, and in which records have snapshots."""
        backups = self._history.backups
        copies = self._history.copies
        for name in sorted({*backups.distinct("storage_id"), *copies.distinct("storage_id")} - known):
            yield from storage_checks.check_forgotten(
                name,
                backups.newest(limit=MOST_FORGOTTEN, storage_id=name).items,
                copies.newest(limit=MOST_FORGOTTEN, storage_id=name).items,
            )

    def _check_storages(self) -> Iterator[Check]:
        storages = self._storages.list()
        if not storages:
            next_step = "Create one with kronkeep storage create, if runs are to be backed up."
            yield Check(name="storages", status="ok", message="There is no storage yet.", next_step=next_step)
        yield from map(storage_checks.check_state, storages)

    def _check_restic(self) -> Check:
        """Check the restic version of the newest backup; before the first, name the image of the settings."""
        image = self._settings().archive.image
        for backup in self._history.backups.newest(limit=50).items:
            if backup.result is not None and backup.result.restic_version:
                return _check_restic_version(backup.result.restic_version, image)
        message = f"There is no backup yet; archive Jobs run {clean(image, 200)}."
        return Check(name="restic", status="ok", message=message)


def _check_restic_version(version: str, image: str) -> Check:
    number = tuple(int(part) for part in version.split(".")[:2] if part.isdigit())
    if number >= (0, 17):
        return Check(name="restic", status="ok", message=f"The last backup ran restic {clean(version, 40)}.")
    message = f"The last backup ran restic {clean(version, 40)}, which has one exit code for most failures"
    if _names_newer(image):
        return Check(
            name="restic",
            status="ok",
            message=f"{message}; archive.image {clean(image, 200)} names a newer one: the nodes have the "
            "older one under that name, as those of the demo do.",
        )
    next_step = f"Use an image of restic 0.17 or later (archive.image is {clean(image, 200)})."
    return Check(name="restic", status="warn", message=f"{message}.", next_step=next_step)


def _names_newer(image: str) -> bool:
    """Whether an image's tag is a version of restic from 0.17 on."""
    match = re.search(r":(\d+)\.(\d+)(\.\d+)?$", image)
    return match is not None and (int(match[1]), int(match[2])) >= (0, 17)


def _check_daemon() -> Check:
    python = ".".join(map(str, sys.version_info[:3]))
    return Check(name="daemon", status="ok", message=f"kronkeepd {VERSION} answers (Python {python}).")


def _check_socket(path: Path) -> Check:
    try:
        mode = stat.S_IMODE(path.stat().st_mode)
    except OSError as fault:
        message = f"{path} cannot be read: {fault.strerror}."
        return Check(
            name="socket", status="warn", message=message, next_step="Check the permissions of its folder."
        )
    if mode & stat.S_IWOTH:
        message = f"Every user of this machine may connect to {path} (mode {mode:04o})."
        return Check(name="socket", status="warn", message=message, next_step="Set SocketMode=0660.")
    return Check(name="socket", status="ok", message=f"{path} has mode {mode:04o}.")


def _check_disk(state: Path) -> Check:
    usage = shutil.disk_usage(state)
    message = f"{size(usage.free)} of {size(usage.total)} are free below {state}."
    next_step = "Free space, or have old runs removed from the history (history.keep_days)."
    if usage.free < LEAST_SPACE or not os.access(state, os.W_OK):
        return Check(name="disk", status="fail", message=message, next_step=next_step)
    if usage.free < LITTLE_SPACE:
        return Check(name="disk", status="warn", message=message, next_step=next_step)
    return Check(name="disk", status="ok", message=message)
