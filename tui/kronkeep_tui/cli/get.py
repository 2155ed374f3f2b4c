"""`kronkeep get`: lists of records, or one whole record."""

import argparse
import sys
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from kronkeep_common.errors import InvalidRequest
from kronkeep_common.text import age
from kronkeep_tui.cli import output
from kronkeep_tui.cli.arguments import add_cluster, plural_kind, read_count
from kronkeep_tui.cli.record_reader import fetch_record
from kronkeep_tui.cli.verb import Verbs, add_verb, with_blocking_client, with_client
from kronkeep_tui.cli.watch import WATCHED_KINDS, print_changes

if TYPE_CHECKING:
    from kronkeep_common.api import ListOf
    from kronkeep_common.client import Client

    Page = ListOf[Any]

# The daemon filters these itself.
PAGED = ("executions", "backups", "copies", "restores", "alerts", "silences", "maintenance")
KINDS = (
    "cronjobs",
    "executions",
    "backups",
    "copies",
    "restores",
    "storages",
    "policies",
    "queue",
    "manifests",
    "sinks",
    "alerts",
    "silences",
    "maintenance",
)
LIMIT = 50  # of a list of PAGED without --limit
MOST = 1000  # that the daemon takes as a limit
MOST_PAGES = 10  # that are asked for in addition, each of which may take the daemon a second
ONE_HELP = "one whole record: its id or the beginning of that, its name, or NAMESPACE/NAME of a CronJob"


def add_parser(verbs: Verbs) -> None:
    """Add the verb `get`."""
    routes = [f"GET /v1/{kind}" for kind in KINDS]
    get = add_verb(verbs, "get", routes=routes, help=f"list {', '.join(KINDS[:-1])} or {KINDS[-1]}")
    get.add_argument("kind", choices=KINDS, type=plural_kind, metavar="KIND", help=", ".join(KINDS))
    get.add_argument("id", nargs="?", help=ONE_HELP)
    get.add_argument("--filter", help="such as 'status:failed ns:pay age:<24h'")
    where = get.add_mutually_exclusive_group()
    where.add_argument("-n", "--namespace", help="only of this namespace")
    where.add_argument("-A", "--all-namespaces", action="store_true", help="of all namespaces (the default)")
    add_cluster(get)
    get.add_argument("--limit", type=read_count, help=f"how many records (of the history: {LIMIT})")
    get.add_argument(
        "--sort-by",
        metavar="FIELD",
        help="a field of the JSON, or a column such as took; -FIELD: descending",
    )
    output.add_options(get)
    output.add_zone(get)
    get.add_argument("-w", "--watch", action="store_true", help="then print changes as they happen")
    get.set_defaults(func=_run)


def _run(options: argparse.Namespace) -> int:
    """List without an event loop, or list and then wait for changes."""
    return (with_client(_get_and_watch) if options.watch else with_blocking_client(_get))(options)


async def _get_and_watch(client: "Client", options: argparse.Namespace) -> int:
    if options.id or options.kind not in WATCHED_KINDS or options.output not in ("table", "wide", "jsonl"):
        raise InvalidRequest(
            "--watch is for a list, as a table or as jsonl.",
            next_step=f"The kinds that can be watched: {', '.join(WATCHED_KINDS)}.",
        )
    since = (await client.snapshot(whole=False)).seq
    await _get(client, options)
    sys.stdout.flush()
    await print_changes(client, options, since, _filter_text(options))
    return 0


def _filter_text(options: argparse.Namespace) -> str | None:
    terms = [options.filter] if options.filter else []
    terms += [f"ns:{options.namespace}"] if options.namespace else []
    terms += [f"cluster:{options.cluster}"] if options.cluster else []
    return " ".join(terms) or None


async def _get(client: "Client", options: argparse.Namespace) -> int:
    if options.id:
        return await _print_one(client, options)
    filter_text = _filter_text(options)
    if options.kind in PAGED:
        page = await _fetch_page(client, options.kind, filter_text, options.limit)
        records: Sequence[object] = page.items
    else:
        page = await _fetch_all(client, options.kind, filter_text)
        records = page.items[: options.limit]
    if options.sort_by:
        records = output.sort_records(options.kind, records, options.sort_by)
    names = {cluster.id: cluster.name for cluster in page.clusters}
    output.print_records(
        options.kind,
        records,
        options.output,
        headers=not options.no_headers,
        clusters=names,
        zone=options.zone,
    )
    if page.next_cursor is not None:
        sys.stderr.write(_describe_rest(len(page.items), options.limit or LIMIT))
    if page.stale_since is not None:
        since = age(page.stale_since, datetime.now(UTC))
        sys.stderr.write(f"A cluster last answered {since} ago: this may be old. See kronkeep doctor.\n")
    return 0


def _describe_rest(count: int, limit: int) -> str:
    """Return a line about records that are not in the list, for a page that has another after it."""
    if count >= limit:
        return f"There are more: these are the newest {count}. --limit N shows up to {MOST}.\n"
    return "Older records were not looked through: narrow the filter, such as with ns: or age:<30d.\n"


async def _fetch_page(client: "Client", kind: str, filter_text: str | None, limit: int | None) -> "Page":
    """Return the newest records, as many as the limit; `next_cursor` is set where there are more.

    The daemon ends a page where it has looked through many records, though few of them or none match.
    """
    import msgspec

    calls: dict[str, Callable[..., Awaitable[Page]]] = {
        "executions": client.runs.list,
        "backups": client.backups.list,
        "copies": client.copies.list,
        "restores": client.restores.list,
        "alerts": client.alerts.list,
    }
    if kind not in calls:
        unpaged: dict[str, Callable[..., Awaitable[Page]]] = {
            "silences": client.silences.list,
            "maintenance": client.maintenance.list,
        }
        return await unpaged[kind](filter=filter_text, limit=limit or MOST)
    most = limit or LIMIT
    page = await calls[kind](filter=filter_text, limit=most)
    for _ in range(MOST_PAGES):
        if page.next_cursor is None or len(page.items) >= most:
            break
        rest = await calls[kind](filter=filter_text, limit=most - len(page.items), cursor=page.next_cursor)
        page = msgspec.structs.replace(rest, items=[*page.items, *rest.items])
    return page


async def _fetch_all(client: "Client", kind: str, filter_text: str | None) -> "Page":
    unfiltered: dict[str, Callable[[], Awaitable[Page]]] = {
        "queue": client.queue,
        "manifests": client.manifests,
        "sinks": client.sinks,
    }
    if kind in unfiltered:
        page = await unfiltered[kind]()
        return page if filter_text is None else _filter_page(page, kind, filter_text)
    calls: dict[str, Callable[..., Awaitable[Page]]] = {
        "cronjobs": client.cronjobs.list,
        "policies": client.policies.list,
        "storages": client.storages.list,
    }
    return await calls[kind](filter=filter_text)


def _filter_page(page: "Page", kind: str, filter_text: str) -> "Page":
    """Return the records that match, of a list that the daemon does not filter."""
    import msgspec

    from kronkeep_common.filter_words import FilterWords
    from kronkeep_common.record_filter import parse_filter

    record_filter = parse_filter(
        filter_text, {cluster.name: cluster.id for cluster in page.clusters}, FilterWords((kind,))
    )
    now = datetime.now(UTC)
    return msgspec.structs.replace(
        page, items=[each for each in page.items if record_filter.matches(each, now)]
    )


async def _print_one(client: "Client", options: argparse.Namespace) -> int:
    record = await fetch_record(client, options.kind, options.id, options.namespace or "default")
    if options.output in ("wide", "jsonl", "name"):
        output.print_records(
            options.kind, [record], options.output, headers=not options.no_headers, zone=options.zone
        )
    else:
        output.print_document(record, "json" if options.output == "json" else "yaml")
    return 0
