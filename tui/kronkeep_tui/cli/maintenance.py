"""`kronkeep maintenance`: suspend the CronJobs that match a filter, and resume exactly those."""

import argparse
import sys
from typing import TYPE_CHECKING

from kronkeep_common.durations import parse_duration
from kronkeep_common.errors import InvalidRequest
from kronkeep_common.text import clean, short_id
from kronkeep_tui.cli import output
from kronkeep_tui.cli.several_ids import act_on_each
from kronkeep_tui.cli.verb import Verbs, add_verb, with_blocking_client

if TYPE_CHECKING:
    from kronkeep_common.client import Client
    from kronkeep_common.models.maintenance import MaintenanceView

POLL_SECONDS = 0.3
POLLS = 200  # a minute; a thousand CronJobs take less


def add_parser(verbs: Verbs) -> None:
    """Add the verb `maintenance` with its own verbs."""
    maintenance = verbs.add_parser(
        "maintenance", help="suspend the CronJobs that match a filter, and resume exactly those"
    )
    own_verbs = maintenance.add_subparsers(dest="maintenance_verb", required=True, metavar="VERB")
    start = add_verb(own_verbs, "start", routes=["POST /v1/maintenance"])
    which = start.add_mutually_exclusive_group(required=True)
    which.add_argument("--filter", help="which CronJobs, as in kronkeep get cronjobs: 'ns:pay !name:report'")
    which.add_argument("--all", action="store_true", help="all CronJobs of all clusters")
    start.add_argument(
        "--for", dest="duration", metavar="4h", help="ends by itself then: 90m, 4h, 1d12h (to 30d)"
    )
    start.add_argument("--because", metavar="WHY", required=True, help="why, for whoever wonders meanwhile")
    output.add_json(start)
    start.set_defaults(func=with_blocking_client(_start))
    end = add_verb(own_verbs, "end", routes=["POST /v1/maintenance/{id}/end"])
    end.add_argument("ids", nargs="+", metavar="ID", help="kronkeep get maintenance")
    output.add_json(end)
    end.set_defaults(func=with_blocking_client(_end))


async def _start(client: "Client", options: argparse.Namespace) -> int:
    if options.filter is not None and not options.filter.strip():
        raise InvalidRequest("The filter is empty.", next_step="Add --all to suspend every CronJob.")
    seconds = None if options.duration is None else parse_duration(options.duration)
    view = await client.maintenance.start(options.filter or "", because=options.because, for_seconds=seconds)
    view = await _wait_while(client, view, "starting")
    until = f"until {view.ends_at:%Y-%m-%d %H:%M} UTC" if view.ends_at else "until it is ended"
    count = "1 CronJob" if view.cronjobs == 1 else f"{view.cronjobs} CronJobs"
    verb = "suspends" if view.status == "active" else view.status
    output.print_answer(view, f"{short_id(view.id)} {verb}: {count} {until}", options)
    return _print_faults(view)


async def _end(client: "Client", options: argparse.Namespace) -> int:
    async def end(maintenance_id: str) -> "MaintenanceView":
        return await _wait_while(client, await client.maintenance.end(maintenance_id), "ending")

    views = await act_on_each(options.ids, end, _describe_end, options)
    return max(_print_faults(view) for view in views)


def _describe_end(view: "MaintenanceView") -> str:
    if view.status == "ended":
        return f"{short_id(view.id)} has ended: its CronJobs run again from their next slots on"
    return f"{short_id(view.id)} is ending: {view.cronjobs} CronJobs are still suspended"


async def _wait_while(client: "Client", view: "MaintenanceView", status: str) -> "MaintenanceView":
    """Return a maintenance once it has another status; after a minute as it is then."""
    for _ in range(POLLS):
        if view.status != status:
            break
        await client.pause(POLL_SECONDS)
        view = await client.maintenance.get(view.id)
    return view


def _print_faults(view: "MaintenanceView") -> int:
    for fault in view.faults:
        sys.stderr.write(f"kronkeep: {clean(fault, 500)}\n")
    return 1 if view.faults else 0
