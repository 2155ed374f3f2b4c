"""Waiting for a run and its backup, with a bar on a terminal and plain lines elsewhere; `kronkeep watch`."""

import argparse
import sys
from collections.abc import Awaitable, Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from kronkeep_common.text import clean, duration, size
from kronkeep_tui.cli.verb_runner import add_verb, run

if TYPE_CHECKING:
    from kronkeep_common.client import Client

STEP = 0.3  # seconds between two looks
BAR = 24
FINAL = ("succeeded", "failed", "cancelled", "missed", "unknown", "partial", "completed")


class StatusLine:
    """A line that is rewritten in place on a terminal; elsewhere each change of state is a new line."""

    def __init__(self) -> None:
        self._live = sys.stderr.isatty()
        self._last = ""

    def show(self, state: str, rest: str = "") -> None:
        """Show a state; `rest` changes often and is only shown on a terminal."""
        text = f"{state} {rest}".rstrip() if self._live else state
        if text == self._last:
            return
        self._last = text
        sys.stderr.write(f"\r\x1b[K{text}" if self._live else text + "\n")
        sys.stderr.flush()

    def end(self) -> None:
        """End the line that was rewritten."""
        if self._live and self._last:
            sys.stderr.write("\n")


def bar(percent: float) -> str:
    """Return a bar such as `[#####     ]  21%`."""
    full = round(max(0.0, min(100.0, percent)) / 100 * BAR)
    return f"[{'#' * full}{' ' * (BAR - full)}] {percent:3.0f}%"


async def wait_for_run(client: "Client", execution_id: str) -> Any:
    """Wait until a run has ended, and return it."""
    return await _wait_until_ended(client, "run", partial(client.runs.get, execution_id))


async def wait_for_backup(client: "Client", backup_id: str) -> Any:
    """Wait until a backup has ended, and return it."""
    return await _wait_until_ended(client, "backup", partial(client.backups.get, backup_id))


async def wait_for_restore(client: "Client", restore_id: str) -> Any:
    """Wait until a restore or drill has ended, and return it."""
    return await _wait_until_ended(client, "restore", partial(client.restores.get, restore_id))


async def _wait_until_ended(client: "Client", what: str, fetch: Callable[[], Awaitable[Any]]) -> Any:
    """Poll a record with `look` until its status is final, showing the status meanwhile."""
    line = StatusLine()
    while (record := await fetch()).status not in FINAL:
        line.show(f"{what} {clean(record.id, 80)} {record.status}", _progress(record))
        await client.pause(STEP)
    line.show(f"{what} {clean(record.id, 80)} {record.status}", duration(record.duration_seconds))
    line.end()
    return record


def _progress(record: Any) -> str:
    """Return a bar for a backup or restore that reports progress; empty for runs."""
    progress = getattr(record, "progress", None)
    if progress is None:
        return ""
    return f"{bar(progress.percent)} {size(progress.bytes_done)} of {size(progress.bytes_total)}"


def report_end(record: Any) -> int:
    """Return 0 for a good end; else print the reason and the next step to standard error and return 1."""
    if record.status in ("succeeded", "completed"):
        return 0
    for text in (record.message, record.next_step):
        if text:
            sys.stderr.write(clean(text, 2000) + "\n")
    return 1


def add_parser(verbs: Any) -> None:
    """Add the parser of `watch` to `verbs`."""
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
    """Print each change until the connection ends."""
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
