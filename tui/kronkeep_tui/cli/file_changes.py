"""`kronkeep diff` and `kronkeep find`: what two backups differ in, and which backups have a file."""

import argparse
import sys
from typing import TYPE_CHECKING

from kronkeep_common.path_text import escape_bytes
from kronkeep_common.text import clean, count_words, size
from kronkeep_tui.cli import output
from kronkeep_tui.cli.arguments import CRONJOB_NAME_HELP, add_namespace, read_count, split_name
from kronkeep_tui.cli.record_ids import BACKUP_HELP, find_backup_id
from kronkeep_tui.cli.verb import Verbs, add_verb, with_client

if TYPE_CHECKING:
    from kronkeep_common.client import Client

MOST = 1000
_SIGNS = {"added": "+", "removed": "-", "changed": "M"}


def add_parser(verbs: Verbs) -> None:
    """Add the verbs `diff` and `find`."""
    diff = add_verb(verbs, "diff", routes=["GET /v1/backups/{id}/diff"])
    diff.add_argument("older", help="the older backup's id or its snapshot's, or their first characters")
    diff.add_argument("newer", help=BACKUP_HELP)
    diff.add_argument("--path", default="/", type=escape_bytes, help="only below this folder")
    diff.add_argument(
        "--limit", type=read_count, default=MOST, help=f"how many differences (default: {MOST})"
    )
    add_namespace(diff)
    output.add_options(diff)
    diff.set_defaults(func=with_client(_diff))
    find = add_verb(verbs, "find", routes=["GET /v1/cronjobs/{namespace}/{name}/find"])
    find.add_argument("name", help=CRONJOB_NAME_HELP)
    find.add_argument("pattern", help="of the name, such as '*.sql', or with / of the whole path")
    find.add_argument("--limit", type=read_count, default=MOST, help=f"how many paths (default: {MOST})")
    add_namespace(find)
    output.add_options(find)
    find.set_defaults(func=with_client(_find))


async def _diff(client: "Client", options: argparse.Namespace) -> int:
    older = await find_backup_id(client, options.older, options.namespace)
    newer = await find_backup_id(client, options.newer, options.namespace)
    diff = await client.backups.diff(older, newer, path=options.path, limit=options.limit)
    if options.output not in ("table", "wide"):
        output.print_records("changes", diff.items, options.output)
        return 0
    for change in diff.items:
        sizes = [change.size] if change.old_size is None else [change.old_size, change.size]
        words = " → ".join(size(each) for each in sizes if each is not None)
        print(f"{_SIGNS[change.change]}  {words:>22}  {clean(change.path)}")
    count = diff.added + diff.removed + diff.changed
    more = f" ({count - len(diff.items)} more are not shown)" if count > len(diff.items) else ""
    print(
        f"{diff.added} added, {diff.removed} removed, {diff.changed} changed: "
        f"{size(diff.bytes_added)} more, {size(diff.bytes_removed)} less{more}"
    )
    return 0


async def _find(client: "Client", options: argparse.Namespace) -> int:
    namespace, name = split_name(options.name, options.namespace)
    matches = await client.backups.find(namespace, name, options.pattern, limit=options.limit)
    output.print_records("matches", matches.items, options.output, headers=not options.no_headers)
    if options.output in ("table", "wide"):
        cut = "; there are more paths or older backups" if matches.is_cut else ""
        paths = count_words(len(matches.items), "path")
        print(f"{paths} in {count_words(matches.backups, 'backup')}{cut}")
    for reason in matches.unread:
        sys.stderr.write(f"not searched: {clean(reason)}\n")
    return 1 if matches.unread else 0
