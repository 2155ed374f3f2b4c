"""`kronkeep doctor`: check what kronkeep depends on; a line each: ok, warn or fail, with what to do."""

import argparse
import sys
from typing import TYPE_CHECKING, Any

from kronkeep_common.errors import DaemonUnreachable
from kronkeep_common.text import clean
from kronkeep_tui.cli import output
from kronkeep_tui.cli.verb_runner import add_verb, run_at_once

if TYPE_CHECKING:
    from kronkeep_common.client import Client


def add_parser(verbs: Any) -> None:
    """Add the parser of `doctor` to `verbs`."""
    doctor = add_verb(verbs, "doctor", "GET /v1/doctor")
    doctor.add_argument("-o", "--output", choices=("table", "json", "jsonl", "yaml"), default="table")
    doctor.add_argument("--all", action="store_true", help="show what is well, too, when something is not")
    doctor.set_defaults(func=run_at_once(_look))


async def _look(client: "Client", options: argparse.Namespace) -> int:
    try:
        checks = (await client.doctor()).items
    except DaemonUnreachable as fault:
        sys.stdout.write(f"fail  socket: {clean(fault.message, 500)}\n      {clean(fault.next_step, 500)}\n")
        raise
    failed = any(check.status == "fail" for check in checks)
    if options.output != "table":
        output.show("checks", checks, options.output)
        return int(failed)
    troubled = [check for check in checks if check.status != "ok"]
    for check in checks if options.all or not troubled else troubled:
        sys.stdout.write(f"{check.status:<4}  {clean(check.name, 200)}: {clean(check.message, 1000)}\n")
        if check.next_step:
            sys.stdout.write(f"      {clean(check.next_step, 500)}\n")
    good = len(checks) - len(troubled)
    bad = sum(check.status == "fail" for check in checks)
    sys.stdout.write(f"{good} ok, {len(troubled) - bad} warn, {bad} fail\n")
    return int(failed)
