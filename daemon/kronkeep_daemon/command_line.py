"""The command line of `kronkeepd`."""

import argparse
import asyncio
import gc
import logging
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from kronkeep_common.errors import KronkeepError
from kronkeep_common.manual.help_formatter import HelpFormatter
from kronkeep_common.version import VERSION
from kronkeep_daemon import probe
from kronkeep_daemon.garbage import set_modules_aside
from kronkeep_daemon.history import store_commands
from kronkeep_daemon.history.writer import SWITCH_SECONDS
from kronkeep_daemon.log_format import set_up_logging

if TYPE_CHECKING:
    Commands = argparse._SubParsersAction[argparse.ArgumentParser]

EXIT_REFUSED = 1
PRIVATE = 0o077  # umask: the history, logs and an embedded cluster's Secrets are for the daemon's own user
EXIT_CODES = """exit codes:
  0   stopped as asked (SIGTERM, SIGINT); --check-config: no fault was found
  1   refused: standard error says why
  2   invalid command line
  70  a task that kronkeepd needs has ended; the log says why
  75  the disk failed to store the history
  130 interrupted before it served"""
SIGNALS = """signals:
  SIGHUP   reload the settings
  SIGUSR1  write the state of tasks, watches, operations and history to the log"""


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command line; without a command `kronkeepd` serves."""
    top = argparse.ArgumentParser(
        prog="kronkeepd",
        description="Watches Kubernetes CronJobs, records their runs and makes their backups.",
        epilog=f"{EXIT_CODES}\n\n{SIGNALS}",
        formatter_class=HelpFormatter,
    )
    top.add_argument("--version", action="version", version=f"kronkeepd {VERSION}")
    _add_serve_options(top)
    commands = top.add_subparsers(dest="command", metavar="COMMAND")
    _add_history_restore(store_commands.add_parser(commands))
    probe.add_parser(commands)
    _add_node_agent(commands)
    _add_cluster(commands)
    _add_images(commands)
    return top


def _add_history_restore(store: "Commands") -> None:
    restore = store.add_parser("restore", help="fill a new folder from a storage that has the history")
    restore.add_argument("folder", type=Path, help="the folder `history` inside the state folder")
    restore.add_argument(
        "--from-storage", required=True, metavar="STORAGE", help="one that the history was archived to"
    )
    restore.add_argument(
        "--archive-name",
        metavar="NAME",
        help="as it was archived (default: the settings' history.archive_name)",
    )
    restore.add_argument(
        "--snapshot",
        default="latest",
        metavar="ID",
        help="an earlier copy by its snapshot (default: the newest)",
    )
    restore.add_argument("--config", type=Path, metavar="FILE", help="settings in TOML (default: none)")
    restore.add_argument("--cluster", metavar="NAME", help="the storage's cluster, where there are several")
    restore.add_argument("--kubeconfig", type=Path, metavar="FILE", help="of a cluster not in the settings")
    restore.set_defaults(func=_restore_history)


def _restore_history(options: argparse.Namespace) -> int:
    from kronkeep_daemon import history_restore

    return history_restore.run(options)


def _add_node_agent(commands: "Commands") -> None:
    agent = commands.add_parser("node-agent", help="run the pods of a node as local processes")
    agent.add_argument("--kubeconfig", type=Path, required=True, help="of the control plane")
    agent.add_argument("--name", required=True, help="the node's name")
    agent.add_argument("--folder", type=Path, help="the folder of claims and pods (default: a new one)")
    agent.add_argument("--address", default="127.0.0.1", help="where the control plane fetches logs")
    agent.add_argument("--place", action="store_true", help="also run pods that no scheduler has placed")
    _add_node_options(agent)
    agent.set_defaults(func=_run_node_agent)


def _add_cluster(commands: "Commands") -> None:
    cluster = commands.add_parser("cluster", help="run only the embedded cluster")
    cluster.add_argument(
        "--folder", type=Path, required=True, help="of the control plane's data, its kubeconfig and the nodes"
    )
    cluster.add_argument("--port", type=int, default=0, help="of the API server (default: a free one)")
    cluster.add_argument("--nodes", type=int, default=1, help="the number of nodes (default: 1)")
    _add_node_options(cluster)
    cluster.set_defaults(func=_run_cluster)


def _add_node_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--machine-tools",
        action="store_true",
        help="containers of images that a node does not have see this machine's own programs",
    )
    parser.add_argument(
        "--start-delay",
        type=float,
        default=0.0,
        metavar="SECONDS",
        help="how long a container waits before it starts, as on a kubelet (default: not at all)",
    )


def _add_images(commands: "Commands") -> None:
    images = commands.add_parser("images", help="build the images of the embedded cluster's nodes")
    images.add_argument("--folder", type=Path, required=True, help="where to; one that exists is replaced")
    images.add_argument("--newer-restic", type=Path, metavar="FILE", help="for restic/restic:newer")
    images.set_defaults(func=_build_images)


def _add_serve_options(top: argparse.ArgumentParser) -> None:
    top.add_argument("--config", type=Path, metavar="FILE", help="settings in TOML (default: none)")
    top.add_argument("--state", type=Path, metavar="FOLDER", help="the state folder (default: the settings')")
    top.add_argument("--socket", type=Path, metavar="PATH", help="the API's socket (default: the settings')")
    top.add_argument("--embedded", action="store_true", help="run a small Kubernetes of its own")
    top.add_argument("--demo", action="store_true", help="fill the embedded cluster with example CronJobs")
    _add_node_options(top)
    top.add_argument("--announce", action="store_true", help="print one JSON line when ready")
    top.add_argument("--attached", action="store_true", help="stop when standard input closes")
    top.add_argument(
        "--check-config", action="store_true", help="only say whether the settings have a fault, and which"
    )
    top.add_argument(
        "--log-level",
        choices=["debug", "info", "warning", "error"],
        help="the lowest level that is logged (default: the settings')",
    )
    top.add_argument(
        "--log-format", choices=["auto", "text", "json"], help="of the log (default: the settings')"
    )
    top.set_defaults(func=_serve)


@contextmanager
def _garbage_kept() -> Iterator[None]:
    """Import modules in the block: collecting garbage meanwhile takes 80 ms and finds none.

    Modules stay until the end, so no later collection looks at them either.
    """
    gc.disable()
    yield
    set_modules_aside()
    gc.enable()


def _serve(options: argparse.Namespace) -> int:
    with _garbage_kept():
        from kronkeep_daemon import app

    sys.setswitchinterval(SWITCH_SECONDS)
    chosen = app.Options(
        config=options.config,
        state=options.state,
        socket=options.socket,
        embedded=options.embedded,
        demo=options.demo,
        machine_tools=options.machine_tools,
        start_delay=options.start_delay,
        announce=options.announce,
        attached=options.attached,
        log_level=options.log_level,
        log_format=options.log_format,
    )
    if options.check_config:
        app.check_settings(chosen)
        sys.stdout.write(f"{options.config or 'the settings'}: no fault\n")
        return 0
    return asyncio.run(app.run(chosen))


def _run_node_agent(options: argparse.Namespace) -> int:
    with _garbage_kept():
        from kronkeep_daemon.embedded.agent import run_agent

    folder = options.folder or Path(tempfile.mkdtemp(prefix="kronkeep-node-"))
    asyncio.run(
        run_agent(
            options.kubeconfig,
            options.name,
            folder,
            address=options.address,
            place=options.place,
            machine_tools=options.machine_tools,
            start_delay=options.start_delay,
        )
    )
    return 0


def _run_cluster(options: argparse.Namespace) -> int:
    with _garbage_kept():
        from kronkeep_daemon.embedded import run_cluster

    asyncio.run(
        run_cluster(
            options.folder,
            options.port,
            options.nodes,
            machine_tools=options.machine_tools,
            start_delay=options.start_delay,
        )
    )
    return 0


def _build_images(options: argparse.Namespace) -> int:
    from kronkeep_daemon.embedded.agent.image_folder import build_images

    shutil.rmtree(options.folder, ignore_errors=True)
    build_images(options.folder, options.newer_restic)
    return 0


def main() -> int:
    """Run `kronkeepd`; a refusal is one sentence with its next step and code on standard error."""
    options = parser().parse_args()
    os.umask(PRIVATE)
    set_up_logging(getattr(options, "log_level", None) or "info")
    try:
        return int(options.func(options) or 0)
    except KronkeepError as error:
        return probe.tell(error)
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        logging.getLogger(__name__).debug("standard output closed")
        return EXIT_REFUSED
