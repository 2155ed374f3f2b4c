"""The daemon's life: start, serve, stop.

It starts the history, the embedded cluster if one is asked for, the connections to clusters, the services and
the socket, then reports READY to systemd; it stops them in reverse. Whatever was acknowledged is durable at
every moment, so a kill between any two lines loses nothing. `composition` creates the services.
"""

import asyncio
import json
import logging
import os
import shutil
import signal
import sys
from contextlib import AsyncExitStack, suppress
from functools import partial
from pathlib import Path

import msgspec

from kronkeep_common.clock import SystemClock
from kronkeep_common.errors import InvalidSettings, KronkeepError, ToolMissing
from kronkeep_common.version import VERSION
from kronkeep_daemon import settings as settings_file
from kronkeep_daemon.composition import CurrentSettings, compose
from kronkeep_daemon.connect import Configured, Connector
from kronkeep_daemon.embedded import EmbeddedCluster
from kronkeep_daemon.garbage import set_objects_aside
from kronkeep_daemon.history import History, expiry
from kronkeep_daemon.history.history import EXIT_SYNC_FAILED
from kronkeep_daemon.http.server import serve
from kronkeep_daemon.http.services import Services
from kronkeep_daemon.kube.client import Cluster
from kronkeep_daemon.kube.clusters import Clusters
from kronkeep_daemon.kube.objects import JsonObject
from kronkeep_daemon.log_format import set_up_logging
from kronkeep_daemon.settings import ClusterSettings, LogFormat, LogLevel, LogSettings, Settings
from kronkeep_daemon.settings_reload import SettingsReloader
from kronkeep_daemon.state_dump import log_state
from kronkeep_daemon.supervisor import Supervisor
from kronkeep_daemon.systemd_notify import notify

log = logging.getLogger(__name__)
EXIT_TASK_FAILED = 70
WATCHDOG_SECONDS = 10.0
EXPIRY_SECONDS = 3600.0
FIRST_EXPIRY_SECONDS = 300.0  # after a start, which records what happened meanwhile
CLOCK_SECONDS = 15.0  # between two looks at whether the time is trusted again
HISTORY_PATIENCE = 5.0
LIST_PATIENCE = 3.0  # seconds to wait for the first lists before the socket opens without them


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """Options of `kronkeepd`'s command line.

    log_level, log_format: win over those of the settings.
    announce: print one JSON line to standard output once the daemon serves, progress before it.
    attached: stop when standard input closes.
    machine_tools: containers of images that the embedded cluster lacks see this machine's own programs.
    start_delay: how many seconds each container of the embedded cluster waits before it starts.
    """

    config: Path | None = None
    state: Path | None = None
    socket: Path | None = None
    embedded: bool = False
    demo: bool = False
    machine_tools: bool = False
    start_delay: float = 0.0
    announce: bool = False
    attached: bool = False
    log_level: LogLevel | None = None
    log_format: LogFormat | None = None


async def run(options: Options) -> int:
    """Serve until a signal, a closed standard input (`attached`) or a fatal failure; return the exit code."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, _request_stop, stop, number.name)
    if options.attached:
        loop.add_reader(sys.stdin.fileno(), _stop_at_end_of_input, stop)
    settings = CurrentSettings(load_settings(options))
    _set_up_log(settings().log)
    async with AsyncExitStack() as stack:
        stack.callback(log.info, "kronkeepd has stopped")
        supervisor, history = await _start(options, settings, stack)
        log.info("kronkeepd %s serves %s", VERSION, settings().socket)
        await _wait_for_any(stop, supervisor.failed, history.failed)
        notify("STOPPING=1")
        if history.failed.is_set():
            return EXIT_SYNC_FAILED
        return EXIT_TASK_FAILED if supervisor.failed.is_set() else 0


async def _wait_for_any(*events: asyncio.Event) -> None:
    waits = [asyncio.ensure_future(event.wait()) for event in events]
    await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
    for wait in waits:
        wait.cancel()


def _stop_at_end_of_input(stop: asyncio.Event) -> None:
    if not os.read(sys.stdin.fileno(), 1):
        asyncio.get_running_loop().remove_reader(sys.stdin.fileno())
        _request_stop(stop, "its standard input has ended")


def _request_stop(stop: asyncio.Event, why: str) -> None:
    log.info("kronkeepd stops: %s", why)
    stop.set()


def load_settings(options: Options) -> Settings:
    """Return the settings of the file with those of the command line on top; raises InvalidSettings.

    An embedded cluster is this machine, so storages in its folders are allowed.
    """
    settings = settings_file.load(options.config)
    if options.state is not None:
        settings = msgspec.structs.replace(settings, state=str(options.state))
        if options.socket is None:
            settings = msgspec.structs.replace(settings, socket=str(options.state / "api.sock"))
    if options.socket is not None:
        settings = msgspec.structs.replace(settings, socket=str(options.socket))
    settings = _with_log_options(settings, options)
    if options.embedded:
        allow = msgspec.structs.replace(settings.allow, host_path=True)
        settings = msgspec.structs.replace(settings, allow=allow)
    elif options.machine_tools:
        message = "Only nodes of an embedded cluster have this machine's tools."
        raise InvalidSettings(message, next_step="Add --embedded.")
    elif options.demo:
        raise InvalidSettings("The demo's workload needs an embedded cluster.", next_step="Add --embedded.")
    elif not settings.clusters:
        raise InvalidSettings(
            "No cluster is configured.", next_step="Add a [clusters.NAME] section, or start with --embedded."
        )
    return settings


def check_settings(options: Options) -> None:
    """Raise InvalidSettings for a fault that the start would find: in the settings, or in a file they name.

    What systemd passes as a credential, and what a cluster says, is not known before the start.
    """
    settings = load_settings(options)
    files = [(f"clusters.{name}.kubeconfig", row.kubeconfig) for name, row in settings.clusters.items()]
    files += [(f"alerts.channels {row.name}: url_file", row.url_file) for row in settings.alerts.channels]
    files += [(f"history.sinks {row.name}: url_file", row.url_file) for row in settings.history.sinks]
    files += [(f"history.sinks {row.name}: ca_file", row.ca_file) for row in settings.history.sinks]
    for field, name in files:
        if name is None or not Path(name).is_absolute():
            continue
        try:
            Path(name).open("rb").close()
        except OSError as fault:
            raise InvalidSettings(f"{field}: {name}: {fault.strerror}", file=name) from fault


def _with_log_options(settings: Settings, options: Options) -> Settings:
    level = options.log_level or settings.log.level
    log_format = options.log_format or settings.log.format
    return msgspec.structs.replace(settings, log=LogSettings(level=level, format=log_format))


def _set_up_log(chosen: LogSettings) -> None:
    set_up_logging(chosen.level, chosen.format)


async def _start(
    options: Options, settings: CurrentSettings, stack: AsyncExitStack
) -> tuple[Supervisor, History]:
    """Start everything in order; closing the stack stops it in reverse."""
    clock = SystemClock()
    state = Path(settings().state)
    history = await History.open(state / "history", clock=clock)
    stack.push_async_callback(history.close)
    if settings().history.databases:  # before the first commit, which might remove what they still need
        history.hold_changes(0, settings().history.sink_backlog_bytes)
    supervisor = Supervisor(clock)
    connections: Configured = []
    kubeconfig: Path | None = None
    if options.embedded:
        kubeconfig = await _start_embedded(options, state, supervisor, stack)
        cluster = await Cluster.connect(kubeconfig=kubeconfig, name="embedded")
        stack.push_async_callback(cluster.close)
        connections.append((cluster, ClusterSettings()))
    connector = Connector(history, clock)
    configured = await connector.connect(settings().clusters)
    for cluster, _ in configured:
        stack.push_async_callback(cluster.close)
    connections += configured
    stack.push_async_callback(supervisor.close)
    composition = compose(connections, history, settings, supervisor)
    connector.start(supervisor)
    composition.start()
    services = composition.services
    stack.push_async_callback(services.cronjobs.release_leases)
    with suppress(TimeoutError):  # the history is served also while a cluster does not answer
        async with asyncio.timeout(LIST_PATIENCE):
            await services.cronjobs.wait_until_synced()
    await stack.enter_async_context(serve(services, Path(settings().socket)))
    _reload_at_changes(options, settings, supervisor)
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGUSR1, log_state, services, supervisor)
    supervisor.start(
        "history expiry", partial(_expire_history, history, settings, services.clusters), death="restart"
    )
    supervisor.start("garbage", partial(set_objects_aside, clock), death="restart")
    supervisor.start("systemd watchdog", partial(_ping_watchdog, services), death="restart")
    if options.demo:
        await _fill_demo(options, services, state)
    notify("READY=1")
    _announce(options, services, state, kubeconfig)
    return supervisor, history


async def _start_embedded(
    options: Options, state: Path, supervisor: Supervisor, stack: AsyncExitStack
) -> Path:
    """Start the embedded cluster, whose images hold this machine's restic; return its kubeconfig.

    Raises ToolMissing without restic.
    """
    if shutil.which("restic") is None:
        raise ToolMissing("The program restic is not installed.", next_step="Run: apt-get install -y restic.")
    _print_progress(options, "starting the embedded cluster")
    embedded = await EmbeddedCluster.start(
        state / "cluster",
        supervisor=supervisor,
        machine_tools=options.machine_tools,
        start_delay=options.start_delay,
    )
    stack.push_async_callback(embedded.close)
    return embedded.kubeconfig


def _reload_at_changes(options: Options, settings: CurrentSettings, supervisor: Supervisor) -> None:
    """Reload the settings when their file changes, and at SIGHUP."""

    def apply(new: Settings) -> None:
        settings.settings = new
        _set_up_log(new.log)

    reloader = SettingsReloader(load=partial(load_settings, options), old=settings(), apply=apply)
    asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, reloader.reload_for_signal)
    if options.config is not None:
        supervisor.start("settings", partial(reloader.follow, options.config), death="restart")


async def _expire_history(history: History, settings: CurrentSettings, clusters: Clusters) -> None:
    """Remove what the history settings no longer keep, every hour; wait while the time is not trusted."""
    clock = clusters.first.clock
    await clock.sleep(FIRST_EXPIRY_SECONDS)
    while True:
        limits = settings().history
        if not clusters.has_trusted_time():
            await clock.sleep(CLOCK_SECONDS)
            continue
        rules = expiry.ExpiryRules(
            days=limits.keep_days or None,
            runs=limits.keep_runs_per_cronjob or None,
            audit_days=limits.keep_audit_days,
            bare_jobs=limits.bare_jobs_per_namespace,
        )
        plan = await expiry.plan(history, rules, clock.now())
        await expiry.remove(history, plan)
        if plan.is_whole:
            await clock.sleep(EXPIRY_SECONDS)


async def _ping_watchdog(services: Services) -> None:
    """Ping systemd's watchdog while the event loop runs and the history takes changes.

    A commit that does not return within 5 s means no ping: systemd then restarts the daemon. Watches that are
    not live are named in the status only, as a restart would not bring a cluster back.
    """
    while True:
        try:
            async with asyncio.timeout(HISTORY_PATIENCE):
                await services.history.commit()
        except TimeoutError:
            notify("STATUS=the history does not answer")
            continue
        except KronkeepError as fault:
            log.warning("the history: %s", fault)
        notify(f"WATCHDOG=1\nSTATUS={_watch_status(services)}")
        await asyncio.sleep(WATCHDOG_SECONDS)


def _watch_status(services: Services) -> str:
    states = services.cronjobs.watch_states()
    stale = [state for state in states if state.status not in ("live", "starting")]
    return f"{len(stale)} watches are not live: {stale[0].why}" if stale else "all watches are live"


async def _fill_demo(options: Options, services: Services, state: Path) -> None:
    from kronkeep_daemon import demo

    await demo.create_workload(
        services, state / "repositories" / demo.STORAGE, partial(_print_progress, options)
    )


def _print_progress(options: Options, message: str) -> None:
    if options.announce:
        _print_json({"progress": message})


def _announce(options: Options, services: Services, state: Path, kubeconfig: Path | None) -> None:
    """Print one JSON line with the daemon's paths and repositories, where that was asked for."""
    if not options.announce:
        return
    repositories = {
        storage.id: {
            "repository": storage.settings.get("path", ""),
            "password_file": str(state / "repositories" / f"{storage.id}.password"),
        }
        for storage in services.storages.list()
    }
    _print_json(
        {
            "socket": services.settings().socket,
            "kubeconfig": str(kubeconfig) if kubeconfig else None,
            "state": str(state),
            "repositories": repositories,
            "pid": os.getpid(),
        }
    )


def _print_json(line: JsonObject) -> None:
    sys.stdout.write(json.dumps(line) + "\n")
    sys.stdout.flush()
