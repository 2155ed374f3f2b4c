"""`kronkeep watch`: changes as they happen, one line each."""

import argparse
import sys
from contextlib import aclosing
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
    watch.add_argument(
        "kind", nargs="?", choices=WATCHED_KINDS, type=plural_kind, help="only of this kind (default: all)"
    )
    watch.add_argument("--filter", help="such as 'status:failed ns:pay'")
    watch.add_argument("--since", type=int, metavar="SEQ", help="begin after the change with this number")
    watch.add_argument(
        "-o",
        "--output",
        choices=("table", "jsonl"),
        default="table",
        help="of what is printed (default: %(default)s)",
    )
    output.add_zone(watch, "the zone of times")
    watch.set_defaults(func=with_client(_watch))


async def _watch(client: "Client", options: argparse.Namespace) -> int:
    newest = (await client.snapshot(whole=False)).seq if options.since is not None else 0
    await print_changes(client, options, options.since, options.filter, past_until=newest)
    return 0


async def print_changes(
    client: "Client",
    options: argparse.Namespace,
    since: int | None,
    filter_text: str | None,
    *,
    past_until: int = 0,
) -> None:
    """Print changes of the kind of `options` as they come, from the one after `since` on.

    past_until: the number of the newest change before this command; up to it a line has the time that
        its record tells.
    """
    tables = [options.kind] if options.kind else None
    zone = options.zone or local_zone()
    shown: dict[str, str] = {}
    async with aclosing(client.events(since, tables=tables, filter=filter_text)) as events:
        async for event in events:
            if options.output == "jsonl":
                sys.stdout.write(msgspec.json.encode(event).decode() + "\n")
            elif (line := _describe(event)) != shown.get(event.id):
                shown.pop(event.id, None)
                shown[event.id] = line
                if len(shown) > MOST_REMEMBERED:
                    shown.pop(next(iter(shown)))
                moment = _newest_moment(event) if event.seq <= past_until else datetime.now(UTC)
                stamp = format_rfc3339(moment, zone) if moment else "-"
                sys.stdout.write(f"{stamp}  {line}\n")
            sys.stdout.flush()


# When something happened to a record; those of a schedule, such as `due_at`, may lie ahead.
_HAPPENED = ("created_at", "started_at", "ended_at", "since", "resolved_at", "acknowledged_at", "checked_at")


def _newest_moment(event: "ChangeEvent") -> datetime | None:
    """Return when the newest thing happened that the record tells of; None where it tells of none."""
    texts = [text for key in _HAPPENED if isinstance(text := (event.record or {}).get(key), str)]
    return max(map(datetime.fromisoformat, texts), default=None)


def _describe(event: "ChangeEvent") -> str:
    record = event.record or {}
    name = record.get("cronjob") or record.get("id") or event.id
    object_name = f"{record.get('namespace', '')}/{name}".removeprefix("/")
    words = [event.table, object_name]
    words += [short_id(event.id)] if event.id != object_name else []
    words.append(record.get("status", "removed"))
    words += [text for key in ("reason", "message") if (text := record.get(key))]
    return "  ".join(clean(str(word), 200) for word in words)
