"""Which restic the archives' image has, asked once for each image and cluster."""

import logging
from collections.abc import Callable
from typing import NamedTuple

from kronkeep_common.errors import JobNotStarted, NameTaken, StorageFailed
from kronkeep_common.models import BackupPolicySpec
from kronkeep_common.reasons import Reason
from kronkeep_daemon.history.record_ids import new_id
from kronkeep_daemon.jobs.outcome import FinishedJob
from kronkeep_daemon.jobs.runner import JobRunners
from kronkeep_daemon.kube.client import Cluster
from kronkeep_daemon.kube.errors import NotFoundInCluster
from kronkeep_daemon.kube.objects import JsonObject
from kronkeep_daemon.repositories import job_manifests
from kronkeep_daemon.restic import output, requirements, version
from kronkeep_daemon.restic.command_line import complete
from kronkeep_daemon.restic.version import UNKNOWN, ResticVersion
from kronkeep_daemon.settings import ArchiveSettings, Settings

log = logging.getLogger(__name__)
TIMEOUT_SECONDS = 300


class _Installation(NamedTuple):
    """What has a version; each cluster may have a registry of its own, or nodes with other images."""

    cluster_id: str
    image: str
    program: str


class VersionProbe:
    """The versions by cluster and image, each asked for by a Job and then remembered."""

    def __init__(self, *, runners: JobRunners, settings: Callable[[], Settings]) -> None:
        self._runners = runners
        self._settings = settings
        self._versions: dict[_Installation, ResticVersion] = {}

    async def require(self, cluster: Cluster, policy: BackupPolicySpec) -> None:
        """Raise ToolMissing for a policy that the image's restic cannot carry out, or StorageFailed."""
        if requirements.features_of(policy):
            requirements.require(await self.fetch_version(cluster), policy)

    async def fetch_version(self, cluster: Cluster) -> ResticVersion:
        """Return the version in the present image; raise StorageFailed where it cannot be found out."""
        settings = self._settings().archive
        installation = _Installation(cluster.id, settings.image, settings.program)
        if installation not in self._versions:
            self._versions[installation] = await self._fetch_version(cluster, settings)
        return self._versions[installation]

    async def find_version(self, cluster: Cluster) -> ResticVersion:
        """Return the version as `fetch_version` does, or UNKNOWN where it cannot be found out."""
        try:
            return await self.fetch_version(cluster)
        except (StorageFailed, JobNotStarted, NameTaken, NotFoundInCluster) as fault:
            log.warning("cluster %s: %s", cluster.id, fault)
            return UNKNOWN

    async def _fetch_version(self, cluster: Cluster, settings: ArchiveSettings) -> ResticVersion:
        job = await self._runners.on(cluster.id).run(self._build_job(settings))
        log = job.containers[0].log if job.containers else b""
        installed = version.parse(log)
        if installed == UNKNOWN:
            raise StorageFailed(
                f"The version of restic in {settings.image} could not be found out: {_explain(job, log)}",
                next_step="Correct archive.image and archive.program in the settings.",
                reason=Reason.VERSION_UNKNOWN,
            )
        return installed

    def _build_job(self, settings: ArchiveSettings) -> JsonObject:
        name = f"kronkeep-version-{new_id()}"
        container = job_manifests.build_container(
            name="version",
            argv=complete(version.argv(), program=settings.program, options=()),
            environment=[],
            mounts=[],
            settings=settings,
        )
        namespace = self._settings().namespace
        job = job_manifests.build_job(name, namespace, "maintenance", [container], settings)
        job["spec"]["activeDeadlineSeconds"] = TIMEOUT_SECONDS
        return job


def _explain(job: FinishedJob, log: bytes) -> str:
    """Return the last line of the container, or why the Job failed."""
    lines = output.split_lines(log)
    return lines[-1].decode(errors="replace")[:200] if lines else job.message or job.reason
