"""Asks the archives' image which restic it has, once for each image and cluster."""

import secrets
from collections.abc import Callable

from kronkeep_common.errors import StorageFailed
from kronkeep_common.models import BackupPolicySpec
from kronkeep_common.reasons import Reason
from kronkeep_daemon.jobs.runner import JobRunners
from kronkeep_daemon.kube.client import Cluster
from kronkeep_daemon.repositories import job_manifests
from kronkeep_daemon.restic import output, requirements, version
from kronkeep_daemon.restic.command_line import complete
from kronkeep_daemon.restic.version import ResticVersion
from kronkeep_daemon.settings import ArchiveSettings, Settings

SECONDS = 300


class VersionProbe:
    """The versions of restic by cluster, image and program: each cluster has its own registry or nodes."""

    def __init__(self, runners: JobRunners, settings: Callable[[], Settings]) -> None:
        self._runners = runners
        self._settings = settings
        self._known: dict[tuple[str, str, str], ResticVersion] = {}

    async def require(self, cluster: Cluster, policy: BackupPolicySpec) -> None:
        """Raises ToolMissing for a policy that the image's restic cannot carry out, StorageFailed."""
        if requirements.required_features(policy):
            requirements.require(await self.installed_version(cluster), policy)

    async def installed_version(self, cluster: Cluster) -> ResticVersion:
        """The version in the image that is set now; raises StorageFailed where it cannot be asked."""
        settings = self._settings().archive
        key = (cluster.id, settings.image, settings.program)
        if key not in self._known:
            self._known[key] = await self._ask(cluster, settings)
        return self._known[key]

    async def _ask(self, cluster: Cluster, settings: ArchiveSettings) -> ResticVersion:
        namespace = self._settings().namespace
        name = f"kronkeep-version-{secrets.token_hex(3)}"
        step = job_manifests.build_container(
            name="version",
            argv=complete(version.argv(), program=settings.program, options=()),
            environment=[],
            mounts=[],
            settings=settings,
        )
        job = job_manifests.build_job(name, namespace, "maintenance", [step], settings)
        job["spec"]["activeDeadlineSeconds"] = SECONDS
        ended = await self._runners.on(cluster.id).run(job)
        found = version.parse(ended.containers[0].log if ended.containers else b"")
        if found == version.UNKNOWN:
            said = output.split_lines(ended.containers[0].log)[-1:] if ended.containers else []
            raise StorageFailed(
                f"The version of restic in {settings.image} could not be had: "
                f"{said[0].decode(errors='replace')[:200] if said else ended.message or ended.reason}",
                next_step="Correct archive.image and archive.program in the settings.",
                reason=Reason.VERSION_UNKNOWN,
            )
        return found
