"""`kronkeep adopt`: a CronJob's policy takes over the backups of one that no CronJob carries any more."""

import argparse
from typing import TYPE_CHECKING

from kronkeep_tui.cli import output
from kronkeep_tui.cli.arguments import CRONJOB_NAME_HELP, add_namespace, split_name
from kronkeep_tui.cli.verb import Verbs, add_verb, with_blocking_client

if TYPE_CHECKING:
    from kronkeep_common.client import Client


def add_parser(verbs: Verbs) -> None:
    """Add the verb `adopt`."""
    adopt = add_verb(verbs, "adopt", routes=["POST /v1/cronjobs/{namespace}/{name}/adopt"])
    adopt.add_argument("name", help=CRONJOB_NAME_HELP)
    adopt.add_argument(
        "--policy", required=True, metavar="OLD_ID", help="the policy's id (kronkeep storage orphans)"
    )
    add_namespace(adopt)
    output.add_json(adopt)
    adopt.set_defaults(func=with_blocking_client(_adopt))


async def _adopt(client: "Client", options: argparse.Namespace) -> int:
    namespace, name = split_name(options.name, options.namespace)
    adopted = await client.cronjobs.adopt(namespace, name, options.policy)
    words = (
        f"{adopted.backups} backups of {adopted.adopted_policy_id} are now those of {namespace}/{name}; "
        f"see what its retention would remove: kronkeep retention {namespace}/{name}"
    )
    output.print_answer(adopted, words, options)
    return 0
