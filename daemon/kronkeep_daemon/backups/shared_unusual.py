"""Unusual backups that nobody has acknowledged, in a ConfigMap that several daemons share.

They hold the retention of their policies. A daemon that takes over has another history: it records the
backups of its predecessor from their snapshots, which do not say that. So it reads it here.
"""

import logging
from collections.abc import Callable
from functools import partial

import msgspec

from kronkeep_common.clock import Clock
from kronkeep_common.errors import ClusterNotFound, KronkeepError
from kronkeep_common.json_decoding import decode_or_none
from kronkeep_common.models import BackupExecution
from kronkeep_daemon.events import BackupChanged, Bus
from kronkeep_daemon.kube import paths
from kronkeep_daemon.kube.clusters import Clusters
from kronkeep_daemon.kube.errors import AlreadyExists, NotFoundInCluster
from kronkeep_daemon.kube.objects import JsonObject
from kronkeep_daemon.repositories import job_manifests
from kronkeep_daemon.repositories.secret_changes import EncodedData, change_data
from kronkeep_daemon.settings import Settings
from kronkeep_daemon.supervisor import Supervisor

log = logging.getLogger(__name__)
CONFIG_MAP = "kronkeep-unusual-backups"
MOST_SHARED = 1000  # with 500 characters each they are half of what a ConfigMap may have
LONGEST_TEXT = 500
RETRY_SECONDS = 60.0
Words = tuple[str, ...]


class SharedUnusual:
    """The shared backups, in kronkeep's namespace of each backup's cluster."""

    def __init__(
        self,
        *,
        clusters: Clusters,
        bus: Bus,
        clock: Clock,
        settings: Callable[[], Settings],
        supervisor: Supervisor,
    ) -> None:
        self._clusters = clusters
        self._clock = clock
        self._settings = settings
        self._supervisor = supervisor
        bus.subscribe(BackupChanged, self._on_change)

    def _on_change(self, change: BackupChanged) -> None:
        """Write a backup that has become unusual, and remove one that somebody has acknowledged."""
        was_unusual = change.old is not None and change.old.is_unusual
        if was_unusual != change.new.is_unusual:
            name = f"unusual backup {change.new.id} {'on' if change.new.is_unusual else 'off'}"
            if not self._supervisor.running(name):
                self._supervisor.start(name, partial(self._write, change.new), death="quiet")

    async def _write(self, backup: BackupExecution) -> None:
        """Write whether a backup is unusual; what fails is tried again until the daemon stops."""
        while True:
            try:
                await self._change(backup)
            except ClusterNotFound:
                return
            except KronkeepError as fault:
                log.warning("the unusual backup %s is shared later: %s", backup.id, fault)
                await self._clock.sleep(RETRY_SECONDS)
            else:
                return

    async def _change(self, backup: BackupExecution) -> None:
        namespace = self._settings().namespace
        cluster = self._clusters.of(backup.cluster)
        path = paths.configmaps(namespace, CONFIG_MAP)
        change = (
            partial(_with_backup, backup=backup) if backup.is_unusual else partial(_without, key=backup.id)
        )
        try:
            await change_data(cluster, path, change)
        except NotFoundInCluster:
            if not backup.is_unusual:
                return
            body: JsonObject = {
                "apiVersion": "v1",
                "kind": "ConfigMap",
                "metadata": {"name": CONFIG_MAP, "labels": job_manifests.labels_of("unusual")},
                "data": change({}),
            }
            try:
                await cluster.create(paths.configmaps(namespace), body)
            except AlreadyExists:
                await change_data(cluster, path, change)

    async def fetch(self, cluster_id: str) -> dict[str, Words]:
        """Return what is unusual about each shared backup of a cluster; raise what the cluster raises."""
        path = paths.configmaps(self._settings().namespace, CONFIG_MAP)
        try:
            data = (await self._clusters.of(cluster_id).get(path)).get("data") or {}
        except NotFoundInCluster:
            return {}
        decoded = {key: decode_or_none(text.encode(), Words) for key, text in data.items()}
        return {key: words for key, words in decoded.items() if words}


def _with_backup(data: EncodedData, backup: BackupExecution) -> EncodedData:
    """Return the data with a backup; the first ones go where there are too many."""
    words = tuple(word[:LONGEST_TEXT] for word in backup.unusual[:1])
    changed = {**data, backup.id: msgspec.json.encode(words).decode()}
    return dict(list(changed.items())[-MOST_SHARED:])


def _without(data: EncodedData, key: str) -> EncodedData:
    return {each: text for each, text in data.items() if each != key}
