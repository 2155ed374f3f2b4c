"""`kronkeep restorable`: what can be restored now: the newest good backup of each CronJob, and how."""

import argparse
import sys
from typing import TYPE_CHECKING

import msgspec

from kronkeep_common.evidence import is_good
from kronkeep_common.models import BackupExecution, CronJob
from kronkeep_common.models.base import Moment
from kronkeep_common.subject_names import claim_of
from kronkeep_common.text import clean, short_id
from kronkeep_tui.cli import output
from kronkeep_tui.cli.arguments import CRONJOB_NAME_HELP, add_cluster, split_name
from kronkeep_tui.cli.verb import Verbs, add_verb, with_blocking_client

if TYPE_CHECKING:
    from kronkeep_common.client import Client

SEARCHED = 100  # of the newest backups of each CronJob
EXIT_NOTHING = 1


class RestorableBackup(msgspec.Struct, frozen=True, kw_only=True):
    """The newest good backup of a CronJob or claim whose snapshot is there; `command` restores it."""

    namespace: str
    cronjob: str
    cluster: str
    id: str
    storage_id: str
    created_at: Moment
    verified_at: Moment | None
    size_bytes: int
    expected_seconds: float | None
    command: str


def add_parser(verbs: Verbs) -> None:
    """Add the verb `restorable`."""
    help_text = "what can be restored now, and the command that does it"
    verb = add_verb(verbs, "restorable", routes=["GET /v1/backups", "GET /v1/cronjobs"], help=help_text)
    verb.description = (
        "The newest good backup of each CronJob and claim whose snapshot is there, and the command that "
        "restores it to a new claim; what has none is named after it, and then the exit code is 1."
    )
    verb.add_argument("name", nargs="?", help=f"only of this one: {CRONJOB_NAME_HELP}")
    verb.add_argument("-n", "--namespace", help="only of this namespace")
    add_cluster(verb)
    output.add_options(verb)
    output.add_zone(verb)
    verb.set_defaults(func=with_blocking_client(_list))


async def _list(client: "Client", options: argparse.Namespace) -> int:
    if options.name:
        cronjobs = [await client.cronjobs.get(*split_name(options.name, options.namespace or "default"))]
        names: dict[str, str] = {}
    else:
        terms = [f"ns:{options.namespace}"] if options.namespace else []
        terms += [f"cluster:{options.cluster}"] if options.cluster else []
        page = await client.cronjobs.list(filter=" ".join(terms) or None)
        cronjobs = page.items
        names = {cluster.id: cluster.name for cluster in page.clusters}
    restorable: list[RestorableBackup] = []
    without: list[CronJob] = []
    for cronjob in cronjobs:
        backup = await _find_good(client, cronjob)
        if backup is not None:
            restorable.append(restorable_of(cronjob, backup))
        elif cronjob.policy is not None:
            without.append(cronjob)
    output.print_records(
        "restorable",
        restorable,
        options.output,
        headers=not options.no_headers,
        clusters=names,
        zone=options.zone,
    )
    sys.stdout.flush()
    for cronjob in without:
        name = clean(f"{cronjob.namespace}/{cronjob.name}", 320)
        sys.stderr.write(f"{name} has a policy and no good backup: kronkeep backup {name} --wait\n")
    return EXIT_NOTHING if without else 0


async def _find_good(client: "Client", cronjob: CronJob) -> BackupExecution | None:
    if cronjob.last_backup_id is None:
        return None
    page = await client.backups.list(cronjob_id=cronjob.id, limit=SEARCHED)
    good = (backup for backup in page.items if is_good(backup) and backup.snapshot_state == "present")
    return next(good, None)


def restorable_of(cronjob: CronJob, backup: BackupExecution) -> RestorableBackup:
    """Return a good backup with the line that restores it to a claim that does not exist yet."""
    base = claim_of(cronjob.name) or cronjob.name
    return RestorableBackup(
        namespace=cronjob.namespace,
        cronjob=cronjob.name,
        cluster=cronjob.cluster,
        id=backup.id,
        storage_id=backup.storage_id,
        created_at=backup.created_at,
        verified_at=backup.verified_at,
        size_bytes=backup.result.bytes_read if backup.result is not None else 0,
        expected_seconds=cronjob.expected_restore_seconds,
        command=f"kronkeep restore {short_id(backup.id)} --new-claim {base[:50]}-restored --wait",
    )
