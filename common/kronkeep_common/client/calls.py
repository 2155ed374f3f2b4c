"""Every call of the API as a method, over a transport."""

from collections.abc import AsyncGenerator
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, TypeVar
from urllib.parse import urlencode

import msgspec

from kronkeep_common import api, errors
from kronkeep_common.client.alerts import AlertCalls
from kronkeep_common.client.backups import BackupCalls
from kronkeep_common.client.restores import RestoreCalls
from kronkeep_common.client.transport import Answer, Broken, Refused, Transport, part
from kronkeep_common.json_decoding import decoded
from kronkeep_common.models import (
    BackupExecution,
    BackupPolicySpec,
    BackupStorage,
    BackupStorageChange,
    BackupStorageCreate,
    CronJob,
    CronJobCreate,
    CronJobExecution,
    CronJobManifest,
    EnvVar,
    ScheduleCheckRequest,
    ScheduleVerdict,
    StorageKind,
    StorageUsage,
)
from kronkeep_common.socket_path import check_length, check_server, socket_path

T = TypeVar("T")
EMPTY = api.Empty()


class Tagged(NamedTuple):
    """A CronJob as it was read, and the entity tag of that reading."""

    spec: CronJobCreate
    tag: str


class Client(AlertCalls, BackupCalls, RestoreCalls):
    """An asynchronous client of one socket (the default one without an argument)."""

    def __init__(self, socket: Path | None = None, transport: Transport | None = None) -> None:
        self.socket = socket_path(socket)
        check_length(self.socket)
        self._opened = transport
        self.cluster: str | None = None  # whose CronJobs calls are about, where several have the same

    @property
    def _transport(self) -> Transport:
        """The one given, or one on httpx, imported with the first request: a screen is painted before."""
        if self._opened is None:
            from kronkeep_common.client.loop import LoopTransport

            self._opened = LoopTransport(self.socket)
        return self._opened

    def on(self, cluster: str) -> "Client":
        """The same connection, for calls about the CronJobs of a cluster (its name or id)."""
        found = Client(self.socket, self._transport)
        found.cluster = cluster
        return found

    async def __aenter__(self) -> "Client":
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Closes the connections."""
        if self._opened is not None:
            await self._opened.close()

    async def pause(self, seconds: float) -> None:
        """Waits in the way of this client: on the event loop, or without one."""
        await self._transport.sleep(seconds)

    async def call(
        self,
        method: str,
        path: str,
        answer: type[T],
        body: object = None,
        /,
        *,
        if_match: str | None = None,
        **query: Any,
    ) -> T:
        """One request; `query` values of None are left out."""
        found = await self._answered(method, path, body, if_match, query)
        return msgspec.json.decode(found.body or b"null", type=answer)

    async def _answered(
        self, method: str, path: str, body: object, if_match: str | None, query: dict[str, Any]
    ) -> Answer:
        if api.takes_cluster(method, path):
            query.setdefault("cluster", self.cluster)
        found = await self._sent(method, _target(path, query), body, if_match)
        if found.status >= 400:
            raise _problem(found)
        return found

    async def _sent(
        self, method: str, target: str, body: object = None, if_match: str | None = None
    ) -> Answer:
        content = msgspec.json.encode(body) if body is not None else None
        headers = {"Content-Type": "application/json"} if content is not None else {}
        headers |= {"If-Match": if_match} if if_match is not None else {}
        check_server(self.socket)
        try:
            return await self._transport.request(method, target, content, headers)
        except Broken as fault:
            raise errors.DaemonUnreachable(f"Nobody answers at {self.socket}.") from fault

    async def snapshot(self) -> api.Snapshot:
        """All that a first screen needs."""
        return await self.call("GET", "/v1/snapshot", api.Snapshot)

    async def ready(self) -> api.Ready:
        """How fresh what the daemon shows is."""
        found = await self._sent("GET", "/readyz")
        if found.status not in (200, 503):  # 503 is the answer of a daemon that is not ready
            raise _problem(found)
        return msgspec.json.decode(found.body, type=api.Ready)

    async def cronjobs(self, namespace: str | None = None) -> api.ListOf[CronJob]:
        """Every CronJob, by namespace and name."""
        return await self.call("GET", "/v1/cronjobs", api.ListOf[CronJob], namespace=namespace)

    async def cronjob(self, namespace: str, name: str) -> CronJob:
        """One CronJob; raises CronJobNotFound."""
        return await self.call("GET", _cronjob(namespace, name), CronJob)

    async def create_cronjob(self, spec: CronJobCreate, *, dry_run: bool = False) -> CronJob:
        """Creates a CronJob, with its policy where it has one: both or neither."""
        flag = "true" if dry_run else None
        return await self.call("POST", "/v1/cronjobs", CronJob, spec, dry_run=flag)

    async def cronjob_spec(self, namespace: str, name: str) -> CronJobCreate:
        """A CronJob as it would be written, to be changed and put back; raises NotAllowedNow."""
        return (await self.tagged_spec(namespace, name)).spec

    async def tagged_spec(self, namespace: str, name: str) -> Tagged:
        """A CronJob as it would be written, with the tag by which `replace_cronjob` knows a change."""
        found = await self._answered("GET", f"{_cronjob(namespace, name)}/spec", None, None, {})
        return Tagged(msgspec.json.decode(found.body, type=CronJobCreate), found.tag)

    async def replace_cronjob(
        self, spec: CronJobCreate, *, dry_run: bool = False, if_match: str | None = None
    ) -> CronJob:
        """Makes the CronJob of that name as `spec` says, with its policy or, without one, rid of it.

        With a tag in `if_match` only where it is still what was read: raises PreconditionFailed.
        """
        path = _cronjob(spec.namespace, spec.name)
        flag = "true" if dry_run else None
        return await self.call("PUT", path, CronJob, spec, if_match=if_match, dry_run=flag)

    async def apply_cronjob(self, manifest: CronJobManifest, *, dry_run: bool = False) -> api.Applied:
        """Creates the CronJob of a Kubernetes manifest, or changes what it says of one that is there."""
        flag = "true" if dry_run else None
        return await self.call("POST", "/v1/cronjobs/apply", api.Applied, manifest, dry_run=flag)

    async def manifests(self) -> api.ListOf[api.ManifestFile]:
        """The files of the daemon's manifest folder, and how each stands."""
        return await self.call("GET", "/v1/manifests", api.ListOf[api.ManifestFile])

    async def delete_cronjob(self, namespace: str, name: str, confirm: str) -> None:
        """Deletes a CronJob; `confirm` is its name."""
        body = api.DeleteRequest(confirm=confirm)
        await self.call("DELETE", _cronjob(namespace, name), object, body)

    async def trigger(self, namespace: str, name: str, env: tuple[EnvVar, ...] = ()) -> CronJobExecution:
        """Runs a CronJob now."""
        body = api.TriggerRequest(env=env)
        return await self.call("POST", f"{_cronjob(namespace, name)}/trigger", CronJobExecution, body)

    async def suspend(self, namespace: str, name: str) -> CronJob:
        """Stops new runs."""
        return await self.call("POST", f"{_cronjob(namespace, name)}/suspend", CronJob, api.Empty())

    async def resume(self, namespace: str, name: str) -> CronJob:
        """Allows new runs, from the next slot on."""
        return await self.call("POST", f"{_cronjob(namespace, name)}/resume", CronJob, api.Empty())

    async def set_policy(self, namespace: str, name: str, policy: BackupPolicySpec) -> CronJob:
        """Gives a CronJob a backup policy, or changes the one it has."""
        return await self.call("PUT", f"{_cronjob(namespace, name)}/policy", CronJob, policy)

    async def remove_policy(self, namespace: str, name: str) -> CronJob:
        """Takes the policy away; its history stays."""
        return await self.call("DELETE", f"{_cronjob(namespace, name)}/policy", CronJob)

    async def executions(
        self,
        filter: str | None = None,
        limit: int | None = None,
        cursor: str | None = None,
        cronjob_id: str | None = None,
    ) -> api.ListOf[CronJobExecution]:
        """Runs, newest first."""
        answer = api.ListOf[CronJobExecution]
        return await self.call(
            "GET", "/v1/executions", answer, filter=filter, limit=limit, cursor=cursor, cronjob_id=cronjob_id
        )

    async def execution(self, execution_id: str) -> CronJobExecution:
        """One run; raises ExecutionNotFound."""
        return await self.call("GET", f"/v1/executions/{part(execution_id)}", CronJobExecution)

    async def doctor(self) -> api.ListOf[api.Check]:
        """What the daemon stands on, looked at now, with what to do."""
        return await self.call("GET", "/v1/doctor", api.ListOf[api.Check])

    async def leftovers(self) -> api.ListOf[api.Leftover]:
        """What kronkeep has put into the clusters, with the commands that take it away."""
        return await self.call("GET", "/v1/uninstall", api.ListOf[api.Leftover])

    async def manifest(self, execution_id: str) -> dict[str, Any]:
        """A run's Job as Kubernetes writes it; raises ManifestNotFound."""
        return await self.call("GET", f"/v1/executions/{part(execution_id)}/manifest", dict[str, Any])

    async def told(self, execution_id: str) -> api.ListOf[api.EventView]:
        """What Kubernetes said about a run, oldest first."""
        answer = api.ListOf[api.EventView]
        return await self.call("GET", f"/v1/executions/{part(execution_id)}/events", answer)

    async def cancel_execution(self, execution_id: str) -> CronJobExecution:
        """Stops a run."""
        return await self.call(
            "POST", f"/v1/executions/{part(execution_id)}/cancel", CronJobExecution, api.Empty()
        )

    async def backups(
        self,
        filter: str | None = None,
        limit: int | None = None,
        cursor: str | None = None,
        cronjob_id: str | None = None,
    ) -> api.ListOf[BackupExecution]:
        """Backups, newest first."""
        answer = api.ListOf[BackupExecution]
        return await self.call(
            "GET", "/v1/backups", answer, filter=filter, limit=limit, cursor=cursor, cronjob_id=cronjob_id
        )

    async def storages(self) -> api.ListOf[BackupStorage]:
        """Every storage."""
        return await self.call("GET", "/v1/storages", api.ListOf[BackupStorage])

    async def storage(self, name: str) -> BackupStorage:
        """One storage; raises StorageNotFound."""
        return await self.call("GET", f"/v1/storages/{part(name)}", BackupStorage)

    async def create_storage(self, storage: BackupStorageCreate, *, dry_run: bool = False) -> BackupStorage:
        """Creates a storage and its repository; its state tells when it is active."""
        flag = "true" if dry_run else None
        return await self.call("POST", "/v1/storages", BackupStorage, storage, dry_run=flag)

    async def storage_kinds(self) -> api.ListOf[StorageKind]:
        """The kinds of storages with their fields."""
        return await self.call("GET", "/v1/storages/kinds", api.ListOf[StorageKind])

    async def change_storage(self, name: str, change: BackupStorageChange) -> BackupStorage:
        """Changes who may use a storage and what it may hold."""
        return await self.call("PATCH", f"/v1/storages/{part(name)}", BackupStorage, change)

    async def retry_storage(self, name: str) -> BackupStorage:
        """Tries again to create a storage that failed."""
        return await self.call("POST", f"/v1/storages/{part(name)}/retry", BackupStorage, api.Empty())

    async def storage_usage(self, name: str, limit: int | None = None) -> api.ListOf[StorageUsage]:
        """What a storage held, newest first."""
        answer = api.ListOf[StorageUsage]
        return await self.call("GET", f"/v1/storages/{part(name)}/usage", answer, limit=limit)

    async def test_storage(self, name: str) -> BackupStorage:
        """Opens a storage's repository from the cluster; raises StorageFailed."""
        await self._operate(f"/v1/storages/{part(name)}/test")
        return await self.storage(name)

    async def check_storage(self, name: str) -> BackupStorage:
        """Runs `restic check` on a storage; answers when it has ended."""
        await self._operate(f"/v1/storages/{part(name)}/check")
        return await self.storage(name)

    async def measure_storage(self, name: str) -> BackupStorage:
        """Measures what a storage holds; answers when it has ended."""
        await self._operate(f"/v1/storages/{part(name)}/usage")
        return await self.storage(name)

    async def operation(self, operation_id: str) -> api.Operation:
        """One operation; raises OperationNotFound."""
        return await self.call("GET", f"/v1/operations/{part(operation_id)}", api.Operation)

    async def _operate(self, path: str, body: object = EMPTY) -> api.Operation:
        """Begins an operation and waits for its end; raises what it failed with."""
        begun = await self.call("POST", path, api.Operation, body)
        while begun.status == "running":
            await self.pause(0.2)
            begun = await self.operation(begun.id)
        if begun.status == "failed":
            kind = errors.of_code(begun.reason or errors.Internal.code)
            raise kind(begun.message or "It failed.", next_step=begun.next_step)
        return begun

    async def policies(self, namespace: str | None = None) -> api.ListOf[api.PolicyView]:
        """Every backup policy with the CronJob that carries it."""
        return await self.call("GET", "/v1/policies", api.ListOf[api.PolicyView], namespace=namespace)

    async def audit(self, limit: int | None = None) -> api.ListOf[api.AuditEntry]:
        """Who did what, newest first."""
        return await self.call("GET", "/v1/audit", api.ListOf[api.AuditEntry], limit=limit)

    async def delete_storage(self, name: str, confirm: str) -> None:
        """Forgets a storage that no policy uses; `confirm` is its name."""
        body = api.DeleteRequest(confirm=confirm)
        await self.call("DELETE", f"/v1/storages/{part(name)}", object, body)

    async def check_schedules(self, request: ScheduleCheckRequest) -> ScheduleVerdict:
        """Whether a backup's schedule fits a CronJob's."""
        return await self.call("POST", "/v1/schedules/check", ScheduleVerdict, request)

    async def log(self, execution_id: str, *, follow: bool = False) -> AsyncGenerator[bytes, None]:
        """A run's log, live while its pod is there, else as it was kept; raises LogNotFound."""
        path = f"/v1/executions/{part(execution_id)}/logs"
        async for chunk in self.stream(path, {"follow": "true"} if follow else {}):
            yield chunk

    async def events(
        self, after: int | None = None, *, table: str | None = None, filter: str | None = None
    ) -> AsyncGenerator[api.Event, None]:
        """Every change later than `after` (or than now), for as long as the connection lasts.

        `table` (executions, backups, restores, storages) and `filter` (the lists' grammar) leave others out.
        """
        query = {"table": table, "filter": filter}
        headers = {"Last-Event-ID": str(after)} if after is not None else {}
        rest = b""
        async for chunk in self.stream("/v1/events", query, headers):
            *blocks, rest = (rest + chunk).split(b"\n\n")
            for block in blocks:
                for line in block.split(b"\n"):
                    if line.startswith(b"data: "):
                        yield msgspec.json.decode(line[6:], type=api.Event)

    async def stream(
        self, path: str, query: dict[str, Any], headers: dict[str, str] | None = None
    ) -> AsyncGenerator[bytes, None]:
        """The chunks of an answer that goes on; raises DaemonUnreachable where the connection breaks."""
        check_server(self.socket)
        try:
            async for chunk in self._transport.stream(_target(path, query), headers or {}):
                yield chunk
        except Refused as refused:
            raise _problem(refused.answer) from refused
        except Broken as fault:
            raise errors.DaemonUnreachable(f"The connection to {self.socket} broke.") from fault


def _target(path: str, query: dict[str, Any]) -> str:
    wanted = {key: str(value) for key, value in query.items() if value is not None}
    return f"{path}?{urlencode(wanted)}" if wanted else path


def _cronjob(namespace: str, name: str) -> str:
    return f"/v1/cronjobs/{part(namespace)}/{part(name)}"


def _problem(answer: Answer) -> errors.KronkeepError:
    problem = decoded(answer.body, api.Problem)
    if problem is None:
        return errors.Internal(f"The daemon answered {answer.status} without saying why.")
    kind = errors.of_code(problem.code, problem.status, retryable=problem.retryable)
    error = kind(problem.detail, next_step=problem.next_step)
    error.details = problem.details
    return error
