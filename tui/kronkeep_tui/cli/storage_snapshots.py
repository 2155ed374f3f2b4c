"""`kronkeep storage rescan`, `orphans` and `acknowledge`: where records and repositories differ."""

import argparse
from typing import TYPE_CHECKING

from kronkeep_common.models import StorageSnapshots
from kronkeep_common.text import clean, count_words
from kronkeep_tui.cli import output
from kronkeep_tui.cli.verb import Verbs, add_verb, with_blocking_client

if TYPE_CHECKING:
    from kronkeep_common.client import Client

_STORAGE = "/v1/storages/{id}"
MOST_FOREIGN = 20  # snapshots of others that are printed


def add_verbs(storage_verbs: Verbs) -> None:
    """Add the verbs below `storage`."""
    rescan = add_verb(
        storage_verbs,
        "rescan",
        routes=[f"POST {_STORAGE}/rescan", f"GET {_STORAGE}/foreign-snapshots"],
        help="record the backups again that no record knows, as after the state folder was lost",
    )
    rescan.add_argument("name", help="of the storage")
    rescan.add_argument(
        "--other-clusters",
        action="store_true",
        help="also those of clusters that this daemon does not watch, as after a cluster was built again",
    )
    output.add_json(rescan)
    rescan.set_defaults(func=with_blocking_client(_rescan))
    orphans = add_verb(storage_verbs, "orphans", routes=["GET /v1/orphans"])
    orphans.add_argument("name", nargs="?", help="only those with snapshots in this storage")
    output.add_options(orphans)
    output.add_zone(orphans)
    orphans.set_defaults(func=with_blocking_client(_list_orphans))
    acknowledge = add_verb(storage_verbs, "acknowledge", routes=[f"POST {_STORAGE}/acknowledge-missing"])
    acknowledge.add_argument("name", help="of the storage")
    output.add_json(acknowledge)
    acknowledge.set_defaults(func=with_blocking_client(_acknowledge))


async def _rescan(client: "Client", options: argparse.Namespace) -> int:
    storage = await client.storages.rescan(options.name, other_clusters=options.other_clusters)
    if options.output == "json":
        output.print_document(storage, "json")
        return 0
    counts = storage.snapshots or StorageSnapshots(listed_at=storage.created_at)
    recovered = count_words(counts.recovered, "backup")
    print(f"{count_words(counts.snapshots, 'snapshot')}; {recovered} got a record again")
    notes = (
        (counts.recovered, "of them count as good once their runs' records agree, or: kronkeep verify ID"),
        (counts.missing, "backups whose snapshots are missing (kronkeep get backups)"),
        (counts.elsewhere, "snapshots of other clusters (--other-clusters records them)"),
        (counts.unusable, "snapshots whose tags are no use"),
        (counts.foreign, "snapshots of others, which are never touched"),
    )
    for count, words in notes:
        if count:
            print(f"{count} {words}")
    foreign = (await client.storages.foreign_snapshots(options.name, MOST_FOREIGN)).items
    for snapshot in foreign:
        print(clean(f"  {snapshot.id[:8]}  {snapshot.created_at[:19]}  {snapshot.host}"))
    if counts.foreign > len(foreign):
        print(f"  and {counts.foreign - len(foreign)} more (restic snapshots)")
    return 0


async def _list_orphans(client: "Client", options: argparse.Namespace) -> int:
    answer = await client.storages.orphans(options.name)
    output.print_records(
        "orphans", answer.items, options.output, headers=not options.no_headers, zone=options.zone
    )
    return 0


async def _acknowledge(client: "Client", options: argparse.Namespace) -> int:
    storage = await client.storages.acknowledge_missing(options.name)
    words = f"the missing snapshots of {storage.id} are acknowledged; it can be pruned again"
    output.print_answer(storage, words, options)
    return 0
