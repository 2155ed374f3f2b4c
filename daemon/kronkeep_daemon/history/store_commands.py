"""`kronkeepd store`: commands that check, export, import, compact or repair a folder that no daemon uses."""

import argparse
import asyncio
import json
import os
import sys
from collections.abc import Awaitable, Callable, Iterable
from pathlib import Path

import msgspec

from kronkeep_common.clock import SystemClock
from kronkeep_common.errors import InvalidRequest
from kronkeep_daemon.history import expiry, journal, journal_files, loader
from kronkeep_daemon.history.durable import SyncFailed
from kronkeep_daemon.history.history import History
from kronkeep_daemon.history.salvage import salvage

IMPORT_BATCH = 1000


class ExportLine(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One document as a line of an export."""

    table: str
    number: int
    document: dict[str, object]


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add `store` and its commands."""
    store = commands.add_parser("store", help="check, export, import, compact or salvage a history folder")
    subparsers = store.add_subparsers(dest="store_command", required=True, metavar="COMMAND")
    actions: tuple[tuple[str, str, Callable[[argparse.Namespace], None]], ...] = (
        ("check", "read everything, change nothing, and report what the folder holds", _check),
        ("export", "write every document as a JSON line", _export),
        ("import", "fill an empty folder with the lines of an export", _import),
        ("compact", "write one snapshot and remove the files that it replaces", _compact),
        ("retain", "show which records have expired, or remove them", _retain),
        ("salvage", "write the readable part of a damaged folder to a new one", _salvage),
    )
    for name, description, action in actions:
        command = subparsers.add_parser(name, help=description)
        command.add_argument("folder", type=Path)
        command.set_defaults(func=run, action=action)
        if name == "import":
            command.add_argument(
                "file", type=argparse.FileType("rb"), help="an export, or - for standard input"
            )
        if name == "retain":
            command.add_argument("--days", type=_positive, help="keep records that are younger than this")
            command.add_argument("--runs", type=_positive, help="keep this many runs of each CronJob")
            command.add_argument("--audit-days", type=_positive, help="keep the audit trail this long")
            command.add_argument("--remove", action="store_true", help="remove them (default: only show)")
        if name == "salvage":
            command.add_argument("target", type=Path, help="the new folder")


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError("a number from 1 on")
    return int(text)


def run(options: argparse.Namespace) -> int:
    """Run one command; raise StateInUse, DamagedHistory, HistoryTooNew, InvalidRequest."""
    if options.store_command != "import" and not any(options.folder.glob("*-*.jsonl")):
        message = f"There is no history in {options.folder}."
        next_step = "Name the folder `history` inside the state folder."
        raise InvalidRequest(message, next_step=next_step, field="folder")
    options.action(options)
    return 0


def _check(options: argparse.Namespace) -> None:
    lock = journal_files.lock(options.folder)
    try:
        loaded = loader.load(options.folder)
    except (OSError, SyncFailed) as fault:
        raise InvalidRequest(f"{options.folder} cannot be read: {fault}.", field="folder") from fault
    finally:
        os.close(lock)
    counts = {name: len(rows) for name, rows in sorted(loaded.tables.items())}
    read = loaded.read
    print(json.dumps({"seq": read.seq, "format": journal.VERSION, "torn": read.torn, "documents": counts}))


def _export(options: argparse.Namespace) -> None:
    async def work(history: History) -> None:
        for name in sorted(history.db.tables()):
            for document in history.table(name):
                line = {"table": name, "number": document.doc_id, "document": document}
                sys.stdout.write(json.dumps(line) + "\n")

    asyncio.run(_run_with_history(options.folder, work))


def _import(options: argparse.Namespace) -> None:
    async def work(history: History) -> None:
        if history.seq:
            raise InvalidRequest(
                f"{options.folder} is not empty; an import fills a new folder.", field="folder"
            )
        await _import_lines(history, options.file)

    asyncio.run(_run_with_history(options.folder, work))


async def _import_lines(history: History, lines: Iterable[bytes]) -> None:
    decoder = msgspec.json.Decoder(ExportLine)
    count = 0
    for count, raw in enumerate(lines, 1):
        try:
            line = decoder.decode(raw)
        except (msgspec.ValidationError, msgspec.DecodeError) as fault:
            raise InvalidRequest(
                f"Line {count} is not a line of an export: {fault}.", field="file"
            ) from fault
        history.table(line.table).put_document(line.number, line.document)
        if count % IMPORT_BATCH == 0:
            await history.commit()
    await history.commit()
    print(json.dumps({"documents": count}))


def _compact(options: argparse.Namespace) -> None:
    asyncio.run(_run_with_history(options.folder, History.compact))


def _retain(options: argparse.Namespace) -> None:
    rules = expiry.ExpiryRules(days=options.days, runs=options.runs, audit_days=options.audit_days)

    async def work(history: History) -> None:
        plan = await expiry.plan(history, rules, SystemClock().now())
        print(msgspec.json.encode(plan).decode())
        if options.remove:
            await expiry.remove(history, plan)

    asyncio.run(_run_with_history(options.folder, work))


def _salvage(options: argparse.Namespace) -> None:
    count, lost = salvage(options.folder, options.target)
    print(json.dumps({"documents": count, "lost": [piece._asdict() for piece in lost]}))


async def _run_with_history(folder: Path, work: Callable[[History], Awaitable[None]]) -> None:
    history = await History.open(folder, clock=SystemClock())
    try:
        await work(history)
    finally:
        await history.close()
