"""Jobs on a storage's repository, and the copies of its password and credentials that Jobs need.

A copy is recorded before it is made and forgotten after it is removed, so that a daemon that was killed in
between finds it again: `sweep` removes the copies whose Job has ended or is gone. This needs no right to list
Secrets.
"""

import asyncio
import base64
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from datetime import datetime
from typing import Any
from urllib.parse import quote

from kronkeep_common.clock import Clock
from kronkeep_common.errors import ClusterNotFound, InvalidRequest, KronkeepError, StorageFailed
from kronkeep_common.models import BackupStorage
from kronkeep_common.models.base import Record
from kronkeep_common.reasons import Reason
from kronkeep_common.text import clean
from kronkeep_daemon import storage_kinds
from kronkeep_daemon.history import History, Records
from kronkeep_daemon.jobs.logs import LONG_LOG, LogLimit, OnLine
from kronkeep_daemon.jobs.outcome import FinishedJob
from kronkeep_daemon.jobs.runner import WITHOUT_LIMITS, JobLimits, JobRunners
from kronkeep_daemon.kube import paths
from kronkeep_daemon.kube.client import Cluster
from kronkeep_daemon.kube.clusters import Clusters
from kronkeep_daemon.kube.errors import AlreadyExists, NotFoundInCluster
from kronkeep_daemon.kube.objects import JsonObject
from kronkeep_daemon.repositories import job_manifests, job_names
from kronkeep_daemon.repositories.queue import RepositoryQueues
from kronkeep_daemon.repositories.repository import Repository, repository_of
from kronkeep_daemon.restic import faults
from kronkeep_daemon.restic.faults import Fault
from kronkeep_daemon.settings import Settings

log = logging.getLogger(__name__)
Steps = list[tuple[str, list[str]]]
LONGEST = 86400.0
KILLED = 137  # 128 + SIGKILL: the node went, or its memory was full


class CredentialCopy(Record, frozen=True, kw_only=True):
    """A Secret that was copied for a Job, and in `holds` the repository that it works on alone, if it does.

    `cluster` is empty in records of before there were several.
    """

    id: str
    cluster: str = ""
    namespace: str
    job: str
    holds: str = ""
    created_at: datetime


class RepositoryJobs:
    """Runs Jobs on storages' repositories, each in its storage's own cluster."""

    def __init__(
        self,
        *,
        clusters: Clusters,
        history: History,
        clock: Clock,
        settings: Callable[[], Settings],
        queues: RepositoryQueues,
        runners: JobRunners,
    ) -> None:
        self._clusters = clusters
        self._runners = runners
        self._history = history
        self._copies: Records[CredentialCopy] = Records(history.table("credential_copies"), CredentialCopy)
        self._in_use: set[str] = set()
        self._clock = clock
        self._settings = settings
        self._queues = queues

    def cluster(self, where: BackupStorage | Repository) -> Cluster:
        """Where the Jobs of a storage run; raises ClusterNotFound where it is configured no longer."""
        return self._clusters.of(repository_of(where).storage.cluster)

    def namespace(self, where: BackupStorage | Repository) -> str:
        """Where the Jobs of a storage run: kronkeep's namespace, unless only another can reach it."""
        return storage_kinds.own_namespace(repository_of(where).storage) or self._settings().namespace

    async def run(
        self, name: str, steps: Steps, where: BackupStorage | Repository, seconds: float = LONGEST
    ) -> FinishedJob:
        """One Job from its creation to its end; the caller holds the repository.

        Raises StorageFailed: DeadlineExceeded, with what the pod waits for, after `seconds`, and Interrupted
        where the Job was deleted.
        """
        cluster = self.cluster(where)
        namespace = self.namespace(where)
        manifest = job_manifests.build_repository_job(
            name=name,
            namespace=namespace,
            steps=steps,
            where=where,
            settings=self._settings().archive,
            deadline_seconds=seconds + 60,
        )
        async with self._credentials(where, cluster, namespace, name, holds=repository_of(where).id):
            try:
                async with asyncio.timeout(seconds):
                    return await self._runners.on(cluster.id).run(manifest)
            except NotFoundInCluster as fault:
                raise StorageFailed("The storage's Job was deleted.", reason=Reason.INTERRUPTED) from fault
            except TimeoutError as fault:
                raise await self._too_long(cluster, namespace, name, seconds) from fault

    async def run_job(
        self,
        manifest: JsonObject,
        where: BackupStorage | Repository,
        cluster: Cluster,
        *,
        owner: JsonObject | None = None,
        on_line: OnLine | None = None,
        limits: JobLimits = WITHOUT_LIMITS,
        log_limit: LogLimit = LONG_LOG,
    ) -> FinishedJob:
        """Run a Job that has the repository's password, in any cluster; raise what JobRunner.run raises.

        owner: the owner reference of the copied Secret.
        """
        meta = manifest["metadata"]
        async with self._credentials(where, cluster, meta["namespace"], meta["name"], owner=owner):
            return await self._runners.on(cluster.id).run(
                manifest, on_line=on_line, limits=limits, log_limit=log_limit
            )

    @asynccontextmanager
    async def _credentials(
        self,
        where: BackupStorage | Repository,
        cluster: Cluster,
        namespace: str,
        job: str,
        *,
        owner: JsonObject | None = None,
        holds: str = "",
    ) -> AsyncIterator[None]:
        """Copy password and credentials for a Job, and remove them at the end of the block.

        A block that is cancelled or fails for a while leaves them: the Job may run on and need them. They are
        removed by the next attempt, or by the sweep once the Job has ended.
        """
        await self.copy_credentials(where, cluster, namespace, job, owner, holds=holds)
        try:
            yield
        except BaseException as fault:
            if isinstance(fault, asyncio.CancelledError) or getattr(fault, "retryable", False):
                self._in_use.discard(_copy_id(cluster, namespace, job))
            else:
                await self.remove_credentials(cluster, namespace, job)
            raise
        await self.remove_credentials(cluster, namespace, job)

    def left(self) -> list[CredentialCopy]:
        """The Jobs that an earlier life of the daemon began on repositories that they hold for themselves."""
        return [copy for copy in self._copies.all() if copy.holds and copy.id not in self._in_use]

    async def outlast(self, left: CredentialCopy) -> None:
        """Holds the repository of such a Job until it has ended; raises ClusterNotFound."""
        cluster = self._clusters.of(left.cluster)
        async with self._queues.hold_exclusively(left.holds):
            with suppress(NotFoundInCluster):
                await self._runners.on(cluster.id).wait(left.namespace, left.job)
            await self.remove_credentials(cluster, left.namespace, left.job)

    async def _too_long(self, cluster: Cluster, namespace: str, name: str, seconds: float) -> StorageFailed:
        """The error of a Job that did not end in time; the Job is deleted."""
        runner = self._runners.on(cluster.id)
        why = await runner.explain_waiting(namespace, name)
        await runner.remove(namespace, name)
        words = f"The storage's Job did not end within {seconds:.0f} s" + (f": {why}" if why else ".")
        return StorageFailed(
            words,
            next_step="Correct what the message names, then try again.",
            reason=Reason.DEADLINE_EXCEEDED,
        )

    async def copy_credentials(
        self,
        where: BackupStorage | Repository,
        cluster: Cluster,
        namespace: str,
        job: str,
        owner: JsonObject | None,
        *,
        holds: str = "",
    ) -> None:
        """Puts password and credentials where the Job's pod can have them, until `remove_credentials`."""
        repository = repository_of(where)
        data = await self._data(repository.storage, await self._key(repository))
        record = CredentialCopy(
            id=_copy_id(cluster, namespace, job),
            cluster=cluster.id,
            namespace=namespace,
            job=job,
            holds=holds,
            created_at=self._clock.now(),
        )
        self._in_use.add(record.id)
        self._copies.put(record)
        await self._history.commit()
        body = job_manifests.build_secret(job_names.secret_name(job), namespace, data, owner)
        try:
            await cluster.create(paths.secrets(namespace), body)
        except AlreadyExists:
            return

    async def _key(self, repository: Repository) -> bytes:
        """The password that opens the repository; raises StorageFailed where its Secret or key is gone."""
        if not repository.encrypted:
            return b""
        if repository.key is None:
            return await self.password(repository.storage)
        cluster, namespace, ref = repository.key
        found = await self.secret(self._clusters.of(cluster), ref.secret, namespace)
        if not found.get(ref.key):
            raise StorageFailed(
                f"The Secret {namespace}/{ref.secret} has no key {clean(ref.key, 100)}, or an empty one.",
                next_step="Put the policy's key back; without it its archives cannot be read.",
                reason=Reason.PASSWORD_MISSING,
            )
        return found[ref.key]

    async def _data(self, storage: BackupStorage, password: bytes) -> dict[str, bytes]:
        place = storage_kinds.access_of(storage)
        quoted = storage_kinds.kind_of(storage.kind).url_quoted_keys
        data = {"password": password}
        if not (place.secret_environment or place.secret_files):
            return data
        found = await self.credentials(storage)
        for key in (*place.secret_environment, *place.secret_files):
            if key not in found:
                raise StorageFailed(
                    f"The Secret {storage.credentials} has lost its key {key}.",
                    next_step="Put the key back into the Secret.",
                    reason=Reason.CREDENTIALS_MISSING,
                )
            value = found[key] if key in place.secret_files else found[key].strip()
            data[key] = quote(value, safe="").encode() if key in quoted else value
        return data

    async def remove_credentials(self, cluster: Cluster, namespace: str, job: str) -> None:
        """Removes the copy that belonged to a Job; where the cluster is away, a later sweep does."""
        record_id = _copy_id(cluster, namespace, job)
        self._in_use.discard(record_id)
        try:
            await cluster.delete(paths.secrets(namespace, job_names.secret_name(job)))
        except KronkeepError as fault:
            log.warning("the credentials of the Job %s are removed later: %s", record_id, fault)
            return
        self._copies.remove(record_id)
        self._copies.remove(f"{namespace}/{job}")  # as it was named before there were several clusters
        await self._history.commit()

    async def sweep(self) -> None:
        """Removes the copies that a killed daemon left and whose Job needs them no more."""
        for copy in list(self._copies.all()):
            if copy.id in self._in_use:
                continue
            try:
                cluster = self._clusters.of(copy.cluster) if copy.cluster else self._clusters.first
                needed = await self._runners.on(cluster.id).is_running(copy.namespace, copy.job)
            except ClusterNotFound as gone:
                log.warning("the copy of credentials %s is left where it is: %s", copy.id, gone)
                self._copies.remove(copy.id)
                continue
            except KronkeepError as fault:
                log.warning("the copy of credentials %s is looked at later: %s", copy.id, fault)
                continue
            if not needed and copy.id not in self._in_use:
                await self.remove_credentials(cluster, copy.namespace, copy.job)

    async def password(self, storage: BackupStorage) -> bytes:
        """The repository's password; raises StorageFailed where its Secret or key is gone."""
        found = await self.secret(self.cluster(storage), storage.password.secret)
        if storage.password.key not in found:
            raise StorageFailed(
                f"The Secret {storage.password.secret} has no key {clean(storage.password.key, 100)}.",
                next_step="Put the repository's password back; without it its data cannot be read.",
                reason=Reason.PASSWORD_MISSING,
            )
        return found[storage.password.key]

    async def credentials(self, storage: BackupStorage) -> dict[str, bytes]:
        """The Secret of the storage's credentials, by key; empty where it has none."""
        return await self.secret(self.cluster(storage), storage.credentials) if storage.credentials else {}

    async def secret(self, cluster: Cluster, name: str, namespace: str | None = None) -> dict[str, bytes]:
        """A Secret of kronkeep's or another namespace, by key; raises StorageFailed where it is gone."""
        namespace = namespace or self._settings().namespace
        try:
            found = await cluster.get(paths.secrets(namespace, name))
        except NotFoundInCluster as fault:
            place = self._clusters.title(cluster.id, f"the namespace {namespace}")
            raise StorageFailed(
                f"There is no Secret {clean(name, 100)} in {place}.",
                next_step=f"Make it: kubectl -n {namespace} create secret generic {clean(name, 100)} ...",
                reason=Reason.SECRET_MISSING,
            ) from fault
        return {key: base64.b64decode(value) for key, value in (found.get("data") or {}).items()}

    async def named(self, cluster: Cluster, name: str, field: str) -> dict[str, bytes]:
        """`secret` of a name that somebody wrote; raises InvalidRequest where it is not there."""
        try:
            return await self.secret(cluster, name)
        except StorageFailed as fault:
            raise InvalidRequest(fault.message, next_step=fault.next_step, field=field) from fault

    async def check_keys(
        self, cluster: Cluster, kind: str, settings: Any, name: str | None
    ) -> tuple[str, ...]:
        """The keys of the Secret `name` that the kind knows; raises InvalidRequest where one is missing."""
        needed = storage_kinds.required_keys(kind, settings)
        if name is None:
            if needed:
                raise InvalidRequest(
                    f"A storage of the kind {kind} needs credentials: a Secret with {', '.join(needed)}.",
                    next_step=f"kubectl -n {self._settings().namespace} create secret generic NAME "
                    f"--from-literal={needed[0]}=..., then name it in credentials.",
                    field="credentials",
                )
            return ()
        found = storage_kinds.select_known_keys(kind, await self.named(cluster, name, "credentials"))
        missing = [key for key in needed if key not in found]
        if missing:
            raise InvalidRequest(
                f"The Secret {clean(name, 100)} has no {', '.join(missing)}.", field="credentials"
            )
        return found


def _copy_id(cluster: Cluster, namespace: str, job: str) -> str:
    return f"{cluster.id}/{namespace}/{job}"


def failed(ended: FinishedJob) -> StorageFailed | None:
    """Why a Job on a repository failed, from its first step that did; None where it did not."""
    if ended.complete:
        return None
    step = ended.first_failure
    if step is None or step.exit_code == KILLED:
        words = clean(f"The storage's Job was cut off: {ended.message or ended.reason}", 300)
        return StorageFailed(words, next_step="Try again.", reason=Reason.INTERRUPTED)
    return because(faults.explain(step.exit_code, step.log))


def because(fault: Fault) -> StorageFailed:
    """The error that says what restic's fault is."""
    return StorageFailed(fault.message, next_step=fault.next_step, reason=fault.reason)
