"""`kronkeep apply`, `create -f` and `edit`: manifests, all read before anything is sent."""

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kronkeep_common import manifests
from kronkeep_common.errors import CronJobNotFound, InvalidRequest, NameTaken
from kronkeep_common.manifests import ManifestBody, ManifestDocument
from kronkeep_common.models import BackupStorageCreate, CronJobCreate, CronJobManifest
from kronkeep_common.models.storage_kinds import same
from kronkeep_tui.cli.verb_runner import add_cluster, run, split_name

if TYPE_CHECKING:
    from kronkeep_common.client import Client


def add_parser(verbs: Any) -> None:
    """Add the parsers of `apply` and `edit` to `verbs`."""
    apply = verbs.add_parser(
        "apply", help="create or change what manifests describe", description=manifests.__doc__
    )
    apply.formatter_class = argparse.RawDescriptionHelpFormatter
    apply.add_argument(
        "-f", "--file", action="append", required=True, help="a file, a folder, or - for stdin"
    )
    apply.add_argument("--dry-run", action="store_true", help="check everything and change nothing")
    add_cluster(apply)
    apply.set_defaults(func=run(apply_files))
    edit = verbs.add_parser("edit", help="change a CronJob in $VISUAL or $EDITOR")
    edit.add_argument("name", help="NAMESPACE/NAME, or NAME in the namespace default")
    add_cluster(edit)
    edit.set_defaults(func=run(edit_one))


def read_manifests(paths: list[str]) -> list[ManifestBody]:
    """Read every document of the files; raise InvalidRequest with file and line."""
    documents: list[ManifestDocument] = []
    for name in paths:
        if name == "-":
            documents += manifests.parse_documents(sys.stdin.read(manifests.LARGEST + 1), "standard input")
            continue
        path = Path(name)
        files = sorted(p for p in path.rglob("*") if p.suffix in manifests.SUFFIXES)
        for file in files if path.is_dir() else [path]:
            documents += manifests.read_file(file)
    return [document.body for document in documents]


async def apply_files(client: "Client", options: argparse.Namespace) -> int:
    """Apply storages first, then CronJobs, and print a line for each."""
    documents = read_manifests(options.file)
    for storage in (w for w in documents if isinstance(w, BackupStorageCreate)):
        print(f"storage {storage.id} {await _apply_storage(client, storage, options.dry_run)}")
    for cronjob in (w for w in documents if not isinstance(w, BackupStorageCreate)):
        print(f"{manifests.describe(cronjob)} {await _apply_cronjob(client, cronjob, options.dry_run)}")
    return 0


async def create_files(client: "Client", options: argparse.Namespace) -> int:
    """Create what the manifests describe; raise NameTaken if it exists."""
    for wanted in read_manifests(options.file):
        if isinstance(wanted, BackupStorageCreate):
            if not options.dry_run:
                await client.storages.create(wanted)
            print(f"storage {wanted.id} {'would be created' if options.dry_run else 'is being created'}")
        elif isinstance(wanted, CronJobManifest):
            raise InvalidRequest("A manifest of Kubernetes is applied.", next_step="Use kronkeep apply -f.")
        else:
            await client.cronjobs.create(wanted, dry_run=options.dry_run)
            words = "would be created" if options.dry_run else "created"
            print(f"cronjob {wanted.namespace}/{wanted.name} {words}")
    return 0


async def _apply_storage(client: "Client", storage: BackupStorageCreate, dry_run: bool) -> str:
    existing = {one.id: one for one in (await client.storages.list()).items}.get(storage.id)
    if existing is None:
        if not dry_run:
            await client.storages.create(storage)
        return "would be created" if dry_run else "is being created"
    if existing.kind != storage.kind or not same(existing.kind, existing.settings, storage.settings):
        raise NameTaken(
            f"The storage {storage.id} is there with other settings.", next_step="Use another id."
        )
    return "unchanged"


async def _apply_cronjob(client: "Client", cronjob: CronJobCreate | CronJobManifest, dry_run: bool) -> str:
    if isinstance(cronjob, CronJobManifest):
        outcome = (await client.cronjobs.apply(cronjob, dry_run=dry_run)).outcome
        return f"would be {outcome}" if dry_run and outcome != "unchanged" else str(outcome)
    try:
        existing = await client.cronjobs.spec(cronjob.namespace, cronjob.name)
    except CronJobNotFound:
        await client.cronjobs.create(cronjob, dry_run=dry_run)
        return "would be created" if dry_run else "created"
    if existing == cronjob:
        return "unchanged"
    await client.cronjobs.replace(cronjob, dry_run=dry_run)
    return "would be changed" if dry_run else "changed"


async def edit_one(client: "Client", options: argparse.Namespace) -> int:
    """Open the CronJob in an editor and send what was saved; a refused text stays in its file."""
    from kronkeep_tui import editor

    tagged = await client.cronjobs.tagged_spec(*split_name(options.name))
    path = editor.write_file(tagged.spec)
    changed = await editor.submit_file(client, tagged, path, editor.run_editor(path))
    print(f"cronjob {tagged.spec.namespace}/{tagged.spec.name} {'changed' if changed else 'unchanged'}")
    return 0
