"""`kronkeep logs`: the log of a run, a backup or a restore."""

import argparse
import re
import sys
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

from kronkeep_common.errors import InvalidRequest, LogNotFound
from kronkeep_common.text import clean
from kronkeep_tui.cli.verb import Verbs, add_verb, with_client

if TYPE_CHECKING:
    from kronkeep_common.client import Client

POLL_SECONDS = 0.3  # while a run has not started
_STAMP = re.compile(rb"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z ")  # as the kubelet writes it


def add_parser(verbs: Verbs) -> None:
    """Add the verb `logs`."""
    routes = [f"GET /v1/{table}/{{id}}/logs" for table in ("executions", "backups", "restores")]
    logs = add_verb(verbs, "logs", routes=routes)
    logs.add_argument("id", help="the id of the run or, with --backup or --restore, of that one")
    kind = logs.add_mutually_exclusive_group()
    kind.add_argument("--backup", action="store_true", help="the log of a backup's Jobs and hooks")
    kind.add_argument("--restore", action="store_true", help="the output of restic and of a restore's check")
    kind.add_argument("-f", "--follow", action="store_true", help="follow a run's log until its end")
    logs.add_argument(
        "--attempt", type=int, metavar="N", help="only the run's attempt of that number, from 1"
    )
    logs.add_argument("--timestamps", action="store_true", help="print when each line was written, in UTC")
    logs.set_defaults(func=with_client(_print_logs))


async def _print_logs(client: "Client", options: argparse.Namespace) -> int:
    if options.attempt is not None and (options.backup or options.restore):
        raise InvalidRequest("--attempt is for the log of a run.", field="attempt")
    if options.backup:
        chunks = client.backups.log(options.id)
    elif options.restore:
        chunks = client.restores.log(options.id)
    else:
        chunks = client.runs.log(options.id, follow=options.follow, attempt=options.attempt)
    await _copy(chunks, timestamps=options.timestamps)
    return 0


async def follow_run(client: "Client", run_id: str) -> None:
    """Print a run's log from its first byte to its last, waiting for the run to start."""
    while (await client.runs.get(run_id)).status == "pending":
        await client.pause(POLL_SECONDS)
    try:
        await _copy(client.runs.log(run_id, follow=True))
    except LogNotFound as error:
        sys.stderr.write(clean(error.message, 500) + "\n")


async def _copy(chunks: AsyncIterator[bytes], *, timestamps: bool = False) -> None:
    """Copy a text to standard output line by line, with its control characters made visible."""
    rest = b""
    async for chunk in chunks:
        *lines, rest = (rest + chunk).split(b"\n")
        for line in lines:
            _print_line(line, timestamps)
        sys.stdout.flush()
    if rest:
        _print_line(rest, timestamps)


def _print_line(line: bytes, timestamps: bool) -> None:
    text = line if timestamps else _STAMP.sub(b"", line, 1)
    sys.stdout.write(clean(text.decode(errors="replace")) + "\n")
