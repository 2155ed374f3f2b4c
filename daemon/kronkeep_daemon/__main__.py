"""`kronkeepd`: parse the command line, set logging up, run; what is long-lived is created in `app`."""

import argparse
import asyncio
import logging
import os
import sys
import tempfile
from pathlib import Path

from kronkeep_common.errors import KronkeepError
from kronkeep_daemon.log_format import set_up_logging

EXIT_REFUSED = 1
PRIVATE = 0o077  # history, logs and an embedded cluster's Secrets are for the daemon's own user
EXIT_CODES = """exit codes:
  0   stopped as asked
  1   refused: the sentence on standard error says why
  2   bad command line
  70  a task that kronkeepd cannot do without has ended; the log says why
  75  the disk failed to keep the history: nothing is acknowledged any more"""


def parser() -> argparse.ArgumentParser:
    """The command line of `kronkeepd`; without a command it serves."""
    top = argparse.ArgumentParser(
        prog="kronkeepd",
        description="Watches CronJobs, keeps their history, makes their backups.",
        epilog=EXIT_CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    _serve_options(top)
    commands = top.add_subparsers(dest="command", metavar="COMMAND")
    _store(commands)
    agent = commands.add_parser("node-agent", help="run pods of a node as local processes")
    agent.add_argument("--kubeconfig", type=Path, required=True)
    agent.add_argument("--name", required=True, help="the node's name")
    agent.add_argument("--folder", type=Path, help="where claims and pods live (default: a fresh folder)")
    agent.add_argument("--address", default="127.0.0.1", help="where the control plane fetches logs")
    agent.add_argument("--place", action="store_true", help="run pods that no scheduler has placed")
    agent.set_defaults(func=_node_agent)
    cluster = commands.add_parser("cluster", help="serve the embedded cluster alone")
    cluster.add_argument("--folder", type=Path, required=True)
    cluster.add_argument("--port", type=int, default=0)
    cluster.add_argument("--nodes", type=int, default=1, help="how many nodes run here (default: 1)")
    cluster.set_defaults(func=_cluster)
    return top


def _serve_options(top: argparse.ArgumentParser) -> None:
    top.add_argument("--config", type=Path, metavar="FILE", help="settings in TOML (default: none)")
    top.add_argument("--state", type=Path, metavar="FOLDER", help="the state folder, over the settings' own")
    top.add_argument("--socket", type=Path, metavar="PATH", help="the API's socket, over the settings' own")
    top.add_argument("--embedded", action="store_true", help="bring a small Kubernetes along")
    top.add_argument("--demo", action="store_true", help="fill the embedded cluster with work to look at")
    top.add_argument("--announce", action="store_true", help="print one JSON line when ready")
    top.add_argument("--attached", action="store_true", help="stop when standard input closes")
    top.add_argument("--log-level", default="info", choices=["debug", "info", "warning", "error"])
    top.set_defaults(func=_serve)


def _store(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    from kronkeep_daemon.history import store_commands as history_commands

    history_commands.add_parser(commands)


def _serve(options: argparse.Namespace) -> int:
    from kronkeep_daemon import app

    return asyncio.run(
        app.run(
            app.Options(
                config=options.config,
                state=options.state,
                socket=options.socket,
                embedded=options.embedded,
                demo=options.demo,
                announce=options.announce,
                attached=options.attached,
            )
        )
    )


def _node_agent(options: argparse.Namespace) -> int:
    from kronkeep_daemon.embedded.agent import run_agent

    folder = options.folder or Path(tempfile.mkdtemp(prefix="kronkeep-node-"))
    asyncio.run(
        run_agent(options.kubeconfig, options.name, folder, address=options.address, place=options.place)
    )
    return 0


def _cluster(options: argparse.Namespace) -> int:
    from kronkeep_daemon.embedded import run_cluster

    asyncio.run(run_cluster(options.folder, options.port, options.nodes))
    return 0


def main() -> int:
    """Runs `kronkeepd`; every refusal is one sentence with its next step and code on standard error."""
    options = parser().parse_args()
    os.umask(PRIVATE)
    set_up_logging(getattr(options, "log_level", "info"))
    try:
        return int(options.func(options) or 0)
    except KronkeepError as error:
        print(f"kronkeepd: {error.message}\n{error.next_step} [{error.code}]", file=sys.stderr)
        return EXIT_REFUSED
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        logging.getLogger(__name__).debug("standard output closed")
        return EXIT_REFUSED


if __name__ == "__main__":
    sys.exit(main())
