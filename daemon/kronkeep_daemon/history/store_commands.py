"""`kronkeepd store`: commands that check, export, import, compact, back up or repair a history folder.

`check`, `export` and `backup` read one state of the database, also while a daemon writes.
"""

import argparse
import asyncio
import json
import os
import shutil
import sqlite3
import sys
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager, nullcontext, suppress
from pathlib import Path
from typing import BinaryIO

import msgspec

from kronkeep_common.clock import SystemClock
from kronkeep_common.errors import DamagedHistory, InvalidRequest
from kronkeep_daemon.history import durable, expiry, history_folder, schema
from kronkeep_daemon.history.change_log import last_sequence
from kronkeep_daemon.history.database import check_format, check_newest, connect, read_tables
from kronkeep_daemon.history.database_check import check_whole
from kronkeep_daemon.history.database_copy import copy_database
from kronkeep_daemon.history.database_faults import translate_faults
from kronkeep_daemon.history.history import History
from kronkeep_daemon.history.rows import checksum
from kronkeep_daemon.history.salvage import salvage

IMPORT_BATCH = 1000
RETAINED = ("executions", "backups", "restores", "alerts", "audit")  # what `retain` removes


class ExportLine(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One document as a line of an export."""

    table: str
    number: int
    document: dict[str, object]


class ExportedDocument(msgspec.Struct, frozen=True, kw_only=True):
    """A line of an export whose document is JSON already."""

    table: str
    number: int
    document: msgspec.Raw


def add_parser(
    commands: "argparse._SubParsersAction[argparse.ArgumentParser]",
) -> "argparse._SubParsersAction[argparse.ArgumentParser]":
    """Add `store` and its commands; return where more are added."""
    store = commands.add_parser(
        "store", help="check, back up, export, import, compact or salvage a history folder"
    )
    subparsers = store.add_subparsers(dest="store_command", required=True, metavar="COMMAND")
    actions: tuple[tuple[str, str, Callable[[argparse.Namespace], None]], ...] = (
        ("check", "read everything, change nothing, and report what the folder holds", _check),
        ("export", "write every document as a JSON line", _export),
        ("import", "fill an empty folder with the lines of an export", _import),
        ("backup", "copy the history to a new folder, also while kronkeepd runs", _back_up),
        ("compact", "write the database without its free space", _compact),
        ("retain", "show which records have expired, or remove them", _retain),
        ("salvage", "write the readable part of a damaged folder to a new one", _salvage),
    )
    for name, description, action in actions:
        command = subparsers.add_parser(name, help=description)
        command.add_argument("folder", type=Path, help="the folder `history` inside the state folder")
        command.set_defaults(func=run, action=action)
        if name == "import":
            command.add_argument("file", help="an export, or - for standard input")
        if name == "retain":
            command.add_argument("--days", type=_positive, help="keep records that are younger than this")
            command.add_argument("--runs", type=_positive, help="keep this many runs of each CronJob")
            command.add_argument("--audit-days", type=_positive, help="keep the audit trail this long")
            command.add_argument("--remove", action="store_true", help="remove them (default: only show)")
        if name in ("salvage", "backup"):
            command.add_argument("target", type=Path, help="the new folder")
    return subparsers


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError("a number from 1 on")
    return int(text)


def run(options: argparse.Namespace) -> int:
    """Run one command; raise StateInUse, DamagedHistory, HistoryTooNew, InvalidRequest."""
    if options.store_command != "import" and not (options.folder / history_folder.DATABASE).exists():
        history_folder.refuse_journal(options.folder)
        message = f"There is no history in {options.folder}."
        next_step = "Name the folder `history` inside the state folder."
        raise InvalidRequest(message, next_step=next_step, field="folder")
    options.action(options)
    return 0


@contextmanager
def _open_for_reading(folder: Path) -> Iterator[sqlite3.Connection]:
    """Open the database of a folder without changing anything; raise DamagedHistory, HistoryTooNew."""
    with translate_faults(folder), closing(connect(folder / history_folder.DATABASE)) as connection:
        check_format(connection)
        yield connection


def _check(options: argparse.Namespace) -> None:
    with _open_for_reading(options.folder) as connection:
        faults = check_whole(connection)
        if faults:
            message = f"The history is damaged: {'; '.join(faults[:5])}."
            raise DamagedHistory(message, file=str(options.folder / history_folder.DATABASE))
        check_newest(options.folder, connection)
        counts = connection.execute("SELECT table_name, sum(documents) FROM counts GROUP BY 1 ORDER BY 1")
        documents = {name: count for name, count in counts if count}
        sequence = last_sequence(connection)
    print(json.dumps({"seq": sequence, "format": schema.FORMAT, "documents": documents}))


def _export(options: argparse.Namespace) -> None:
    with _open_for_reading(options.folder) as connection:
        connection.execute("BEGIN")
        for name in sorted(read_tables(connection)):
            sql = f"SELECT number, CAST(body AS BLOB), checksum FROM {schema.quote(name)} ORDER BY number"
            for number, body, expected in connection.execute(sql):
                if checksum(name, number, body) != expected:
                    raise DamagedHistory(f"The history is damaged: {name}, document {number}.")
                line = ExportedDocument(table=name, number=number, document=msgspec.Raw(body))
                sys.stdout.write(msgspec.json.encode(line).decode() + "\n")


def _back_up(options: argparse.Namespace) -> None:
    target: Path = options.target
    if target.exists():
        raise InvalidRequest(f"{target} exists already; a backup needs a new folder.", field="target")
    copy = target / history_folder.DATABASE
    target.mkdir(parents=True, mode=0o700)
    sequence = copy_database(options.folder, copy)
    with translate_faults(target):
        _copy_logs(options.folder / "logs", target / "logs")
        durable.sync_folder(target)
    print(json.dumps({"seq": sequence, "bytes": copy.stat().st_size}))


def _copy_logs(source: Path, target: Path) -> None:
    """Copy the kept logs without those that a daemon removes meanwhile; raise OSError."""
    for folder, _, names in os.walk(source):
        copied = target / Path(folder).relative_to(source)
        copied.mkdir()
        for name in names:
            with suppress(FileNotFoundError):
                shutil.copy2(Path(folder, name), copied / name)


def _import(options: argparse.Namespace) -> None:
    async def work(history: History) -> None:
        if history.seq:
            raise InvalidRequest(
                f"{options.folder} is not empty; an import fills a new folder.", field="folder"
            )
        history.stop_counting()
        with _open_export(options.file) as lines:
            await _import_lines(history, lines)

    asyncio.run(_run_with_history(options.folder, work))


def _open_export(name: str) -> AbstractContextManager[BinaryIO]:
    """Return the opened file, standard input for `-`; raise InvalidRequest for one that cannot be read."""
    if name == "-":
        return nullcontext(sys.stdin.buffer)
    try:
        return Path(name).open("rb")
    except OSError as fault:
        raise InvalidRequest(f"{name} cannot be read: {fault.strerror}.", field="file") from fault


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
    if rules == expiry.ExpiryRules():
        raise InvalidRequest(
            "Nothing expires without a rule.", next_step="Name --days, --runs or --audit-days.", field="days"
        )

    async def work(history: History) -> None:
        plan = await expiry.plan(history, rules, SystemClock().now())
        if not options.remove:
            print(msgspec.json.encode(plan).decode())
            return
        removed = Counter[str]()
        while plan:  # one after the other, as each names a bounded number of records
            await expiry.remove(history, plan)
            removed.update({name: len(getattr(plan, name)) for name in RETAINED})
            plan = await expiry.plan(history, rules, SystemClock().now())
        print(json.dumps({"removed": {name: removed[name] for name in RETAINED}}))

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
