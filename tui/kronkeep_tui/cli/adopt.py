"""`kronkeep adopt`: a CronJob's policy takes over the backups of one that no CronJob carries any more."""

import argparse
from typing import TYPE_CHECKING

from kronkeep_common.text import count_words
from kronkeep_tui.cli import output
from kronkeep_tui.cli.arguments import CRONJOB_NAME_HELP, add_namespace, split_name
from kronkeep_tui.cli.verb import Verbs, add_verb, with_blocking_client

if TYPE_CHECKING:
    from kronkeep_common.api import Adopted
    from kronkeep_common.client import Client


def add_parser(verbs: Verbs) -> None:
    """Add the verb `adopt`."""
    adopt = add_verb(verbs, "adopt", routes=["POST /v1/cronjobs/{namespace}/{name}/adopt"])
    adopt.add_argument("name", help=CRONJOB_NAME_HELP)
    adopt.add_argument(
        "--policy", required=True, metavar="OLD_ID", help="the policy's id (kronkeep storage orphans)"
    )
    adopt.add_argument("--yes", metavar="NAME", help="the CronJob's name again, as confirmation")
    adopt.add_argument("--dry-run", action="store_true", help="say which backups and claims; change nothing")
    adopt.add_argument(
        "--other-claims",
        action="store_true",
        help="also backups of claims that the CronJob does not have: a restore in place overwrites them",
    )
    adopt.add_argument("--undo", action="store_true", help="give the backups back that it has adopted")
    add_namespace(adopt)
    output.add_json(adopt)
    adopt.set_defaults(func=with_blocking_client(_adopt))


async def _adopt(client: "Client", options: argparse.Namespace) -> int:
    from kronkeep_common.api import AdoptRequest

    namespace, name = split_name(options.name, options.namespace)
    request = AdoptRequest(
        policy_id=options.policy,
        confirm=options.yes,
        other_claims=options.other_claims,
        undo=options.undo,
    )
    adopted = await client.cronjobs.adopt(namespace, name, request, dry_run=options.dry_run)
    output.print_answer(adopted, _words_of(adopted, f"{namespace}/{name}", options), options)
    return 1 if options.dry_run and adopted.other_claims and not options.other_claims else 0


def _words_of(adopted: "Adopted", name: str, options: argparse.Namespace) -> str:
    """Return what was done, or would be, in words."""
    count = count_words(adopted.backups, "backup")
    become = "would become" if options.dry_run else "are now"
    if options.undo:
        return f"{count} of {name} {become} those of the policy {adopted.adopted_policy_id} again"
    words = f"{count} of {adopted.adopted_policy_id} {become} those of {name}"
    claims = f" (claims: {', '.join(adopted.claims)})" if adopted.claims else ""
    if not options.dry_run:
        return f"{words}{claims}; see what its retention would remove: kronkeep retention {name}"
    others = ", ".join(adopted.other_claims)
    return f"{words}{claims}" + (f"; refused without --other-claims: {name} lacks {others}" if others else "")
