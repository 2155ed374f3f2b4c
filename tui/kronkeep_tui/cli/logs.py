"""`kronkeep logs`: the log of a run, a backup, a copy or a restore.

A terminal gets cleaned text. A file or another program gets the bytes as they were written.
"""

import argparse
import re
import sys
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing
from typing import TYPE_CHECKING, NamedTuple

from kronkeep_common.errors import InvalidRequest, LogNotFound
from kronkeep_common.text import clean
from kronkeep_tui.cli.arguments import add_namespace, read_count
from kronkeep_tui.cli.record_ids import find_run_id, last_part
from kronkeep_tui.cli.verb import Verbs, add_verb, with_client

if TYPE_CHECKING:
    from kronkeep_common.client import Client

LONGEST_PIECE = 2**20  # bytes of a line that are held back until its end comes
POLL_SECONDS = 0.3  # while a run has not started
_STAMP = re.compile(rb"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z ")  # as the kubelet writes it


def add_parser(verbs: Verbs) -> None:
    """Add the verb `logs`."""
    routes = [f"GET /v1/{table}/{{id}}/logs" for table in ("executions", "backups", "copies", "restores")]
    logs = add_verb(verbs, "logs", routes=routes)
    logs.add_argument(
        "id",
        help="the run's id, or NAMESPACE/CRONJOB for its newest run; with --backup, --copy or --restore "
        "that id",
    )
    kind = logs.add_mutually_exclusive_group()
    kind.add_argument("--backup", action="store_true", help="the log of a backup's Jobs and hooks")
    kind.add_argument("--copy", action="store_true", help="the log of the Job that copied a backup")
    kind.add_argument("--restore", action="store_true", help="the output of restic and of a restore's check")
    kind.add_argument("-f", "--follow", action="store_true", help="follow a run's log until its end")
    logs.add_argument(
        "--attempt", type=read_count, metavar="N", help="only the run's attempt of that number, from 1"
    )
    logs.add_argument(
        "--tail", type=read_count, metavar="N", help="only the last N lines of the run's log, up to now"
    )
    logs.add_argument("--timestamps", action="store_true", help="print when each line was written, in UTC")
    add_namespace(logs)
    logs.set_defaults(func=with_client(_print_logs))


class _LogPiece(NamedTuple):
    """A line with its end, or a part of a very long one; `is_start` where a line begins."""

    text: bytes
    is_start: bool


async def _print_logs(client: "Client", options: argparse.Namespace) -> int:
    if options.attempt is not None and (options.backup or options.copy or options.restore):
        raise InvalidRequest("--attempt is for the log of a run.", field="attempt")
    if options.tail is not None and (options.backup or options.copy or options.restore or options.follow):
        raise InvalidRequest("--tail is for the log of a run that is not followed.", field="tail")
    if options.backup:
        chunks = client.backups.log(last_part(options.id))
    elif options.copy:
        chunks = client.copies.log(last_part(options.id))
    elif options.restore:
        chunks = client.restores.log(last_part(options.id))
    else:
        run_id = await find_run_id(client, options.id, options.namespace)
        chunks = client.runs.log(run_id, follow=options.follow, attempt=options.attempt, tail=options.tail)
    write = _write_cleaned if sys.stdout.isatty() else _write_bytes
    await _copy(chunks, write, timestamps=options.timestamps)
    return 0


async def follow_run(client: "Client", run_id: str) -> None:
    """Print a run's log from its first byte to its last, waiting for the run to start."""
    while (await client.runs.get(run_id)).status == "pending":
        await client.pause(POLL_SECONDS)
    try:
        await _copy(client.runs.log(run_id, follow=True), _write_cleaned)
    except LogNotFound as error:
        sys.stderr.write(clean(error.message, 500) + "\n")


async def _copy(
    chunks: AsyncGenerator[bytes, None], write: Callable[[bytes], None], *, timestamps: bool = False
) -> None:
    """Copy a log to standard output, without the time at the start of each line unless `timestamps`."""
    async with aclosing(chunks) as stream:
        async for pieces in _split_lines(stream):
            for piece in pieces:
                is_stamped = piece.is_start and not timestamps
                write(_STAMP.sub(b"", piece.text, 1) if is_stamped else piece.text)
            sys.stdout.flush()


async def _split_lines(chunks: AsyncIterator[bytes]) -> AsyncIterator[list[_LogPiece]]:
    """Yield the pieces that each chunk completes; a line longer than LONGEST_PIECE comes in parts."""
    rest = b""
    is_start = True
    async for chunk in chunks:
        *lines, rest = (rest + chunk).split(b"\n")
        pieces = [_LogPiece(line + b"\n", is_start or number > 0) for number, line in enumerate(lines)]
        is_start = is_start or bool(lines)
        if len(rest) > LONGEST_PIECE:
            pieces.append(_LogPiece(rest, is_start))
            rest = b""
            is_start = False
        yield pieces
    if rest:
        yield [_LogPiece(rest, is_start)]


def _write_bytes(text: bytes) -> None:
    sys.stdout.buffer.write(text)


def _write_cleaned(text: bytes) -> None:
    """Write text with its control characters made visible, in whole lines."""
    line = text.removesuffix(b"\n").decode(errors="replace")
    sys.stdout.write(clean(line, len(line)) + "\n")
