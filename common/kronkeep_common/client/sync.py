"""The same calls without `await`: no event loop, so that scripts and the command line start fast."""

from collections.abc import AsyncGenerator, Callable, Coroutine, Iterator
from functools import wraps
from pathlib import Path
from typing import Any, Concatenate, Generic, ParamSpec, TypeVar

from kronkeep_common.client.calls import Client
from kronkeep_common.client.transport import BlockingTransport, finished
from kronkeep_common.socket_path import socket_path

P = ParamSpec("P")
T = TypeVar("T")


class _Call(Generic[P, T]):
    """One of Client's methods, run to its end."""

    def __init__(self, method: Callable[Concatenate[Client, P], Coroutine[Any, Any, T]]) -> None:
        self._method = method

    def __get__(self, instance: "SyncClient", owner: type["SyncClient"]) -> Callable[P, T]:
        @wraps(self._method)
        def call(*args: P.args, **named: P.kwargs) -> T:
            return finished(self._method(instance.client, *args, **named))

        return call


class _Stream(Generic[P, T]):
    """One of Client's streams, item by item; blocks until the next one comes."""

    def __init__(self, method: Callable[Concatenate[Client, P], AsyncGenerator[T, None]]) -> None:
        self._method = method

    def __get__(self, instance: "SyncClient", owner: type["SyncClient"]) -> Callable[P, Iterator[T]]:
        @wraps(self._method)
        def items(*args: P.args, **named: P.kwargs) -> Iterator[T]:
            source = self._method(instance.client, *args, **named)
            try:
                while True:
                    yield finished(_next(source))
            except StopAsyncIteration:
                return
            finally:
                finished(source.aclose())

        return items


async def _next(source: AsyncGenerator[T, None]) -> T:
    return await anext(source)


class SyncClient:
    """A client of one socket (the default one without an argument), one connection a call."""

    def __init__(self, socket: Path | None = None) -> None:
        self.client = Client(socket, BlockingTransport(socket_path(socket)))

    snapshot = _Call(Client.snapshot)
    ready = _Call(Client.ready)
    cronjobs = _Call(Client.cronjobs)
    cronjob = _Call(Client.cronjob)
    create_cronjob = _Call(Client.create_cronjob)
    cronjob_spec = _Call(Client.cronjob_spec)
    tagged_spec = _Call(Client.tagged_spec)
    replace_cronjob = _Call(Client.replace_cronjob)
    apply_cronjob = _Call(Client.apply_cronjob)
    manifests = _Call(Client.manifests)
    delete_cronjob = _Call(Client.delete_cronjob)
    trigger = _Call(Client.trigger)
    suspend = _Call(Client.suspend)
    resume = _Call(Client.resume)
    set_policy = _Call(Client.set_policy)
    remove_policy = _Call(Client.remove_policy)
    back_up = _Call(Client.back_up)
    executions = _Call(Client.executions)
    execution = _Call(Client.execution)
    doctor = _Call(Client.doctor)
    leftovers = _Call(Client.leftovers)
    manifest = _Call(Client.manifest)
    told = _Call(Client.told)
    cancel_execution = _Call(Client.cancel_execution)
    backups = _Call(Client.backups)
    backup = _Call(Client.backup)
    cancel_backup = _Call(Client.cancel_backup)
    storages = _Call(Client.storages)
    storage = _Call(Client.storage)
    create_storage = _Call(Client.create_storage)
    storage_kinds = _Call(Client.storage_kinds)
    change_storage = _Call(Client.change_storage)
    retry_storage = _Call(Client.retry_storage)
    storage_usage = _Call(Client.storage_usage)
    test_storage = _Call(Client.test_storage)
    check_storage = _Call(Client.check_storage)
    measure_storage = _Call(Client.measure_storage)
    operation = _Call(Client.operation)
    policies = _Call(Client.policies)
    audit = _Call(Client.audit)
    delete_storage = _Call(Client.delete_storage)
    check_schedules = _Call(Client.check_schedules)
    files = _Call(Client.files)
    plan_restore = _Call(Client.plan_restore)
    restore = _Call(Client.restore)
    verify = _Call(Client.verify)
    drill = _Call(Client.drill)
    restores = _Call(Client.restores)
    get_restore = _Call(Client.get_restore)
    cancel_restore = _Call(Client.cancel_restore)
    download = _Stream(Client.download)
    pin_backup = _Call(Client.pin_backup)
    retention = _Call(Client.retention)
    try_retention = _Call(Client.try_retention)
    apply_retention = _Call(Client.apply_retention)
    approve_retention = _Call(Client.approve_retention)
    prune_storage = _Call(Client.prune_storage)
    alerts = _Call(Client.alerts)
    alert = _Call(Client.alert)
    acknowledge = _Call(Client.acknowledge)
    log = _Stream(Client.log)
    backup_log = _Stream(Client.backup_log)
    restore_log = _Stream(Client.restore_log)
    events = _Stream(Client.events)
