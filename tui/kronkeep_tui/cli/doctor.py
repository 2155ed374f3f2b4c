"""`kronkeep doctor`: check what the daemon depends on, one line each: ok, warn or fail, with what to do."""

import argparse
import sys
from typing import TYPE_CHECKING

from kronkeep_common.errors import DaemonUnreachable
from kronkeep_common.text import clean
from kronkeep_tui.cli import output
from kronkeep_tui.cli.verb import Verbs, add_verb, with_blocking_client

if TYPE_CHECKING:
    from kronkeep_common.api import Check
    from kronkeep_common.client import Client


def add_parser(verbs: Verbs) -> None:
    """Add the verb `doctor`."""
    doctor = add_verb(verbs, "doctor", routes=["GET /v1/doctor"])
    doctor.add_argument(
        "-o",
        "--output",
        choices=("table", "json", "jsonl", "yaml"),
        default="table",
        help="of what is printed (default: %(default)s)",
    )
    doctor.add_argument("--all", action="store_true", help="print what is well, too, where something is not")
    doctor.set_defaults(func=with_blocking_client(_check))


async def _check(client: "Client", options: argparse.Namespace) -> int:
    try:
        checks = (await client.doctor()).items
    except DaemonUnreachable as fault:
        sys.stdout.write(f"fail  socket: {clean(fault.message, 500)}\n      {clean(fault.next_step, 500)}\n")
        raise
    if options.output == "table":
        _print_checks(checks, everything=options.all)
    else:
        output.print_records("checks", checks, options.output)
    return int(any(check.status == "fail" for check in checks))


def _print_checks(checks: "list[Check]", *, everything: bool) -> None:
    """Print those that are not ok, or all of them; then how many there are of each."""
    troubles = [check for check in checks if check.status != "ok"]
    for check in checks if everything or not troubles else troubles:
        sys.stdout.write(f"{check.status:<4}  {clean(check.name, 200)}: {clean(check.message, 1000)}\n")
        if check.next_step:
            sys.stdout.write(f"      {clean(check.next_step, 500)}\n")
    failed = sum(check.status == "fail" for check in checks)
    sys.stdout.write(f"{len(checks) - len(troubles)} ok, {len(troubles) - failed} warn, {failed} fail\n")
