"""`kronkeep restorable`: what can be restored now: the newest backup of each CronJob, and how."""

import argparse
import sys
from typing import TYPE_CHECKING

import msgspec

from kronkeep_common.models.restorable import RestorableBackup
from kronkeep_common.reasons import Reason
from kronkeep_common.subject_names import claim_of
from kronkeep_common.text import clean, short_id
from kronkeep_tui.cli import output
from kronkeep_tui.cli.arguments import CRONJOB_NAME_HELP, add_cluster, split_name
from kronkeep_tui.cli.verb import Verbs, add_verb, with_blocking_client

if TYPE_CHECKING:
    from kronkeep_common import api
    from kronkeep_common.client import Client

EXIT_NOTHING = 1


class RestorableLine(RestorableBackup, frozen=True, kw_only=True):
    """A backup that can be restored; `command` does it."""

    command: str


def add_parser(verbs: Verbs) -> None:
    """Add the verb `restorable`."""
    help_text = "what can be restored now, and the command that does it"
    verb = add_verb(verbs, "restorable", routes=["GET /v1/restorable"], help=help_text)
    verb.description = (
        "The newest backup of each CronJob and claim whose snapshot is there, of deleted ones too, and the "
        "command that restores it to a new claim. What has none, or one that is not verified yet or in a "
        "storage that cannot be used now, is named after that, and then the exit code is 1."
    )
    verb.add_argument("name", nargs="?", help=f"only of this one: {CRONJOB_NAME_HELP}")
    verb.add_argument("-n", "--namespace", help="only of this namespace")
    add_cluster(verb)
    output.add_options(verb)
    output.add_zone(verb)
    verb.set_defaults(func=with_blocking_client(_list))


async def _list(client: "Client", options: argparse.Namespace) -> int:
    page = await _read(client, options)
    lines = [restorable_line(backup) for backup in page.items if backup.id is not None]
    output.print_records(
        "restorable",
        lines,
        options.output,
        headers=not options.no_headers,
        clusters={cluster.id: cluster.name for cluster in page.clusters},
        zone=options.zone,
    )
    sys.stdout.flush()
    faults = [fault for backup in page.items if (fault := find_fault(backup)) is not None]
    sys.stderr.writelines(f"{fault}\n" for fault in faults)
    return EXIT_NOTHING if faults else 0


async def _read(client: "Client", options: argparse.Namespace) -> "api.ListOf[RestorableBackup]":
    """Read what can be restored; of one CronJob where it is named, and raise CronJobNotFound without it."""
    cluster = f"cluster:{options.cluster}" if options.cluster else None
    if not options.name:
        return await client.restores.restorable(cluster, options.namespace)
    ref = split_name(options.name, options.namespace or "default")
    page = await client.restores.restorable(cluster)
    items = [each for each in page.items if (each.namespace, each.cronjob) == ref]
    if not items:
        await client.cronjobs.get(*ref)
    return msgspec.structs.replace(page, items=items)


def find_fault(backup: RestorableBackup) -> str | None:
    """Return a sentence about what cannot be restored now, or only with doubts; None where all is well."""
    name = clean(f"{backup.namespace}/{backup.cronjob}", 320)
    if backup.id is None:
        return f"{name} has a policy and no good backup: kronkeep backup {name} --wait"
    storage = clean(backup.storage_id or "", 80)
    if backup.storage_reason == Reason.STORAGE_UNKNOWN:
        return f"{name}: {storage} is no storage now: create it again under the same name and path or address"
    if backup.storage_reason is not None:
        return (
            f"{name}: {storage} cannot be used now ({backup.storage_reason}): kronkeep storage test {storage}"
        )
    if not backup.is_confirmed:
        return (
            f"{name}: what there is was found in {storage} and not verified yet: kronkeep verify {backup.id}"
        )
    return None


def restorable_line(backup: RestorableBackup) -> RestorableLine:
    """Return a backup with the line that restores it to a claim that does not exist yet."""
    base = claim_of(backup.cronjob) or backup.cronjob
    fields = {field: getattr(backup, field) for field in RestorableBackup.__struct_fields__}
    command = f"kronkeep restore {short_id(backup.id or '')} --new-claim {base[:50]}-restored --wait"
    return RestorableLine(**fields, command=command)
