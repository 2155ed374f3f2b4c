"""The blocking client: the same calls without `await` and without an event loop, so that scripts start fast.

Each class here lists the methods of an asynchronous class and runs them to their end.
"""

from collections.abc import AsyncGenerator, Callable, Coroutine, Iterator
from functools import wraps
from pathlib import Path
from typing import Concatenate, Generic, ParamSpec, TypeVar

from kronkeep_common.client.alerts import AlertCalls, SilenceCalls
from kronkeep_common.client.backups import BackupCalls
from kronkeep_common.client.blocking_transport import BlockingTransport, run_without_loop
from kronkeep_common.client.client import Client
from kronkeep_common.client.copies import CopyCalls
from kronkeep_common.client.cronjobs import CronJobCalls
from kronkeep_common.client.figures import FigureCalls
from kronkeep_common.client.maintenance import MaintenanceCalls
from kronkeep_common.client.operations import OperationCalls
from kronkeep_common.client.policies import PolicyCalls
from kronkeep_common.client.restores import RestoreCalls
from kronkeep_common.client.runs import RunCalls
from kronkeep_common.client.storages import StorageCalls
from kronkeep_common.socket_path import socket_path

P = ParamSpec("P")
T = TypeVar("T")
R = TypeVar("R")


def blocking_client(socket: Path | None = None, cluster: str | None = None) -> Client:
    """Return a Client whose coroutines never wait, so that `run_without_loop` can run them."""
    return Client(socket, transport=BlockingTransport(socket_path(socket)), cluster=cluster)


class Blocking(Generic[R]):
    """The blocking side of an asynchronous class."""

    def __init__(self, wrapped: R) -> None:
        self.wrapped = wrapped


class BlockingCall(Generic[R, P, T]):
    """A coroutine method, run to its end."""

    def __init__(self, method: Callable[Concatenate[R, P], Coroutine[object, None, T]]) -> None:
        self._method = method

    def __get__(self, instance: Blocking[R], owner: type[Blocking[R]]) -> Callable[P, T]:
        @wraps(self._method)
        def call(*args: P.args, **named: P.kwargs) -> T:
            return run_without_loop(self._method(instance.wrapped, *args, **named))

        return call


class BlockingStream(Generic[R, P, T]):
    """An asynchronous generator method, item by item; each step blocks until the next item comes."""

    def __init__(self, method: Callable[Concatenate[R, P], AsyncGenerator[T, None]]) -> None:
        self._method = method

    def __get__(self, instance: Blocking[R], owner: type[Blocking[R]]) -> Callable[P, Iterator[T]]:
        @wraps(self._method)
        def items(*args: P.args, **named: P.kwargs) -> Iterator[T]:
            source = self._method(instance.wrapped, *args, **named)
            try:
                while True:
                    yield run_without_loop(_next(source))
            except StopAsyncIteration:
                return
            finally:
                run_without_loop(source.aclose())

        return items


async def _next(source: AsyncGenerator[T, None]) -> T:
    return await anext(source)


class SyncCronJobs(Blocking[CronJobCalls]):
    """The blocking calls of `client.cronjobs`."""

    list = BlockingCall(CronJobCalls.list)
    get = BlockingCall(CronJobCalls.get)
    create = BlockingCall(CronJobCalls.create)
    spec = BlockingCall(CronJobCalls.spec)
    spec_with_tag = BlockingCall(CronJobCalls.spec_with_tag)
    replace = BlockingCall(CronJobCalls.replace)
    apply = BlockingCall(CronJobCalls.apply)
    delete = BlockingCall(CronJobCalls.delete)
    trigger = BlockingCall(CronJobCalls.trigger)
    suspend = BlockingCall(CronJobCalls.suspend)
    resume = BlockingCall(CronJobCalls.resume)
    set_policy = BlockingCall(CronJobCalls.set_policy)
    remove_policy = BlockingCall(CronJobCalls.remove_policy)
    back_up = BlockingCall(CronJobCalls.back_up)
    drill = BlockingCall(CronJobCalls.drill)
    adopt = BlockingCall(CronJobCalls.adopt)


class SyncRuns(Blocking[RunCalls]):
    """The blocking calls of `client.runs`."""

    list = BlockingCall(RunCalls.list)
    get = BlockingCall(RunCalls.get)
    cancel = BlockingCall(RunCalls.cancel)
    manifest = BlockingCall(RunCalls.manifest)
    events = BlockingCall(RunCalls.events)
    log = BlockingStream(RunCalls.log)
    grep = BlockingStream(RunCalls.grep)


class SyncBackups(Blocking[BackupCalls]):
    """The blocking calls of `client.backups`."""

    list = BlockingCall(BackupCalls.list)
    get = BlockingCall(BackupCalls.get)
    cancel = BlockingCall(BackupCalls.cancel)
    pin = BlockingCall(BackupCalls.pin)
    unpin = BlockingCall(BackupCalls.unpin)
    log = BlockingStream(BackupCalls.log)
    files = BlockingCall(BackupCalls.files)
    download = BlockingStream(BackupCalls.download)
    download_tar = BlockingStream(BackupCalls.download_tar)
    tar_state = BlockingCall(BackupCalls.tar_state)
    diff = BlockingCall(BackupCalls.diff)
    find = BlockingCall(BackupCalls.find)
    plan_restore = BlockingCall(BackupCalls.plan_restore)
    restore = BlockingCall(BackupCalls.restore)
    verify = BlockingCall(BackupCalls.verify)


class SyncCopies(Blocking[CopyCalls]):
    """The blocking calls of `client.copies`."""

    list = BlockingCall(CopyCalls.list)
    get = BlockingCall(CopyCalls.get)
    of_backup = BlockingCall(CopyCalls.of_backup)
    start = BlockingCall(CopyCalls.start)
    cancel = BlockingCall(CopyCalls.cancel)
    log = BlockingStream(CopyCalls.log)


class SyncRestores(Blocking[RestoreCalls]):
    """The blocking calls of `client.restores`."""

    list = BlockingCall(RestoreCalls.list)
    restorable = BlockingCall(RestoreCalls.restorable)
    get = BlockingCall(RestoreCalls.get)
    cancel = BlockingCall(RestoreCalls.cancel)
    log = BlockingStream(RestoreCalls.log)


class SyncPolicies(Blocking[PolicyCalls]):
    """The blocking calls of `client.policies`."""

    list = BlockingCall(PolicyCalls.list)
    set_for_claim = BlockingCall(PolicyCalls.set_for_claim)
    remove_from_claim = BlockingCall(PolicyCalls.remove_from_claim)
    check_schedule = BlockingCall(PolicyCalls.check_schedule)
    retention = BlockingCall(PolicyCalls.retention)
    preview_retention = BlockingCall(PolicyCalls.preview_retention)
    apply_retention = BlockingCall(PolicyCalls.apply_retention)
    approve_retention = BlockingCall(PolicyCalls.approve_retention)


class SyncStorages(Blocking[StorageCalls]):
    """The blocking calls of `client.storages`."""

    list = BlockingCall(StorageCalls.list)
    get = BlockingCall(StorageCalls.get)
    kinds = BlockingCall(StorageCalls.kinds)
    create = BlockingCall(StorageCalls.create)
    change = BlockingCall(StorageCalls.change)
    delete = BlockingCall(StorageCalls.delete)
    retry = BlockingCall(StorageCalls.retry)
    test = BlockingCall(StorageCalls.test)
    check = BlockingCall(StorageCalls.check)
    measure = BlockingCall(StorageCalls.measure)
    usage = BlockingCall(StorageCalls.usage)
    prune = BlockingCall(StorageCalls.prune)
    check_address = BlockingCall(StorageCalls.check_address)
    change_address = BlockingCall(StorageCalls.change_address)
    secrets = BlockingCall(StorageCalls.secrets)
    rotate_key = BlockingCall(StorageCalls.rotate_key)
    recovery_kit = BlockingCall(StorageCalls.recovery_kit)
    confirm_recovery_kit = BlockingCall(StorageCalls.confirm_recovery_kit)
    rescan = BlockingCall(StorageCalls.rescan)
    foreign_snapshots = BlockingCall(StorageCalls.foreign_snapshots)
    import_snapshots = BlockingCall(StorageCalls.import_snapshots)
    cancel_move = BlockingCall(StorageCalls.cancel_move)
    archive_history = BlockingCall(StorageCalls.archive_history)
    remove_originals = BlockingCall(StorageCalls.remove_originals)
    plan_move = BlockingCall(StorageCalls.plan_move)
    repositories = BlockingCall(StorageCalls.repositories)
    move = BlockingCall(StorageCalls.move)
    acknowledge_missing = BlockingCall(StorageCalls.acknowledge_missing)
    orphans = BlockingCall(StorageCalls.orphans)


class SyncAlerts(Blocking[AlertCalls]):
    """The blocking calls of `client.alerts`."""

    list = BlockingCall(AlertCalls.list)
    get = BlockingCall(AlertCalls.get)
    acknowledge = BlockingCall(AlertCalls.acknowledge)
    unacknowledge = BlockingCall(AlertCalls.unacknowledge)
    test_channels = BlockingCall(AlertCalls.test_channels)


class SyncSilences(Blocking[SilenceCalls]):
    """The blocking calls of `client.silences`."""

    list = BlockingCall(SilenceCalls.list)
    get = BlockingCall(SilenceCalls.get)
    create = BlockingCall(SilenceCalls.create)
    end = BlockingCall(SilenceCalls.end)


class SyncMaintenance(Blocking[MaintenanceCalls]):
    """The blocking calls of `client.maintenance`."""

    list = BlockingCall(MaintenanceCalls.list)
    get = BlockingCall(MaintenanceCalls.get)
    start = BlockingCall(MaintenanceCalls.start)
    end = BlockingCall(MaintenanceCalls.end)


class SyncFigures(Blocking[FigureCalls]):
    """The blocking call of `client.figures`."""

    list = BlockingCall(FigureCalls.list)


class SyncOperations(Blocking[OperationCalls]):
    """The blocking calls of `client.operations`."""

    list = BlockingCall(OperationCalls.list)
    get = BlockingCall(OperationCalls.get)


class SyncClient(Blocking[Client]):
    """A blocking client of the daemon at one socket (the default one without an argument).

    Each call opens a connection of its own.
    """

    def __init__(self, socket: Path | None = None, *, cluster: str | None = None) -> None:
        client = blocking_client(socket, cluster)
        super().__init__(client)
        self.cronjobs = SyncCronJobs(client.cronjobs)
        self.runs = SyncRuns(client.runs)
        self.backups = SyncBackups(client.backups)
        self.copies = SyncCopies(client.copies)
        self.restores = SyncRestores(client.restores)
        self.policies = SyncPolicies(client.policies)
        self.storages = SyncStorages(client.storages)
        self.alerts = SyncAlerts(client.alerts)
        self.silences = SyncSilences(client.silences)
        self.maintenance = SyncMaintenance(client.maintenance)
        self.operations = SyncOperations(client.operations)
        self.figures = SyncFigures(client.figures)

    snapshot = BlockingCall(Client.snapshot)
    timeline = BlockingCall(Client.timeline)
    events = BlockingStream(Client.events)
    ready = BlockingCall(Client.ready)
    doctor = BlockingCall(Client.doctor)
    audit = BlockingCall(Client.audit)
    report = BlockingCall(Client.report)
    morning_report = BlockingCall(Client.morning_report)
    manifests = BlockingCall(Client.manifests)
    queue = BlockingCall(Client.queue)
    coverage = BlockingCall(Client.coverage)
    sinks = BlockingCall(Client.sinks)
    leftovers = BlockingCall(Client.leftovers)
