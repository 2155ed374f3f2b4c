"""`kronkeep create`: a CronJob or the policy of a claim from options, or what manifests describe."""

import argparse
from typing import TYPE_CHECKING

from kronkeep_common import subject_names
from kronkeep_common.errors import InvalidRequest, NothingToArchive
from kronkeep_common.text import clean
from kronkeep_tui.cli import apply, output
from kronkeep_tui.cli.arguments import (
    CRONJOB_NAME_HELP,
    add_namespace,
    read_variables,
    split_name,
    split_pairs,
)
from kronkeep_tui.cli.verb import Verbs, add_verb, with_client

if TYPE_CHECKING:
    from kronkeep_common.client import Client
    from kronkeep_common.models import BackupPolicySpec, CronJobCreate, Source


def add_parser(verbs: Verbs) -> None:
    """Add the verb `create`."""
    create = add_verb(
        verbs,
        "create",
        routes=["POST /v1/cronjobs", "POST /v1/storages", "PUT /v1/claims/{namespace}/{name}/policy"],
        help="create a CronJob, with a backup policy where --storage is given, or the policy of a claim",
    )
    create.usage = (
        "%(prog)s (-f FILE | NAME --image IMAGE --schedule CRON | NAMESPACE/pvc/CLAIM --storage ID "
        "--backup-schedule CRON) [options] [-- COMMAND ...]"
    )
    create.description = (
        "Create a CronJob from the options below, with a backup policy where --storage is given; or the "
        "policy of a claim; or with -f what manifests describe: CronJobs, policies of claims, storages."
    )
    create.add_argument("name", nargs="?", help=CRONJOB_NAME_HELP)
    create.add_argument("-f", "--file", action="append", help="manifests of what does not exist yet")
    create.add_argument("--image", help="the container's image")
    create.add_argument("--schedule", metavar="CRON", help="such as '0 2 * * *', or @daily")
    create.add_argument("--zone", help="an IANA time zone (default: the cluster's)")
    create.add_argument("--env", action="append", default=[], metavar="KEY=VALUE", help="a variable")
    create.add_argument("--mount", action="append", default=[], metavar="CLAIM:PATH", help="mount a claim")
    create.add_argument("--storage", help="back up to this storage")
    create.add_argument("--backup-schedule", metavar="CRON", help="when to back up (default: after each run)")
    create.add_argument("--retention-days", type=int, default=30, help="keep backups this long (default: 30)")
    create.add_argument("--full", action="store_true", help="read every file again in each backup")
    create.add_argument(
        "--compression", choices=("off", "auto", "max"), default="auto", help="of backups (default: auto)"
    )
    create.add_argument(
        "--exclude",
        action="append",
        default=[],
        metavar="PATTERN",
        help="leave out, such as '*.tmp' or /cache",
    )
    create.add_argument("--exclude-caches", action="store_true", help="leave out folders with a CACHEDIR.TAG")
    create.add_argument("--exclude-larger-than", metavar="SIZE", help="leave out larger files, such as 2Gi")
    create.add_argument(
        "--consistency",
        choices=("live", "snapshot", "clone"),
        default="live",
        help="read the claims, or snapshots or clones of them by their driver (default: live)",
    )
    create.add_argument(
        "--copy-storage-class", metavar="CLASS", help="StorageClass of those (default: the claim's)"
    )
    create.add_argument(
        "--priority",
        choices=("low", "normal", "high"),
        default="normal",
        help="which of the namespace's backups is earlier where several wait (default: normal)",
    )
    create.add_argument("--limit-upload", type=int, metavar="KIB", help="KiB a second to the storage")
    create.add_argument(
        "--on-conflict",
        choices=("reject", "shift", "after-run", "accept"),
        default="reject",
        help="what to do where the two schedules conflict (default: reject)",
    )
    create.add_argument("--dry-run", action="store_true", help="check everything, but create nothing")
    add_namespace(create)
    output.add_json(create)
    create.set_defaults(func=with_client(_create))


async def _create(client: "Client", options: argparse.Namespace) -> int:
    if options.file:
        return await apply.create_files(client, options)
    namespace, name = split_name(options.name or "", options.namespace)
    claim = subject_names.claim_of(name)
    if claim is not None:
        from kronkeep_common.models import ClaimPolicyManifest

        body = ClaimPolicyManifest(namespace=namespace, claim=claim, policy=_claim_policy_of(options))
        words = await apply.create_claim_policy(client, body, dry_run=options.dry_run)
        output.print_answer(body, f"policy {namespace}/{name} {words}", options)
        return 0
    try:
        cronjob = await client.cronjobs.create(_spec_of(options), dry_run=options.dry_run)
    except NothingToArchive as error:
        error.next_step = "Mount a claim (--mount CLAIM:PATH), or leave --storage out: no backup."
        raise
    if options.output == "text" and cronjob.resolution and options.on_conflict != "reject":
        print(clean(cronjob.resolution))
    apply.print_warnings(cronjob)
    verb = "would run" if options.dry_run else "runs"
    words = f"{cronjob.namespace}/{cronjob.name} {verb} {cronjob.schedule_text}"
    output.print_answer(cronjob, words, options)
    return 0


def _source_of(options: argparse.Namespace) -> "Source":
    """Return what the options leave out and read from; raise InvalidRequest for a size that is none."""
    from kronkeep_common.models import Source
    from kronkeep_tui.form.value_texts import read_size

    largest = options.exclude_larger_than
    return Source(
        exclude=tuple(options.exclude),
        exclude_caches=options.exclude_caches,
        exclude_larger_than=read_size(largest) if largest else None,
        consistency=options.consistency,
        copy_storage_class=options.copy_storage_class,
    )


def _policy_of(options: argparse.Namespace) -> "BackupPolicySpec":
    from kronkeep_common.models import BackupPolicySpec, Limits, Retention

    return BackupPolicySpec(
        storage_id=options.storage,
        schedule=options.backup_schedule,
        backup_type="full" if options.full else "incremental",
        compression=options.compression,
        source=_source_of(options),
        limits=Limits(upload_kib=options.limit_upload),
        retention=Retention(days=options.retention_days),
        on_conflict=options.on_conflict,
        priority=options.priority,
    )


def _claim_policy_of(options: argparse.Namespace) -> "BackupPolicySpec":
    """Make the policy of a claim; raise InvalidRequest for what only a CronJob has, or what is missing."""
    if not (options.storage and options.backup_schedule):
        raise InvalidRequest("The policy of a claim needs --storage and --backup-schedule.")
    if options.image or options.schedule or options.zone or options.env or options.mount or options.command:
        raise InvalidRequest(
            "A claim has no image, schedule, zone, env, mount or command.",
            next_step="Leave them out; --backup-schedule says when the claim is backed up.",
        )
    return _policy_of(options)


def _spec_of(options: argparse.Namespace) -> "CronJobCreate":
    """Make the CronJob that the options describe; raise InvalidRequest where one is missing."""
    from kronkeep_common.models import CronJobCreate, VolumeMount

    if not (options.name and options.image and options.schedule):
        raise InvalidRequest("A CronJob needs a name, --image and --schedule; or give -f FILE.")
    namespace, name = split_name(options.name, options.namespace)
    policy = _policy_of(options) if options.storage else None
    mounts = split_pairs(options.mount, ":")
    return CronJobCreate(
        namespace=namespace,
        name=name,
        image=options.image,
        schedule=options.schedule,
        time_zone=options.zone,
        command=tuple(options.command),
        env=read_variables(options.env),
        volumes=tuple(VolumeMount(claim=claim, mount_path=path) for claim, path in mounts.items()),
        policy=policy,
    )
