"""`kronkeep import`: what another backup tool is set up to do, as storages and policies; and its snapshots.

Without --yes it only says what it would create, what must be done before, and what has no counterpart.
"""

import argparse
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kronkeep_common import manifests
from kronkeep_common.errors import InvalidRequest, KronkeepError, StorageNotFound
from kronkeep_common.text import clean, count_words
from kronkeep_tui.cli import wait_for_end
from kronkeep_tui.cli.arguments import add_cluster, split_name, split_pairs
from kronkeep_tui.cli.verb import Verbs, with_client
from kronkeep_tui.peers import borgmatic, import_plan, k8up, located_yaml
from kronkeep_tui.peers.borgmatic import MountedClaim, PolicyFields
from kronkeep_tui.peers.import_plan import ImportPlan

if TYPE_CHECKING:
    from kronkeep_common.client import Client
    from kronkeep_common.models import ForeignSnapshot

MOST_FOREIGN = 1000  # snapshots of others that are looked at in one call
AT_ONCE = 20  # that get tags in one operation
LONGEST_OUTPUT = 16 * 1024 * 1024  # bytes of kubectl's


def add_parser(verbs: Verbs) -> None:
    """Add the verb `import`."""
    verb = verbs.add_parser(
        "import", help="take over what K8up or borgmatic are set up to do, and snapshots of restic"
    )
    tools = verb.add_subparsers(dest="tool", required=True, metavar="TOOL")
    from_k8up = tools.add_parser(
        "k8up",
        help="K8up's Schedules: storages on their repositories, a policy for each claim",
        description="Each claim of a Schedule's namespace gets a policy, but for those with the annotation "
        "k8up.io/backup=false. The restic repository is taken over with its password.",
    )
    from_k8up.add_argument("file", nargs="*", help="manifests in YAML or JSON, or - for standard input")
    from_k8up.add_argument(
        "--from-cluster",
        action="store_true",
        help="ask the cluster with kubectl, and so with your own rights",
    )
    from_k8up.add_argument("--context", help="of kubectl's configuration")
    from_k8up.add_argument("--own-namespace", default="kronkeep", help="kronkeep's (default: kronkeep)")
    from_k8up.set_defaults(func=with_client(import_k8up))
    from_borgmatic = tools.add_parser(
        "borgmatic",
        help="a configuration of borgmatic: a policy for each claim that holds source_directories",
    )
    from_borgmatic.add_argument("file", help="such as /etc/borgmatic/config.yaml")
    from_borgmatic.add_argument(
        "--claim",
        action="append",
        required=True,
        metavar="NAMESPACE/CLAIM=FOLDER",
        help="the claim whose files borgmatic finds in that folder",
    )
    from_borgmatic.add_argument("--storage", required=True, help="the storage that backups go to")
    from_borgmatic.add_argument("--schedule", required=True, metavar="CRON", help="when to back up")
    from_borgmatic.set_defaults(func=with_client(_import_borgmatic))
    from_restic = tools.add_parser(
        "restic",
        help="snapshots that another tool made in a storage's repository: backups of a policy",
        description="Without --to it lists the snapshots of others by host and path. With it they become "
        "backups of that policy: they get kronkeep's tags beside their own, and so other ids, and "
        "the policy's retention keeps and removes them from then on.",
    )
    from_restic.add_argument("storage", help="a storage whose repository has them")
    from_restic.add_argument("--host", help="only those of that host")
    from_restic.add_argument("--path", help="only those with that path")
    from_restic.add_argument("--to", metavar="NAMESPACE/NAME", help="the CronJob, or NAMESPACE/pvc/CLAIM")
    add_cluster(from_restic)
    from_restic.set_defaults(func=with_client(_import_restic))
    for tool in (from_k8up, from_borgmatic, from_restic):
        tool.add_argument("--yes", action="store_true", help="do what the plan says")


async def import_k8up(client: "Client", options: argparse.Namespace) -> int:
    """Plan, or carry out, the import of K8up's Schedules."""
    if not options.file and not options.from_cluster:
        raise InvalidRequest("K8up's Schedules are missing: name files, or give --from-cluster.")
    objects = [each for file in options.file for each in _read_objects(file)]
    if options.from_cluster:
        objects += _read_cluster(options.context)
    claims = (await client.coverage()).items
    return await _carry_out(client, k8up.plan_import(objects, claims, options.own_namespace), options)


def _read_objects(file: str) -> list[Any]:
    text = sys.stdin.read(manifests.LARGEST + 1) if file == "-" else manifests.read_text(Path(file))
    return [each.value for each in manifests.load_values(text, "standard input" if file == "-" else file)]


def _read_cluster(context: str | None) -> list[Any]:
    """Return K8up's objects and the claims of all namespaces; raise InvalidRequest with kubectl's words."""
    import json

    argv = ["kubectl", *(["--context", context] if context else [])]
    argv += ["get", ",".join(k8up.CLUSTER_KINDS), "--all-namespaces", "-o", "json"]
    try:
        done = subprocess.run(argv, capture_output=True, check=False)
    except OSError as fault:
        raise InvalidRequest(f"kubectl cannot be run: {fault.strerror}.", next_step="Name files.") from fault
    if done.returncode != 0 or len(done.stdout) > LONGEST_OUTPUT:
        words = clean(done.stderr.decode(errors="replace").strip(), 500) or "its answer is too long"
        raise InvalidRequest(f"kubectl: {words}", next_step="Name files instead.")
    items: list[Any] = json.loads(done.stdout).get("items") or []
    return items


async def _import_borgmatic(client: "Client", options: argparse.Namespace) -> int:
    mounts = []
    for name, folder in split_pairs(options.claim).items():
        namespace, claim = split_name(name)
        mounts.append(MountedClaim(namespace, claim, folder))
    text = manifests.read_text(Path(options.file))
    entries = located_yaml.read_mapping(text, options.file)
    fields = PolicyFields(options.storage, options.schedule)
    plan = borgmatic.plan_import(entries, options.file, mounts, fields)
    return await _carry_out(client, plan, options)


async def _import_restic(client: "Client", options: argparse.Namespace) -> int:
    from kronkeep_common.models.storage import SnapshotImport

    await client.storages.rescan(options.storage)
    foreign = (await client.storages.foreign_snapshots(options.storage, MOST_FOREIGN)).items
    chosen = [
        each
        for each in foreign
        if options.host in (None, each.host) and (options.path is None or options.path in each.paths)
    ]
    if not chosen or options.to is None:
        _print_groups(chosen)
        return 0
    if not options.yes:
        print(f"would record {count_words(len(chosen), 'snapshot')} as backups of {clean(options.to)}:")
        _print_groups(chosen)
        print("Nothing was changed: --yes does it.", file=sys.stderr)
        return 0
    namespace, name = split_name(options.to)
    for start in range(0, len(chosen), AT_ONCE):
        ids = tuple(each.id for each in chosen[start : start + AT_ONCE])
        request = SnapshotImport(namespace=namespace, cronjob=name, snapshots=ids)
        await client.storages.import_snapshots(options.storage, request)
        print(
            f"{start + len(ids)} of {count_words(len(chosen), 'snapshot')} are backups of {clean(options.to)}"
        )
    print("They count as good once verified: kronkeep verify ID. Switch the other tool's retention off.")
    return 0


def _print_groups(snapshots: Sequence["ForeignSnapshot"]) -> None:
    """Print how many snapshots of others there are of each host and set of paths, with first and last."""
    groups: dict[tuple[str, str], list[ForeignSnapshot]] = {}
    for each in snapshots:
        groups.setdefault((each.host, " ".join(each.paths)), []).append(each)
    for (host, paths), members in sorted(groups.items()):
        times = sorted(each.created_at[:19] for each in members)
        print(clean(f"{len(members):6}  {times[0]} to {times[-1]}  --host {host} --path {paths}", 400))
    if not groups:
        print("There are no such snapshots of others.", file=sys.stderr)


async def _carry_out(client: "Client", plan: ImportPlan, options: argparse.Namespace) -> int:
    """Print the plan, and with --yes create what it says; return 1 where something was refused."""
    for command in plan.commands:
        print(f"before: {command}")
    for note in plan.notes:
        print(f"not taken over: {note}")
    if not options.yes:
        for storage in plan.storages:
            print(f"would create {import_plan.describe_storage(storage)}")
        for policy in plan.policies:
            print(f"would create {import_plan.describe_policy(policy)}")
        print("Nothing was created: --yes does it.", file=sys.stderr)
        return 0
    refused = 0
    for storage in plan.storages:
        refused += not await _create(_create_storage(client, storage), import_plan.describe_storage(storage))
    for manifest in plan.policies:
        work = client.policies.set_for_claim(manifest.namespace, manifest.claim, manifest.policy)
        refused += not await _create(work, import_plan.describe_policy(manifest))
    return 1 if refused else 0


async def _create(work: Any, description: str) -> bool:
    """Do one step of an import and print what came of it; the others go on where it is refused."""
    try:
        await work
    except KronkeepError as fault:
        print(f"refused {description}\n  {clean(fault.message, 500)} {clean(fault.next_step, 300)}")
        return False
    print(f"created {description}")
    return True


async def _create_storage(client: "Client", spec: Any) -> None:
    """Create a storage and wait until it is active; one that is there already stays."""
    try:
        storage = await client.storages.get(spec.id)
    except StorageNotFound:
        storage = await client.storages.create(spec)
    while storage.status in ("pending", "creating"):
        await client.pause(wait_for_end.POLL_SECONDS)
        storage = await client.storages.get(storage.id)
    if storage.status != "active":
        raise InvalidRequest(
            storage.message or f"The storage is {storage.status}.",
            next_step=storage.next_step or f"kronkeep describe storage {storage.id}",
        )
