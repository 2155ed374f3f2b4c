"""Waiting for a run and its backup: a bar on a terminal, plain lines elsewhere; and `kronkeep watch`."""

import argparse
import sys
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

from kronkeep_common.text import clean, duration, size
from kronkeep_tui.cli.verb_runner import add_verb, run

if TYPE_CHECKING:
    from kronkeep_common.client import Client

STEP = 0.3  # seconds between two looks
BAR = 24
FINAL = ("succeeded", "failed", "cancelled", "missed", "unknown", "partial", "completed")


class Line:
    """One line that changes in place on a terminal; elsewhere each change of state is a line of its own."""

    def __init__(self) -> None:
        self._live = sys.stderr.isatty()
        self._last = ""

    def show(self, state: str, rest: str = "") -> None:
        """Shows where it stands; `rest` changes often and is only for terminals."""
        text = f"{state} {rest}".rstrip() if self._live else state
        if text == self._last:
            return
        self._last = text
        sys.stderr.write(f"\r\x1b[K{text}" if self._live else text + "\n")
        sys.stderr.flush()

    def end(self) -> None:
        """Leaves the line."""
        if self._live and self._last:
            sys.stderr.write("\n")


def bar(percent: float) -> str:
    """`[#####     ]  21%`."""
    full = round(max(0.0, min(100.0, percent)) / 100 * BAR)
    return f"[{'#' * full}{' ' * (BAR - full)}] {percent:3.0f}%"


async def run_ended(client: "Client", execution_id: str) -> Any:
    """The run once it has ended."""
    return await _ended(client, "run", lambda: client.runs.get(execution_id))


async def backup_ended(client: "Client", backup_id: str) -> Any:
    """The backup once it has ended."""
    return await _ended(client, "backup", lambda: client.backups.get(backup_id))


async def restore_ended(client: "Client", restore_id: str) -> Any:
    """The restore or drill once it has ended."""
    return await _ended(client, "restore", lambda: client.restores.get(restore_id))


async def _ended(client: "Client", what: str, look: Callable[[], Awaitable[Any]]) -> Any:
    """The record once it has ended; until then a line says where it stands."""
    line = Line()
    while (record := await look()).status not in FINAL:
        line.show(f"{what} {clean(record.id, 80)} {record.status}", _progress(record))
        await client.pause(STEP)
    line.show(f"{what} {clean(record.id, 80)} {record.status}", duration(record.duration_seconds))
    line.end()
    return record


def _progress(record: Any) -> str:
    """A bar for a backup or a restore that tells how far it is; runs do not."""
    found = getattr(record, "progress", None)
    if found is None:
        return ""
    return f"{bar(found.percent)} {size(found.bytes_done)} of {size(found.bytes_total)}"


def told(record: Any) -> int:
    """0 for a good end; else the reason and the next step on standard error, and 1."""
    if record.status in ("succeeded", "completed"):
        return 0
    for text in (record.message, record.next_step):
        if text:
            sys.stderr.write(clean(text, 2000) + "\n")
    return 1


def add_parser(verbs: Any) -> None:
    """Adds `watch`."""
    words = "changes as they happen, one line each, until interrupted"
    parser = add_verb(verbs, "watch", "GET /v1/events", help=words)
    parser.add_argument(
        "kind", nargs="?", choices=("executions", "backups", "restores", "storages", "alerts")
    )
    parser.add_argument("--filter", help="such as 'status:failed ns:pay'")
    parser.add_argument("--since", type=int, metavar="SEQ", help="resume after the change of this number")
    parser.add_argument("-o", "--output", choices=("table", "jsonl"), default="table")
    parser.set_defaults(func=run(watch))


async def watch(client: "Client", options: argparse.Namespace) -> int:
    """Prints each change; ends with the connection."""
    import msgspec

    async for event in client.events(
        options.since, tables=[options.kind] if options.kind else None, filter=options.filter
    ):
        if options.output == "jsonl":
            sys.stdout.write(msgspec.json.encode(event).decode() + "\n")
        else:
            record = event.record or {}
            name = record.get("cronjob") or record.get("id") or event.id
            where = f"{record.get('namespace', '')}/{name}".removeprefix("/")
            words = [event.seq, event.table, where, event.id, record.get("status", "removed")]
            sys.stdout.write("  ".join(clean(str(word), 200) for word in words) + "\n")
        sys.stdout.flush()
    return 0
