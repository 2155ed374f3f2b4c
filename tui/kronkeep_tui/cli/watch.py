"""`kronkeep watch`: changes as they happen, one line each."""

import argparse
import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import msgspec

from kronkeep_common.display_zone import format_rfc3339, local_zone
from kronkeep_common.text import clean, short_id
from kronkeep_tui.cli import output
from kronkeep_tui.cli.arguments import plural_kind
from kronkeep_tui.cli.verb import Verbs, add_verb, with_client

if TYPE_CHECKING:
    from kronkeep_common.api import ChangeEvent
    from kronkeep_common.client import Client


WATCHED_KINDS = ("executions", "backups", "copies", "restores", "storages", "alerts")
MOST_REMEMBERED = 10_000  # records whose last line is known, so that no line is printed twice


def add_parser(verbs: Verbs) -> None:
    """Add the verb `watch`."""
    help_text = "print changes as they happen, one line each, until interrupted"
    watch = add_verb(verbs, "watch", routes=["GET /v1/events"], help=help_text)
    watch.add_argument("kind", nargs="?", choices=WATCHED_KINDS, type=plural_kind)
    watch.add_argument("--filter", help="such as 'status:failed ns:pay'")
    watch.add_argument("--since", type=int, metavar="SEQ", help="begin after the change with this number")
    watch.add_argument("-o", "--output", choices=("table", "jsonl"), default="table")
    output.add_zone(watch, "the zone of times")
    watch.set_defaults(func=with_client(_watch))


async def _watch(client: "Client", options: argparse.Namespace) -> int:
    await print_changes(client, options, options.since, options.filter)
    return 0


async def print_changes(
    client: "Client", options: argparse.Namespace, since: int | None, filter_text: str | None
) -> None:
    """Print changes of the kind of `options` as they come, from the one after `since` on."""
    tables = [options.kind] if options.kind else None
    zone = options.zone or local_zone()
    shown: dict[str, str] = {}
    async for event in client.events(since, tables=tables, filter=filter_text):
        if options.output == "jsonl":
            sys.stdout.write(msgspec.json.encode(event).decode() + "\n")
        elif (line := _describe(event)) != shown.get(event.id):
            shown.pop(event.id, None)
            shown[event.id] = line
            if len(shown) > MOST_REMEMBERED:
                shown.pop(next(iter(shown)))
            sys.stdout.write(f"{format_rfc3339(datetime.now(UTC), zone)}  {line}\n")
        sys.stdout.flush()


def _describe(event: "ChangeEvent") -> str:
    record = event.record or {}
    name = record.get("cronjob") or record.get("id") or event.id
    object_name = f"{record.get('namespace', '')}/{name}".removeprefix("/")
    words = [event.table, object_name, short_id(event.id), record.get("status", "removed")]
    words += [text for key in ("reason", "message") if (text := record.get(key))]
    return "  ".join(clean(str(word), 200) for word in words)
