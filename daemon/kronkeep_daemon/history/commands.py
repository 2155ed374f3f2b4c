"""`kronkeepd store`: look at a history folder that no daemon is using."""

import argparse
import asyncio
import json
import sys
from pathlib import Path

from kronkeep_common.clock import SystemClock
from kronkeep_daemon.history.history import History


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Adds `store` and its commands."""
    store = commands.add_parser("store", help="check, export or compact a history folder")
    below = store.add_subparsers(dest="store_command", required=True, metavar="COMMAND")
    for name, words in (
        ("check", "read everything and say what is there"),
        ("export", "write every document as a JSON line"),
        ("compact", "write one snapshot and remove what it replaces"),
    ):
        command = below.add_parser(name, help=words)
        command.add_argument("folder", type=Path)
        command.set_defaults(func=run)


def run(options: argparse.Namespace) -> int:
    """Runs one command; raises StateInUse, DamagedHistory, HistoryTooNew."""
    return asyncio.run(_run(options.store_command, options.folder))


async def _run(command: str, folder: Path) -> int:
    history = await History.open(folder, clock=SystemClock())
    try:
        if command == "check":
            counts = {name: len(history.table(name)) for name in sorted(history.db.tables())}
            print(json.dumps({"seq": history.seq, "documents": counts}))
        elif command == "export":
            _export(history)
        else:
            await history.compact()
    finally:
        await history.close()
    return 0


def _export(history: History) -> None:
    for name in sorted(history.db.tables()):
        for document in history.table(name):
            sys.stdout.write(
                json.dumps({"table": name, "number": document.doc_id, "document": document}) + "\n"
            )
