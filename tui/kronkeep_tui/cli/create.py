"""`kronkeep create`: make a CronJob from flags, or what manifests describe."""

import argparse
from typing import TYPE_CHECKING, Any

from kronkeep_common.errors import InvalidRequest
from kronkeep_common.text import clean
from kronkeep_tui.cli import apply
from kronkeep_tui.cli.verb_runner import add_verb, parse_pairs, parse_variables, run, split_name

if TYPE_CHECKING:
    from kronkeep_common.client import Client


def add_parser(verbs: Any) -> None:
    """Add the parser of `create` to `verbs`."""
    words = "create a CronJob, with a backup policy when --storage is given"
    create = add_verb(verbs, "create", "POST /v1/cronjobs", "POST /v1/storages", help=words)
    create.usage = "%(prog)s (-f FILE | NAME --image IMAGE --schedule CRON) [options] [-- COMMAND ...]"
    create.add_argument("name", nargs="?", help="NAMESPACE/NAME, or NAME in the namespace default")
    create.add_argument("-f", "--file", action="append", help="manifests, as those of apply, of what is new")
    create.add_argument("--image")
    create.add_argument("--schedule")
    create.add_argument("--zone", help="an IANA time zone")
    create.add_argument("--env", action="append", default=[], metavar="K=V")
    create.add_argument("--mount", action="append", default=[], metavar="CLAIM:PATH")
    create.add_argument("--storage", help="back up to this storage")
    create.add_argument("--backup-schedule", help="default: after each run")
    create.add_argument("--retention-days", type=int, default=30)
    create.add_argument("--full", action="store_true", help="read every file again at each backup")
    create.add_argument("--compression", choices=("off", "auto", "max"), default="auto")
    create.add_argument("--on-conflict", choices=("reject", "shift", "after-run", "accept"), default="reject")
    create.add_argument("--dry-run", action="store_true")
    create.set_defaults(func=run(_create_one))


async def _create_one(client: "Client", options: argparse.Namespace) -> int:
    from kronkeep_common.models import BackupPolicySpec, CronJobCreate, Retention, VolumeMount

    if options.file:
        return await apply.create_files(client, options)
    if not (options.name and options.image and options.schedule):
        raise InvalidRequest("A CronJob needs its name, --image and --schedule, or -f FILE.")
    namespace, name = split_name(options.name)
    policy = None
    if options.storage:
        policy = BackupPolicySpec(
            storage_id=options.storage,
            schedule=options.backup_schedule,
            backup_type="full" if options.full else "incremental",
            compression=options.compression,
            retention=Retention(days=options.retention_days),
            on_conflict=options.on_conflict,
        )
    mounts = parse_pairs(options.mount, ":")
    spec = CronJobCreate(
        namespace=namespace,
        name=name,
        image=options.image,
        schedule=options.schedule,
        time_zone=options.zone,
        command=tuple(options.command),
        env=parse_variables(options.env),
        volumes=tuple(VolumeMount(claim=claim, mount_path=path) for claim, path in mounts.items()),
        policy=policy,
    )
    created = await client.cronjobs.create(spec, dry_run=options.dry_run)
    if created.resolution and options.on_conflict != "reject":
        print(clean(created.resolution))
    verb = "would run" if options.dry_run else "runs"
    print(f"{created.namespace}/{created.name} {verb} {created.schedule_text}")
    return 0
