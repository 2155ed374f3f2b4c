"""Verbs that act on a CronJob (trigger, suspend, resume, backup, delete), and `logs`."""

import argparse
import re
import sys
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any

from kronkeep_common.errors import LogNotFound
from kronkeep_common.text import clean
from kronkeep_tui.cli import wait
from kronkeep_tui.cli.verb_runner import add_verb, parse_variables, run, split_name

if TYPE_CHECKING:
    from kronkeep_common.client import Client

_STAMP = re.compile(rb"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z ")  # as the kubelet writes it
_ONE = "/v1/cronjobs/{namespace}/{name}"
VERBS = {
    "trigger": f"POST {_ONE}/trigger",
    "suspend": f"POST {_ONE}/suspend",
    "resume": f"POST {_ONE}/resume",
    "backup": f"POST {_ONE}/backup",
    "delete": f"DELETE {_ONE}",
}


def add_parser(verbs: Any) -> None:
    """Add the parsers of the CronJob verbs and of `logs` to `verbs`."""
    for verb, route in VERBS.items():
        _cronjob_verb(verbs, verb, route)
    logs = add_verb(
        verbs, "logs", *(f"GET /v1/{of}/{{id}}/logs" for of in ("executions", "backups", "restores"))
    )
    logs.add_argument("id", help="the run's id, or with --backup or --restore that one's")
    what = logs.add_mutually_exclusive_group()
    what.add_argument("--backup", action="store_true", help="what a backup's Jobs and hooks said")
    what.add_argument("--restore", action="store_true", help="what restic and the check of a restore said")
    what.add_argument("-f", "--follow", action="store_true", help="of a run: until its end")
    logs.add_argument("--timestamps", action="store_true", help="when each line was written, in UTC")
    logs.set_defaults(func=run(_logs))


def _cronjob_verb(verbs: Any, verb: str, route: str) -> None:
    one = add_verb(verbs, verb, route)
    one.add_argument("name", help="NAMESPACE/NAME, or NAME in the namespace default")
    one.add_argument("-n", "--namespace", default="default", help="where NAME alone is")
    if verb in ("trigger", "backup"):
        one.add_argument("--wait", action="store_true", help="until the run and its backup have ended")
    if verb == "trigger":
        one.add_argument("--follow", action="store_true", help="show the run's log, and wait")
        one.add_argument("--env", action="append", default=[], metavar="K=V", help="for this run only")
    if verb == "delete":
        one.add_argument("--yes", metavar="NAME", help="the CronJob's name, as confirmation")
    if verb == "backup":
        one.add_argument("--full", action="store_true", help="read every file again")
        one.add_argument("--compression", choices=("off", "auto", "max"), help="for this backup only")
    one.set_defaults(func=run(_act))


async def _act(client: "Client", options: argparse.Namespace) -> int:
    namespace, name = split_name(options.name, options.namespace)
    if options.verb == "trigger":
        run = await client.cronjobs.trigger(namespace, name, parse_variables(options.env))
        print(f"{run.id} {run.status}" + (f", backup {run.backup_id}" if run.backup_id else ""))
        if options.follow:
            await _show_log(client, run.id)
        if options.follow or options.wait:
            return await _until_ended(client, run)
    elif options.verb == "backup":
        backup = await client.cronjobs.back_up(
            namespace, name, backup_type="full" if options.full else None, compression=options.compression
        )
        print(f"{backup.id} {backup.status}")
        if options.wait:
            return wait.report_end(await wait.wait_for_backup(client, backup.id))
    elif options.verb == "delete":
        await client.cronjobs.delete(namespace, name, options.yes or "")
        print(f"{namespace}/{name} is deleted; its history stays")
    else:
        suspend = options.verb == "suspend"
        change = client.cronjobs.suspend if suspend else client.cronjobs.resume
        await change(namespace, name)
        print(f"{namespace}/{name} is {'suspended' if suspend else 'resumed'}")
    return 0


async def _until_ended(client: "Client", run: Any) -> int:
    ended = await wait.wait_for_run(client, run.id)
    if ended.backup_id is None:
        return wait.report_end(ended)
    return wait.report_end(ended) or wait.report_end(await wait.wait_for_backup(client, ended.backup_id))


async def _show_log(client: "Client", run_id: str) -> None:
    """Print the log from the first byte to the last; wait for a run that has not started yet."""
    while (await client.runs.get(run_id)).status == "pending":
        await client.pause(0.3)
    try:
        await _copy(client.runs.log(run_id, follow=True))
    except LogNotFound as none:
        sys.stderr.write(clean(none.message, 500) + "\n")


async def _logs(client: "Client", options: argparse.Namespace) -> int:
    if options.backup:
        chunks = client.backups.log(options.id)
    elif options.restore:
        chunks = client.restores.log(options.id)
    else:
        chunks = client.runs.log(options.id, follow=options.follow)
    await _copy(chunks, timestamps=options.timestamps)
    return 0


async def _copy(chunks: AsyncIterator[bytes], *, timestamps: bool = False) -> None:
    """Copy text to standard output line by line, without control sequences."""
    rest = b""
    async for chunk in chunks:
        *lines, rest = (rest + chunk).split(b"\n")
        for line in lines:
            _line(line, timestamps)
        sys.stdout.flush()
    if rest:
        _line(rest, timestamps)


def _line(line: bytes, timestamps: bool) -> None:
    text = line if timestamps else _STAMP.sub(b"", line, 1)
    sys.stdout.write(clean(text.decode(errors="replace")) + "\n")
