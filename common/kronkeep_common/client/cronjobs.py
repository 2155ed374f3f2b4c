"""CronJobs: create, change, trigger, suspend, delete, and their backup policy."""

from typing import NamedTuple

import msgspec

from kronkeep_common import api
from kronkeep_common.client.connection import Connection, Query, path_part
from kronkeep_common.models import (
    BackupExecution,
    BackupPolicySpec,
    CronJob,
    CronJobCreate,
    CronJobExecution,
    CronJobManifest,
    EnvVar,
    Restore,
)
from kronkeep_common.models.policy import BackupType, Compression


class TaggedSpec(NamedTuple):
    """A CronJob's specification as it was read, and the entity tag of that reading."""

    spec: CronJobCreate
    tag: str


class CronJobCalls:
    """`client.cronjobs`; calls with a CronJob's namespace and name raise CronJobNotFound."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def list(self, namespace: str | None = None, *, filter: str | None = None) -> api.ListOf[CronJob]:
        """Return every CronJob that passes the filter, by namespace and name."""
        query: Query = {"namespace": namespace, "filter": filter}
        return await self._connection.get("/v1/cronjobs", api.ListOf[CronJob], query)

    async def get(self, namespace: str, name: str) -> CronJob:
        """Return the CronJob of a name."""
        return await self._connection.get(_path(namespace, name), CronJob)

    async def create(self, spec: CronJobCreate, *, dry_run: bool = False) -> CronJob:
        """Create a CronJob and, where `spec` has one, its backup policy: both or neither."""
        return await self._connection.post("/v1/cronjobs", CronJob, spec, query=_dry_run(dry_run))

    async def spec(self, namespace: str, name: str) -> CronJobCreate:
        """Return a CronJob's specification, to be changed and given to `replace`; raise NotAllowedNow."""
        return (await self.spec_with_tag(namespace, name)).spec

    async def spec_with_tag(self, namespace: str, name: str) -> TaggedSpec:
        """Return the specification with its entity tag, which `replace` takes as `if_match`."""
        answer = await self._connection.call_tagged("GET", _path(namespace, name, "spec"))
        return TaggedSpec(msgspec.json.decode(answer.body, type=CronJobCreate), answer.tag)

    async def replace(
        self, spec: CronJobCreate, *, dry_run: bool = False, if_match: str | None = None
    ) -> CronJob:
        """Change the CronJob that `spec` names; a `spec` without a policy removes the policy.

        With `if_match`, raise PreconditionFailed where the CronJob has changed since that tag was read.
        """
        path = _path(spec.namespace, spec.name)
        query = _dry_run(dry_run)
        return await self._connection.call("PUT", path, CronJob, spec, query=query, if_match=if_match)

    async def apply(self, manifest: CronJobManifest, *, dry_run: bool = False) -> api.Applied:
        """Create the CronJob of a Kubernetes manifest, or change the fields that the manifest has."""
        query = _dry_run(dry_run)
        return await self._connection.post("/v1/cronjobs/apply", api.Applied, manifest, query=query)

    async def delete(self, namespace: str, name: str, confirm: str) -> None:
        """Delete a CronJob; `confirm` repeats its name."""
        body = api.DeleteRequest(confirm=confirm)
        await self._connection.call("DELETE", _path(namespace, name), object, body)

    async def trigger(
        self, namespace: str, name: str, env: tuple[EnvVar, ...] = (), *, only_if_idle: bool = False
    ) -> CronJobExecution:
        """Run a CronJob now, with `env` added to its containers' variables.

        With `only_if_idle`, raise AlreadyRuns where a run goes on beside which it allows no other.
        """
        body = api.TriggerRequest(env=env, only_if_idle=only_if_idle)
        return await self._connection.post(_path(namespace, name, "trigger"), CronJobExecution, body)

    async def suspend(self, namespace: str, name: str) -> CronJob:
        """Suspend a CronJob: no new runs are started."""
        return await self._connection.post(_path(namespace, name, "suspend"), CronJob)

    async def resume(self, namespace: str, name: str) -> CronJob:
        """Resume a CronJob: it runs again from its next slot on."""
        return await self._connection.post(_path(namespace, name, "resume"), CronJob)

    async def set_policy(
        self, namespace: str, name: str, policy: BackupPolicySpec, *, dry_run: bool = False
    ) -> CronJob:
        """Give a CronJob a backup policy, or change the one it has."""
        query = _dry_run(dry_run)
        return await self._connection.call(
            "PUT", _path(namespace, name, "policy"), CronJob, policy, query=query
        )

    async def remove_policy(self, namespace: str, name: str) -> CronJob:
        """Remove the backup policy; backups and snapshots stay."""
        return await self._connection.call("DELETE", _path(namespace, name, "policy"), CronJob)

    async def back_up(
        self,
        namespace: str,
        name: str,
        *,
        backup_type: BackupType | None = None,
        compression: Compression | None = None,
    ) -> BackupExecution:
        """Archive now what the CronJob's claims hold."""
        body = api.BackupRequest(backup_type=backup_type, compression=compression)
        return await self._connection.post(_path(namespace, name, "backup"), BackupExecution, body)

    async def adopt(
        self, namespace: str, name: str, request: api.AdoptRequest, *, dry_run: bool = False
    ) -> api.Adopted:
        """Make the backups of a policy without a CronJob those of this CronJob's policy, or undo that.

        Raises CronJobNotFound, PolicyNotFound, ConfirmationMissing, Conflict.
        """
        path = _path(namespace, name, "adopt")
        return await self._connection.post(path, api.Adopted, request, query=_dry_run(dry_run))

    async def drill(self, namespace: str, name: str, *, from_copy: str | None = None) -> Restore:
        """Start a drill of a CronJob's policy; raise PolicyNotFound, CopyNotFound.

        from_copy: the storage of the copy that is drilled.
        """
        request = api.DrillRequest(from_copy=from_copy)
        return await self._connection.post(_path(namespace, name, "drill"), Restore, request)


def _path(namespace: str, name: str, verb: str = "") -> str:
    path = f"/v1/cronjobs/{path_part(namespace)}/{path_part(name)}"
    return f"{path}/{verb}" if verb else path


def _dry_run(dry_run: bool) -> Query:
    return {"dry_run": "true"} if dry_run else {}
