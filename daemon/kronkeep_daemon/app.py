"""The composition root: everything long-lived is created here, handed to what needs it, closed in order.

Order of coming: history, (embedded cluster), clusters, services, socket, READY. Order of going: the reverse.
What is acknowledged is durable at every moment, so a kill between any two lines loses nothing.
"""

import asyncio
import json
import logging
import os
import shutil
import signal
import sys
from contextlib import AsyncExitStack, suppress
from pathlib import Path

import msgspec

from kronkeep_common.clock import SystemClock
from kronkeep_common.errors import InvalidSettings, KronkeepError, ToolMissing
from kronkeep_daemon import connect
from kronkeep_daemon import settings as settings_file
from kronkeep_daemon.composition import CurrentSettings, compose
from kronkeep_daemon.embedded import EmbeddedCluster
from kronkeep_daemon.history import History, expiry
from kronkeep_daemon.history.history import EXIT_SYNC_FAILED
from kronkeep_daemon.http.server import serve
from kronkeep_daemon.http.services import Services
from kronkeep_daemon.kube.client import Cluster
from kronkeep_daemon.settings import ClusterSettings, Settings
from kronkeep_daemon.supervisor import Supervisor
from kronkeep_daemon.systemd_notify import notify

log = logging.getLogger(__name__)
EXIT_TASK_FAILED = 70
WATCHDOG_SECONDS = 10.0
RETENTION_SECONDS = 3600.0
JOURNAL_PATIENCE = 5.0
LIST_PATIENCE = 3.0  # seconds for the first lists, without which no CronJob is known


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """What the command line said."""

    config: Path | None = None
    state: Path | None = None
    socket: Path | None = None
    embedded: bool = False
    demo: bool = False
    announce: bool = False
    attached: bool = False


async def run(options: Options) -> int:
    """Serves until a signal, a closed standard input (`attached`) or the end of a fatal task."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    if options.attached:
        loop.add_reader(sys.stdin.fileno(), _until_closed, stop)
    current = CurrentSettings(_settings(options))
    async with AsyncExitStack() as stack:
        supervisor, history = await _serve(options, current, stack)
        failed = (supervisor.failed, history.failed)
        waits = [asyncio.ensure_future(event.wait()) for event in (stop, *failed)]
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        for wait in waits:
            wait.cancel()
        notify("STOPPING=1")
        if history.failed.is_set():
            return EXIT_SYNC_FAILED
        return EXIT_TASK_FAILED if supervisor.failed.is_set() else 0


def _until_closed(stop: asyncio.Event) -> None:
    if not os.read(sys.stdin.fileno(), 1):
        asyncio.get_running_loop().remove_reader(sys.stdin.fileno())
        stop.set()


def _settings(options: Options) -> Settings:
    """The settings file's, then the command line's, then what an embedded cluster needs."""
    settings = settings_file.load(options.config)
    if options.state is not None:
        settings = msgspec.structs.replace(settings, state=str(options.state))
        if options.socket is None:
            settings = msgspec.structs.replace(settings, socket=str(options.state / "api.sock"))
    if options.socket is not None:
        settings = msgspec.structs.replace(settings, socket=str(options.socket))
    if options.embedded:
        allow = msgspec.structs.replace(settings.allow, host_path=True)
        settings = msgspec.structs.replace(settings, allow=allow)
    elif options.demo:
        raise InvalidSettings(
            "The demo's workload is only for an embedded cluster.", next_step="Add --embedded."
        )
    elif not settings.clusters:
        raise InvalidSettings(
            "No cluster is configured.", next_step="Add a [clusters.NAME] section, or start with --embedded."
        )
    return settings


def _require_restic() -> None:
    """The embedded cluster runs archives with this machine's programs; raises ToolMissing."""
    if shutil.which("restic") is None:
        raise ToolMissing("The program restic is not installed.", next_step="Run: apt-get install -y restic.")


async def _serve(
    options: Options, current: CurrentSettings, stack: AsyncExitStack
) -> tuple[Supervisor, History]:
    """Brings everything up in order; the stack takes it down in reverse."""
    clock = SystemClock()
    state = Path(current().state)
    history = await History.open(state / "history", clock=clock)
    stack.push_async_callback(history.close)
    supervisor = Supervisor(clock)
    connected: connect.Configured = []
    kubeconfig: Path | None = None
    if options.embedded:
        _require_restic()
        _say(options, "starting the embedded cluster")
        embedded = await EmbeddedCluster.start(state / "cluster", supervisor=supervisor)
        stack.push_async_callback(embedded.close)
        kubeconfig = embedded.kubeconfig
        embedded_one = await Cluster.connect(kubeconfig=kubeconfig, name="embedded")
        connected.append((embedded_one, ClusterSettings()))
    connected += await connect.connect(current().clusters, history, clock)
    for cluster, _ in connected:
        stack.push_async_callback(cluster.close)
    stack.push_async_callback(supervisor.close)
    composition = compose(connected, history, current, supervisor)
    composition.start()
    services = composition.services
    stack.push_async_callback(services.cronjobs.release)
    with suppress(TimeoutError):  # whose cluster is away has its history served
        async with asyncio.timeout(LIST_PATIENCE):
            await services.cronjobs.synced()
    await stack.enter_async_context(serve(services, Path(current().socket)))
    if options.config is not None:
        supervisor.start("settings", lambda: _reload(options, current), death="restart")
    supervisor.start("history retention", lambda: _retain(history, current, clock), death="restart")
    supervisor.start("systemd watchdog", lambda: _watchdog(services), death="restart")
    if options.demo:
        await _demo(options, services, state)
    notify("READY=1")
    _announce(options, services, state, kubeconfig)
    return supervisor, history


async def _reload(options: Options, current: CurrentSettings) -> None:
    """Takes each new version of the settings file; one that is wrong changes nothing."""
    assert options.config is not None
    async for version in settings_file.reloads(options.config):
        if isinstance(version, InvalidSettings):
            log.error("the settings stay as they are: %s", version)
            continue
        kept = current()
        current.settings = msgspec.structs.replace(
            version,
            state=kept.state,
            socket=kept.socket,
            clusters=kept.clusters,
            manifests=kept.manifests,
        )
        log.info("the settings were read anew")


async def _retain(history: History, current: CurrentSettings, clock: SystemClock) -> None:
    """Lets the history go of what the settings no longer keep, every hour."""
    while True:
        wanted = current().history
        rules = expiry.Rules(
            days=wanted.keep_days, runs=wanted.keep_runs_per_cronjob, audit_days=wanted.keep_audit_days
        )
        await expiry.remove(history, await expiry.plan(history, rules, clock.now()))
        await clock.sleep(RETENTION_SECONDS)


async def _watchdog(services: Services) -> None:
    """Tells systemd that event loop and journal writer live, and how fresh the watches are.

    A commit that does not return within 5 s gets no ping: systemd then restarts the daemon. Watches that are
    not live are told in the status and are no reason for a restart, which would not bring a cluster back.
    """
    while True:
        try:
            async with asyncio.timeout(JOURNAL_PATIENCE):
                await services.history.commit()
        except TimeoutError:
            notify("STATUS=the journal does not answer")
            continue
        except KronkeepError as fault:
            log.warning("the journal: %s", fault)
        stale = [
            state for state in services.cronjobs.watch_states() if state.status not in ("live", "starting")
        ]
        words = f"{len(stale)} watches are not live: {stale[0].why}" if stale else "all watches are live"
        notify(f"WATCHDOG=1\nSTATUS={words}")
        await asyncio.sleep(WATCHDOG_SECONDS)


async def _demo(options: Options, services: Services, state: Path) -> None:
    from kronkeep_daemon import demo

    await demo.fill(services, state / "repositories" / demo.STORAGE, lambda words: _say(options, words))


def _say(options: Options, words: str) -> None:
    if options.announce:
        sys.stdout.write(json.dumps({"progress": words}) + "\n")
        sys.stdout.flush()


def _announce(options: Options, services: Services, state: Path, kubeconfig: Path | None) -> None:
    """One JSON line that says where everything is."""
    if not options.announce:
        return
    repositories = {
        storage.id: {
            "repository": storage.settings.get("path", ""),
            "password_file": str(_password(state, storage.id)),
        }
        for storage in services.storages.list()
    }
    line = {
        "socket": services.settings().socket,
        "kubeconfig": str(kubeconfig) if kubeconfig else None,
        "state": str(state),
        "repositories": repositories,
        "pid": os.getpid(),
    }
    sys.stdout.write(json.dumps(line) + "\n")
    sys.stdout.flush()


def _password(state: Path, storage: str) -> Path:
    return state / "repositories" / f"{storage}.password"
