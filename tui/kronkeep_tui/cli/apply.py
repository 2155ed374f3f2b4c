"""`apply`, `create -f` and `edit`: manifests of files and folders, all read before anything is sent."""

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
    """Adds `apply` and `edit`."""
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


def read(paths: list[str]) -> list[ManifestBody]:
    """Every document of the files; raises InvalidRequest naming file and line."""
    found: list[ManifestDocument] = []
    for name in paths:
        if name == "-":
            found += manifests.parse_documents(sys.stdin.read(manifests.LARGEST + 1), "standard input")
            continue
        path = Path(name)
        files = sorted(p for p in path.rglob("*") if p.suffix in manifests.SUFFIXES)
        for file in files if path.is_dir() else [path]:
            found += manifests.read_file(file)
    return [document.body for document in found]


async def apply_files(client: "Client", options: argparse.Namespace) -> int:
    """Storages first, then CronJobs; one line each."""
    wanted = read(options.file)
    for storage in (w for w in wanted if isinstance(w, BackupStorageCreate)):
        print(f"storage {storage.id} {await _storage(client, storage, options.dry_run)}")
    for cronjob in (w for w in wanted if not isinstance(w, BackupStorageCreate)):
        print(f"{manifests.describe(cronjob)} {await _cronjob(client, cronjob, options.dry_run)}")
    return 0


async def create_files(client: "Client", options: argparse.Namespace) -> int:
    """Creates what the manifests describe; raises NameTaken for what is there already."""
    for wanted in read(options.file):
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


async def _storage(client: "Client", wanted: BackupStorageCreate, dry_run: bool) -> str:
    there = {storage.id: storage for storage in (await client.storages.list()).items}.get(wanted.id)
    if there is None:
        if not dry_run:
            await client.storages.create(wanted)
        return "would be created" if dry_run else "is being created"
    if there.kind != wanted.kind or not same(there.kind, there.settings, wanted.settings):
        raise NameTaken(f"The storage {wanted.id} is there with other settings.", next_step="Use another id.")
    return "unchanged"


async def _cronjob(client: "Client", wanted: CronJobCreate | CronJobManifest, dry_run: bool) -> str:
    if isinstance(wanted, CronJobManifest):
        outcome = (await client.cronjobs.apply(wanted, dry_run=dry_run)).outcome
        return f"would be {outcome}" if dry_run and outcome != "unchanged" else str(outcome)
    try:
        there = await client.cronjobs.spec(wanted.namespace, wanted.name)
    except CronJobNotFound:
        await client.cronjobs.create(wanted, dry_run=dry_run)
        return "would be created" if dry_run else "created"
    if there == wanted:
        return "unchanged"
    await client.cronjobs.replace(wanted, dry_run=dry_run)
    return "would be changed" if dry_run else "changed"


async def edit_one(client: "Client", options: argparse.Namespace) -> int:
    """Opens the CronJob in an editor and puts back what was saved; a refused text stays in a file."""
    from kronkeep_tui import editor

    found = await client.cronjobs.tagged_spec(*split_name(options.name))
    path = editor.written(found.spec)
    changed = await editor.put(client, found, path, editor.run(path))
    print(f"cronjob {found.spec.namespace}/{found.spec.name} {'changed' if changed else 'unchanged'}")
    return 0
