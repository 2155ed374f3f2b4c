"""`kronkeep get`: print a list, or one whole record."""

import argparse
import sys
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from kronkeep_common.errors import InvalidRequest
from kronkeep_common.text import age
from kronkeep_tui.cli import output
from kronkeep_tui.cli.verb_runner import add_cluster, add_verb, run_at_once, split_name

if TYPE_CHECKING:
    from kronkeep_common.api import ListOf
    from kronkeep_common.client import Client

PAGED = ("executions", "backups", "restores", "alerts")
KINDS = ("cronjobs", "executions", "backups", "restores", "storages", "policies", "manifests", "alerts")


def add_parser(verbs: Any) -> None:
    """Add the parser of `get` to `verbs`."""
    routes = [f"GET /v1/{kind}" for kind in KINDS]
    get = add_verb(verbs, "get", *routes, help=f"list {', '.join(KINDS[:-1])} or {KINDS[-1]}")
    get.add_argument("kind", choices=KINDS)
    get.add_argument("id", nargs="?", help="NAMESPACE/NAME of a CronJob, else an id: only this one, whole")
    get.add_argument("--filter", help="such as 'status:failed ns:pay age:<24h'")
    where = get.add_mutually_exclusive_group()
    where.add_argument("-n", "--namespace", help="only this one")
    where.add_argument("-A", "--all-namespaces", action="store_true", help="all of them, as without -n")
    add_cluster(get)
    get.add_argument("--limit", type=int)
    get.add_argument(
        "--sort-by", metavar="FIELD", help="a field of the JSON, such as created_at; -FIELD turns it"
    )
    get.add_argument("-o", "--output", choices=output.FORMATS, default="table")
    get.add_argument("--no-headers", action="store_true")
    get.set_defaults(func=run_at_once(_list))


async def _list(client: "Client", options: argparse.Namespace) -> int:
    if options.id:
        return await _one(client, options)
    terms = [options.filter] if options.filter else []
    terms += [f"ns:{options.namespace}"] if options.namespace else []
    terms += [f"cluster:{options.cluster}"] if options.cluster else []
    filter_text = " ".join(terms) or None
    answer: ListOf[Any]
    if options.kind in PAGED:
        paged: dict[str, Callable[..., Awaitable[ListOf[Any]]]] = {
            "executions": client.runs.list,
            "backups": client.backups.list,
            "restores": client.restores.list,
            "alerts": client.alerts.list,
        }
        answer = await paged[options.kind](filter=filter_text, limit=options.limit)
    else:
        unpaged: dict[str, Callable[[], Awaitable[ListOf[Any]]]] = {
            "cronjobs": client.cronjobs.list,
            "policies": client.policies.list,
            "storages": client.storages.list,
            "manifests": client.manifests,
        }
        answer = await unpaged[options.kind]()
    items = answer.items if options.kind in PAGED else _filter_items(answer, filter_text)[: options.limit]
    items = output.sort_records(items, options.sort_by) if options.sort_by else items
    names = {cluster.id: cluster.name for cluster in answer.clusters}
    output.show(options.kind, items, options.output, headers=not options.no_headers, clusters=names)
    if answer.stale_since is not None:
        _warn(age(answer.stale_since, datetime.now(UTC)))
    return 0


def _warn(since: str) -> None:
    sys.stderr.write(f"A cluster was last heard {since} ago: this may be old. See kronkeep doctor.\n")


def _filter_items(answer: Any, text: str | None) -> list[Any]:
    """Return the items that pass the filter, for lists that the daemon does not filter."""
    if text is None:
        return list(answer.items)
    from kronkeep_common.record_filter import parse_filter

    query = parse_filter(text, {cluster.name: cluster.id for cluster in answer.clusters})
    now = datetime.now(UTC)
    return [item for item in answer.items if query.matches(item, now)]


async def _one(client: "Client", options: argparse.Namespace) -> int:
    if options.kind in ("policies", "manifests"):
        words = f"There is no way to ask for one of the {options.kind}."
        raise InvalidRequest(words, next_step=f"kronkeep get {options.kind}.")
    if options.kind == "cronjobs":
        return _print_one(await client.cronjobs.get(*split_name(options.id)), options)
    get: dict[str, Callable[[str], Awaitable[object]]] = {
        "executions": client.runs.get,
        "backups": client.backups.get,
        "restores": client.restores.get,
        "storages": client.storages.get,
        "alerts": client.alerts.get,
    }
    return _print_one(await get[options.kind](options.id), options)


def _print_one(record: object, options: argparse.Namespace) -> int:
    output.document(record, "yaml" if options.output in ("table", "wide", "yaml", "name") else "json")
    return 0
