"""`kronkeep apply`, `create -f` and `edit`: CronJobs and storages from manifests.

All files are read before anything is sent.
"""

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from kronkeep_common import manifests, subject_names
from kronkeep_common.errors import CronJobNotFound, InvalidRequest, NameTaken
from kronkeep_common.manifests import ManifestBody, ManifestDocument
from kronkeep_common.models import (
    BackupPolicySpec,
    BackupStorageCreate,
    ClaimPolicyManifest,
    CronJob,
    CronJobCreate,
    CronJobManifest,
)
from kronkeep_common.models.storage import declared_change
from kronkeep_common.models.storage_kinds import are_same_settings
from kronkeep_common.text import clean
from kronkeep_tui.cli import output
from kronkeep_tui.cli.arguments import CRONJOB_NAME_HELP, add_cluster, split_name
from kronkeep_tui.cli.verb import Verbs, with_client

if TYPE_CHECKING:
    from kronkeep_common.client import Client


def add_parser(verbs: Verbs) -> None:
    """Add the verbs `apply` and `edit`."""
    apply = verbs.add_parser(
        "apply", help="create or change what manifests describe", description=manifests.__doc__
    )
    apply.add_argument(
        "-f", "--file", action="append", required=True, help="a file, a folder, or - for standard input"
    )
    apply.add_argument("--dry-run", action="store_true", help="check everything, but change nothing")
    add_cluster(apply)
    apply.set_defaults(func=with_client(_apply_files))
    edit = verbs.add_parser("edit", help="change a CronJob, or a claim's policy, in $VISUAL or $EDITOR")
    edit.add_argument("name", help=CRONJOB_NAME_HELP)
    add_cluster(edit)
    edit.set_defaults(func=with_client(_edit))


def _read_bodies(paths: list[str]) -> list[ManifestBody]:
    """Read every document of files and folders; raise InvalidRequest with the file and line of each fault."""
    documents: list[ManifestDocument] = []
    faults: list[str] = []
    for file in _files_of(paths):
        try:
            documents += _read_documents(file)
        except InvalidRequest as error:
            if "faults" not in error.details:
                raise
            faults += error.details["faults"]
    if faults:
        raise manifests.faulty_manifests(faults)
    return [document.body for document in documents]


def _files_of(names: list[str]) -> Iterator[Path | None]:
    """Yield the files that names mean, those of a folder in order; None for standard input."""
    for name in names:
        path = Path(name)
        if name == "-":
            yield None
        elif path.is_dir():
            yield from sorted(p for p in path.rglob("*") if p.suffix in manifests.SUFFIXES)
        else:
            yield path


def _read_documents(file: Path | None) -> list[ManifestDocument]:
    if file is None:
        return manifests.parse_documents(sys.stdin.read(manifests.LARGEST + 1), "standard input")
    return manifests.read_file(file)


async def _apply_files(client: "Client", options: argparse.Namespace) -> int:
    """Apply storages first, then CronJobs and policies of claims; print one line for each."""
    bodies = _read_bodies(options.file)
    for body in bodies:
        if isinstance(body, BackupStorageCreate):
            print(f"storage {body.id} {await _apply_storage(client, body, options.dry_run)}")
    for body in bodies:
        if isinstance(body, ClaimPolicyManifest):
            print(f"{manifests.describe(body)} {await _apply_claim_policy(client, body, options.dry_run)}")
        elif not isinstance(body, BackupStorageCreate):
            print(f"{manifests.describe(body)} {await _apply_cronjob(client, body, options.dry_run)}")
    return 0


async def create_files(client: "Client", options: argparse.Namespace) -> int:
    """Create what manifests describe; raise NameTaken for what exists already."""
    made: list[object] = []
    for body in _read_bodies(options.file):
        if isinstance(body, BackupStorageCreate):
            made.append(await client.storages.create(body, dry_run=options.dry_run))
            words = f"storage {body.id} {'would be created' if options.dry_run else 'is being created'}"
        elif isinstance(body, ClaimPolicyManifest):
            made.append(body)
            words = await create_claim_policy(client, body, dry_run=options.dry_run)
        elif isinstance(body, CronJobManifest):
            raise InvalidRequest(
                "A manifest of Kubernetes can only be applied.", next_step="Use kronkeep apply -f."
            )
        else:
            cronjob = await client.cronjobs.create(body, dry_run=options.dry_run)
            print_warnings(cronjob)
            made.append(cronjob)
            outcome = "would be created" if options.dry_run else "created"
            words = f"cronjob {body.namespace}/{body.name} {outcome}"
        if options.output == "text":
            print(words)
    if options.output == "json":
        output.print_document(made, "json")
    return 0


async def create_claim_policy(client: "Client", body: ClaimPolicyManifest, *, dry_run: bool) -> str:
    """Give a claim its first policy, and return that in words; raise NameTaken where it has one."""
    if await _find_claim_policy(client, body) is not None:
        raise NameTaken(
            f"The claim {clean(body.namespace)}/{clean(body.claim)} has a policy already.",
            next_step="Change it with kronkeep apply -f.",
        )
    await _apply_claim_policy(client, body, dry_run)
    return f"{manifests.describe(body)} {'would be created' if dry_run else 'created'}"


async def _apply_claim_policy(client: "Client", body: ClaimPolicyManifest, dry_run: bool) -> str:
    """Give a claim its policy; return the outcome as a text."""
    existing = await _find_claim_policy(client, body)
    if existing == body.policy:
        return "unchanged"
    namespace, claim, policy = body.namespace, body.claim, body.policy
    print_warnings(await client.policies.set_for_claim(namespace, claim, policy, dry_run=dry_run))
    outcome = "changed" if existing is not None else "created"
    return f"would be {outcome}" if dry_run else outcome


async def _find_claim_policy(client: "Client", body: ClaimPolicyManifest) -> BackupPolicySpec | None:
    """Return the policy that a claim has now."""
    try:
        there = await client.cronjobs.get(body.namespace, subject_names.name_of_claim(body.claim))
    except CronJobNotFound:
        return None
    return there.policy.spec if there.policy is not None else None


async def _apply_storage(client: "Client", storage: BackupStorageCreate, dry_run: bool) -> str:
    """Create a storage, or compare it with the existing one; return the outcome as a text."""
    existing = {each.id: each for each in (await client.storages.list()).items}.get(storage.id)
    if existing is None:
        if not dry_run:
            await client.storages.create(storage)
        return "would be created" if dry_run else "is being created"
    same = are_same_settings(existing.kind, existing.settings, storage.settings)
    if existing.kind != storage.kind or not same:
        raise NameTaken(
            f"The storage {storage.id} exists already, with other settings.", next_step="Use another id."
        )
    change = declared_change(existing, storage)
    if change is None:
        return "unchanged"
    if not dry_run:
        await client.storages.change(storage.id, change)
    return "would be changed" if dry_run else "changed"


async def _apply_cronjob(client: "Client", body: CronJobCreate | CronJobManifest, dry_run: bool) -> str:
    """Create or change a CronJob; return the outcome as a text."""
    if isinstance(body, CronJobManifest):
        applied = await client.cronjobs.apply(body, dry_run=dry_run)
        print_warnings(applied.cronjob)
        is_plan = dry_run and applied.outcome != "unchanged"
        return f"would be {applied.outcome}" if is_plan else str(applied.outcome)
    try:
        existing = await client.cronjobs.spec(body.namespace, body.name)
    except CronJobNotFound:
        print_warnings(await client.cronjobs.create(body, dry_run=dry_run))
        return "would be created" if dry_run else "created"
    if existing == body:
        return "unchanged"
    print_warnings(await client.cronjobs.replace(body, dry_run=dry_run))
    return "would be changed" if dry_run else "changed"


def print_warnings(cronjob: CronJob) -> None:
    """Print on standard error what the CronJob's policy does not archive."""
    faults = (cronjob.nothing_to_archive, cronjob.storage_refusal)
    warnings = [fault for fault in faults if fault is not None]
    warnings += [*cronjob.claim_warnings, *(volume.sentence for volume in cronjob.unarchived_volumes)]
    for warning in warnings:
        print(f"warning: {clean(warning)}", file=sys.stderr)


async def _edit(client: "Client", options: argparse.Namespace) -> int:
    """Open a CronJob in an editor and send what was saved; a text that is refused stays in its file."""
    from kronkeep_tui import editor

    namespace, name = split_name(options.name)
    edited = await editor.open_for_editing(client, namespace, name)
    outcome = "changed" if await edited.submit(client, editor.run_editor(edited.path)) else "unchanged"
    print(f"{edited.noun} {namespace}/{name} {outcome}")
    return 0
