"""`kronkeep apply`, `create -f` and `edit`: CronJobs and storages from manifests.

All files are read, and the daemon checks every manifest, before anything is changed.
"""

import argparse
import sys
from typing import TYPE_CHECKING

from kronkeep_common import manifests, subject_names
from kronkeep_common.errors import (
    CronJobNotFound,
    InvalidRequest,
    KronkeepError,
    NameTaken,
    StorageFailed,
    Unavailable,
)
from kronkeep_common.manifests import ManifestBody, ManifestDocument
from kronkeep_common.models import (
    BackupPolicySpec,
    BackupStorage,
    BackupStorageCreate,
    ClaimPolicyManifest,
    CronJob,
    CronJobManifest,
)
from kronkeep_common.models.storage import declared_change
from kronkeep_common.models.storage_kinds import are_same_settings
from kronkeep_common.text import clean
from kronkeep_tui.cli import output, wait_for_end
from kronkeep_tui.cli.arguments import CRONJOB_NAME_HELP, add_cluster, add_namespace, split_name
from kronkeep_tui.cli.manifest_checks import (
    WOULD_CREATE,
    ManifestOutcome,
    ManifestRefusal,
    Step,
    check_manifests,
    raise_refusals,
)
from kronkeep_tui.cli.manifest_files import read_documents
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
    output.add_json(apply)
    apply.set_defaults(func=with_client(_apply_files))
    edit = verbs.add_parser("edit", help="change a CronJob, or a claim's policy, in $VISUAL or $EDITOR")
    edit.add_argument("name", help=CRONJOB_NAME_HELP)
    add_namespace(edit)
    add_cluster(edit)
    edit.set_defaults(func=with_client(_edit))


async def _apply_files(client: "Client", options: argparse.Namespace) -> int:
    return await _carry_out(client, options, _apply_body)


async def create_files(client: "Client", options: argparse.Namespace) -> int:
    """Create what manifests describe; raise NameTaken for what exists already."""
    return await _carry_out(client, options, _create_body)


async def _carry_out(client: "Client", options: argparse.Namespace, step: Step) -> int:
    """Check all manifests, then do them, storages first; print what became of each."""
    documents, refusals, rests = read_documents(options.file)
    documents.sort(key=_is_no_storage)
    undone = "" if options.dry_run else f"Nothing was {'created' if options.verb == 'create' else 'applied'}."
    try:
        checked = await check_manifests(client, documents, rests, step)
    except Unavailable:
        raise_refusals(refusals, undone)
        raise
    raise_refusals([*refusals, *checked.refusals], undone)
    records: list[object] = []
    created: list[BackupStorage] = []
    for document, outcome in zip(documents, checked.outcomes, strict=True):
        done = outcome
        if not options.dry_run and outcome.words != "unchanged":
            if _is_no_storage(document):
                await _wait_for_storages(client, created)
            done = await _carry_out_one(client, document, step)
        if isinstance(done.record, BackupStorage):
            created.append(done.record)
            print_storage_warnings(done.record)
        if done.cronjob is not None:
            print_warnings(done.cronjob)
        records.append(done.record)
        if options.output == "text":
            print(f"{manifests.describe(document.body)} {done.words}", flush=True)
    if options.output == "json":
        output.print_document(records, "json")
    return 0


def _is_no_storage(document: ManifestDocument) -> bool:
    return not isinstance(document.body, BackupStorageCreate)


async def _wait_for_storages(client: "Client", created: list[BackupStorage]) -> None:
    """Wait until storages that are being created can be used; raise StorageFailed."""
    while created:
        storage = await wait_for_end.wait_for_storage(client, created.pop())
        if storage.status == "failed":
            raise StorageFailed(
                f"The storage {clean(storage.id, 80)} was not created: {clean(storage.message or '', 500)}",
                next_step=storage.next_step,
            )


async def _carry_out_one(client: "Client", document: ManifestDocument, step: Step) -> ManifestOutcome:
    try:
        return await step(client, document.body, False)
    except KronkeepError as error:
        raise ManifestRefusal(document, error).located() from error


async def _create_body(client: "Client", body: ManifestBody, dry_run: bool) -> ManifestOutcome:
    """Create what a manifest describes; raise NameTaken for what exists already."""
    if isinstance(body, BackupStorageCreate):
        storage = await client.storages.create(body, dry_run=dry_run)
        return ManifestOutcome(WOULD_CREATE if dry_run else "is being created", storage)
    if isinstance(body, ClaimPolicyManifest):
        return ManifestOutcome(await create_claim_policy(client, body, dry_run=dry_run), body)
    if isinstance(body, CronJobManifest):
        raise InvalidRequest(
            "A manifest of Kubernetes can only be applied.", next_step="Use kronkeep apply -f."
        )
    cronjob = await client.cronjobs.create(body, dry_run=dry_run)
    return ManifestOutcome(WOULD_CREATE if dry_run else "created", cronjob, cronjob)


async def create_claim_policy(client: "Client", body: ClaimPolicyManifest, *, dry_run: bool) -> str:
    """Give a claim its first policy, and return what was done; raise NameTaken where it has one."""
    if await _find_claim_policy(client, body) is not None:
        raise NameTaken(
            f"The claim {clean(body.namespace)}/{clean(body.claim)} has a policy already.",
            next_step="Change it with kronkeep apply -f.",
        )
    outcome = await _apply_claim_policy(client, body, dry_run)
    if outcome.cronjob is not None:
        print_warnings(outcome.cronjob)
    return outcome.words


async def _apply_body(client: "Client", body: ManifestBody, dry_run: bool) -> ManifestOutcome:
    """Create or change what a manifest describes."""
    if isinstance(body, BackupStorageCreate):
        return await _apply_storage(client, body, dry_run)
    if isinstance(body, ClaimPolicyManifest):
        return await _apply_claim_policy(client, body, dry_run)
    if isinstance(body, CronJobManifest):
        applied = await client.cronjobs.apply(body, dry_run=dry_run)
        is_plan = dry_run and applied.outcome != "unchanged"
        words = f"would be {applied.outcome}" if is_plan else str(applied.outcome)
        return ManifestOutcome(words, applied.cronjob, applied.cronjob)
    try:
        existing = await client.cronjobs.spec(body.namespace, body.name)
    except CronJobNotFound:
        cronjob = await client.cronjobs.create(body, dry_run=dry_run)
        return ManifestOutcome(WOULD_CREATE if dry_run else "created", cronjob, cronjob)
    if existing == body:
        return ManifestOutcome("unchanged", body)
    cronjob = await client.cronjobs.replace(body, dry_run=dry_run)
    return ManifestOutcome("would be changed" if dry_run else "changed", cronjob, cronjob)


async def _apply_claim_policy(client: "Client", body: ClaimPolicyManifest, dry_run: bool) -> ManifestOutcome:
    """Give a claim its policy."""
    existing = await _find_claim_policy(client, body)
    if existing == body.policy:
        return ManifestOutcome("unchanged", body)
    namespace, claim, policy = body.namespace, body.claim, body.policy
    claimed = await client.policies.set_for_claim(namespace, claim, policy, dry_run=dry_run)
    words = "changed" if existing is not None else "created"
    return ManifestOutcome(f"would be {words}" if dry_run else words, body, claimed)


async def _find_claim_policy(client: "Client", body: ClaimPolicyManifest) -> BackupPolicySpec | None:
    """Return the policy that a claim has now."""
    try:
        there = await client.cronjobs.get(body.namespace, subject_names.name_of_claim(body.claim))
    except CronJobNotFound:
        return None
    return there.policy.spec if there.policy is not None else None


async def _apply_storage(client: "Client", storage: BackupStorageCreate, dry_run: bool) -> ManifestOutcome:
    """Create a storage, or compare it with the existing one."""
    existing = {each.id: each for each in (await client.storages.list()).items}.get(storage.id)
    if existing is None:
        created = await client.storages.create(storage, dry_run=dry_run)
        return ManifestOutcome(WOULD_CREATE if dry_run else "is being created", created)
    same = are_same_settings(existing.kind, existing.settings, storage.settings)
    if existing.kind != storage.kind or not same:
        raise NameTaken(
            f"The storage {storage.id} exists already, with other settings.", next_step="Use another id."
        )
    change = declared_change(existing, storage)
    if change is None:
        return ManifestOutcome("unchanged", existing)
    if not dry_run:
        existing = await client.storages.change(storage.id, change)
    return ManifestOutcome("would be changed" if dry_run else "changed", existing)


def print_storage_warnings(storage: BackupStorage) -> None:
    """Print on standard error which of the namespaces that it is to serve no cluster has."""
    for warning in storage.namespace_warnings:
        print(f"warning: {clean(warning, 300)}", file=sys.stderr)


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

    namespace, name = split_name(options.name, options.namespace)
    edited = await editor.open_for_editing(client, namespace, name)
    outcome = "changed" if await edited.submit(client, editor.run_editor(edited.path)) else "unchanged"
    print(f"{edited.noun} {namespace}/{name} {outcome}")
    return 0
