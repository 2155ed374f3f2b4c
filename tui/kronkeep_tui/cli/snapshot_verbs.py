"""The verbs of a backup's snapshot: `files`, `download`, `restore`, `verify` and `drill`."""

import argparse
import os
import shlex
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, TYPE_CHECKING

from kronkeep_common.errors import ConfirmationMissing, InvalidRequest
from kronkeep_common.path_text import escape_bytes, local_name
from kronkeep_common.snapshot_age import describe_snapshot_age
from kronkeep_common.text import clean, duration, size
from kronkeep_tui.cli import output, tar_download, wait_for_end
from kronkeep_tui.cli.arguments import CRONJOB_NAME_HELP, add_namespace, split_name
from kronkeep_tui.cli.record_ids import BACKUP_HELP, find_backup_id
from kronkeep_tui.cli.verb import Verbs, add_verb, with_client
from kronkeep_tui.form.value_texts import read_size

if TYPE_CHECKING:
    from kronkeep_common.client import Client
    from kronkeep_common.models import RestorePlan, RestoreRequest

_BACKUP = "/v1/backups/{id}"
_PAGE = 1000


def add_parser(verbs: Verbs) -> None:
    """Add the parsers of the snapshot verbs to `verbs`."""
    files = _add_backup_verb(verbs, "files", f"GET {_BACKUP}/files")
    files.add_argument(
        "path",
        nargs="?",
        default="/",
        type=escape_bytes,
        help="a folder of the snapshot, such as /source/data",
    )
    files.add_argument(
        "-o",
        "--output",
        choices=output.FORMATS,
        default="table",
        help="of what is printed (default: %(default)s)",
    )
    files.set_defaults(func=with_client(_files))
    download = _add_backup_verb(
        verbs, "download", f"GET {_BACKUP}/download", f"GET {_BACKUP}/tar", f"GET {_BACKUP}/tar/state"
    )
    download.add_argument(
        "path", type=escape_bytes, help="a file or folder of the snapshot, as `files` prints it"
    )
    download.add_argument(
        "-o",
        "--to",
        metavar="FILE",
        help="- for standard output (default: the file's own name); FILE.tar for a folder of any size, which "
        "is continued where it broke off",
    )
    download.set_defaults(func=with_client(_download))
    _add_restore(verbs)
    verify = _add_backup_verb(verbs, "verify", f"POST {_BACKUP}/verify")
    _add_from_copy(verify, "verify the copy in this storage")
    verify.add_argument("--wait", action="store_true", help="as of other verbs; verify waits in any case")
    output.add_json(verify)
    verify.set_defaults(func=with_client(_verify))
    drill = add_verb(verbs, "drill", routes=["POST /v1/cronjobs/{namespace}/{name}/drill"])
    drill.add_argument("name", help=CRONJOB_NAME_HELP)
    _add_from_copy(drill, "drill the policy's copy in this storage")
    drill.add_argument("--wait", action="store_true", help="wait until the drill has ended")
    add_namespace(drill)
    output.add_json(drill)
    drill.set_defaults(func=with_client(_drill))


def _add_backup_verb(verbs: Verbs, name: str, *routes: str) -> argparse.ArgumentParser:
    verb = add_verb(verbs, name, routes=list(routes))
    verb.add_argument("backup", help=BACKUP_HELP)
    if name != "restore":  # its -n is the target's
        add_namespace(verb)
    return verb


def _add_from_copy(verb: argparse.ArgumentParser, help_text: str) -> None:
    verb.add_argument("--from-copy", metavar="STORAGE", help=help_text)


def _add_restore(verbs: Verbs) -> None:
    restore = _add_backup_verb(verbs, "restore", f"POST {_BACKUP}/restore", "GET /v1/restores/{id}")
    restore.description = (
        "Restore a backup to a new claim, to a claim that exists or in place; --dry-run prints what would be "
        "written. The restore has an id of its own: kronkeep describe restore ID."
    )
    restore.add_argument(
        "--path",
        action="append",
        default=[],
        type=escape_bytes,
        help="restore only this path of the snapshot, as `files` prints it; may be repeated",
    )
    target = restore.add_mutually_exclusive_group(required=True)
    target.add_argument("--new-claim", metavar="NAME", help="restore to a claim that is created")
    target.add_argument("--claim", metavar="NAME", help="restore to a claim that exists")
    target.add_argument("--in-place", action="store_true", help="restore to the claims that were archived")
    restore.add_argument("-n", "--namespace", help="the claim's namespace (default: the CronJob's)")
    # Not the cluster of the client, which would be that of the CronJob whose backup is restored.
    restore.add_argument(
        "--cluster",
        dest="target_cluster",
        metavar="NAME",
        help="the claim's cluster (default: the CronJob's)",
    )
    restore.add_argument("--folder", default="", help="restore to this folder of the claim")
    restore.add_argument("--size", help="the size of a new claim, such as 10Gi")
    restore.add_argument("--storage-class", help="the storage class of a new claim")
    restore.add_argument("--overwrite", action="store_true", help="replace what is there, of any type")
    restore.add_argument("--suspend", action="store_true", help="suspend the CronJob during the restore")
    restore.add_argument("--yes", metavar="CRONJOB", help="the CronJob's name, as confirmation of --in-place")
    _add_from_copy(
        restore, "restore the copy in this storage (default: the first storage, or a copy where that is away)"
    )
    restore.add_argument("--dry-run", action="store_true", help="print what would be written and overwritten")
    restore.add_argument("--wait", action="store_true", help="wait until the restore has ended")
    output.add_json(restore)
    restore.set_defaults(func=with_client(_restore))


async def _files(client: "Client", options: argparse.Namespace) -> int:
    options.backup = await find_backup_id(client, options.backup, options.namespace)
    page = await client.backups.files(options.backup, options.path, limit=_PAGE)
    files = list(page.items)
    while page.next_cursor is not None:
        page = await client.backups.files(options.backup, options.path, limit=_PAGE, cursor=page.next_cursor)
        files += page.items
    output.print_records("files", files, options.output)
    if options.output == "table":
        entries = "1 entry" if page.total == 1 else f"{page.total} entries"
        print(f"{entries}, {size(page.size)} in {clean(page.path, 500)}")
    return 0


async def _download(client: "Client", options: argparse.Namespace) -> int:
    options.backup = await find_backup_id(client, options.backup, options.namespace)
    if tar_download.is_tar_wanted(options.path, options.to):
        await tar_download.download_tar(client, options.backup, options.path, Path(options.to))
        return 0
    try:
        return await _download_file(client, options)
    except InvalidRequest as refusal:
        if refusal.details.get("kind") == "dir":
            name = options.to if options.to not in (None, "-") else local_name(options.path)
            argv = ("kronkeep", "download", options.backup, options.path, "-o", f"{name.rstrip('/')}.tar")
            refusal.next_step = f"A folder comes as a tar archive: {shlex.join(argv)}"
        raise


async def _download_file(client: "Client", options: argparse.Namespace) -> int:
    chunks = client.backups.download(options.backup, options.path)
    if options.to == "-":
        async for chunk in chunks:
            sys.stdout.buffer.write(chunk)
        return 0
    with _new_file(Path(options.to or local_name(options.path))) as file:
        async for chunk in chunks:
            file.write(chunk)
    return 0


@contextmanager
def _new_file(target: Path) -> Iterator[IO[bytes]]:
    """Open a new file that gets its name when it is complete; raise InvalidRequest."""
    name = clean(str(target), 300)
    if target.exists():
        raise InvalidRequest(f"{name} exists already.", next_step="Name another file with -o, or remove it.")
    part = target.with_name(f"{target.name}.part{os.getpid()}")
    try:
        with part.open("xb") as file:
            yield file
        part.rename(target)
        print(f"{name}  {size(target.stat().st_size)}")
    except OSError as fault:
        message = f"{name} cannot be written: {fault.strerror}."
        raise InvalidRequest(message, next_step="Name another file with -o, or remove it.") from fault
    finally:
        part.unlink(missing_ok=True)


async def _restore(client: "Client", options: argparse.Namespace) -> int:
    request = _request_of(options)
    options.backup = await find_backup_id(client, options.backup)
    if options.dry_run:
        plan = await client.backups.plan_restore(options.backup, request)
        if options.output == "json":
            output.print_document(plan, "json")
            return 1 if plan.refusal else 0
        return _print_plan(plan)
    try:
        restore = await client.backups.restore(options.backup, request)
    except ConfirmationMissing as refusal:
        cronjob = (await client.backups.get(options.backup)).cronjob
        flags = [] if options.yes == cronjob else [f"--yes {shlex.quote(clean(cronjob, 300))}"]
        flags += [] if options.overwrite else ["--overwrite"]
        refusal.details["field"] = None  # all that is lacking is listed, not one field only
        refusal.next_step = f"Repeat the command with {' '.join(flags)}."
        raise
    age = describe_snapshot_age(restore, datetime.now(UTC))
    answer = f"{restore.id} {restore.status}"
    output.print_answer(restore, f"{answer}: the snapshot {age}" if age else answer, options)
    if not options.wait:
        return 0
    return wait_for_end.report(await wait_for_end.wait_for_restore(client, restore.id))


def _request_of(options: argparse.Namespace) -> "RestoreRequest":
    from kronkeep_common.models import RestoreRequest, RestoreTarget

    if options.in_place:
        _refuse_place(options)
        target = RestoreTarget(kind="in-place")
    else:
        target = RestoreTarget(
            kind="claim" if options.claim else "new-claim",
            cluster=options.target_cluster,
            namespace=options.namespace,
            claim=options.claim or options.new_claim,
            path=options.folder,
            size_bytes=read_size(options.size) if options.size else None,
            storage_class=options.storage_class,
        )
    return RestoreRequest(
        target=target,
        include=tuple(options.path),
        overwrite=options.overwrite,
        suspend=options.suspend,
        confirm=options.yes,
        from_copy=options.from_copy,
    )


def _refuse_place(options: argparse.Namespace) -> None:
    """Raise InvalidRequest for an option that says where another claim is: in place it would do nothing."""
    given = {
        "--namespace": options.namespace,
        "--cluster": options.target_cluster,
        "--folder": options.folder,
        "--size": options.size,
        "--storage-class": options.storage_class,
    }
    surplus = ", ".join(name for name, value in given.items() if value)
    if surplus:
        raise InvalidRequest(
            f"--in-place restores to the claims that were archived, whatever {surplus} says.",
            next_step="Leave it out, and name the backup by its id, or as NAMESPACE/CRONJOB.",
        )


def _print_plan(plan: "RestorePlan") -> int:
    """Print a plan; return 1 where the restore would be refused."""
    target = plan.target
    place = "in place" if target.kind == "in-place" else f"claim {target.claim}/{target.path}".rstrip("/")
    source = clean(plan.storage_id, 100)
    if plan.copy_of:
        source += f" (a copy; the original is in {clean(plan.copy_of, 100)})"
    print(
        f"from {source} to {target.namespace}, {clean(place, 500)}: "
        f"{_count(plan.files, 'file')}, {size(plan.total_bytes)}"
    )
    if plan.snapshot_at is not None:
        print(f"the snapshot {describe_snapshot_age(plan, datetime.now(UTC))}")
    print(_count_changes(plan))
    for title, examples, total in (
        ("overwritten", plan.overwritten_examples, plan.overwritten),
        ("replaced", plan.type_change_examples, plan.type_changes),
        ("removed", plan.removed_examples, plan.removed),
        ("stays", plan.left_examples, plan.left),
    ):
        for path in examples:
            print(f"  {title}  {clean(path, 600)}")
        if total > len(examples):
            print(f"  {title}  and {total - len(examples):,} more: at most 20 are listed")
    if plan.expected_seconds is not None:
        print(f"about {duration(plan.expected_seconds)} by earlier restores")
    for text in (*plan.warnings, *([plan.refusal] if plan.refusal else [])):
        print(clean(text, 500))
    options = {"confirm": f"--yes {shlex.quote(clean(plan.confirm or '', 300))}", "overwrite": "--overwrite"}
    if plan.needs:
        print(f"To permit it add: {' '.join(options[need] for need in plan.needs)}")
    return 1 if plan.refusal else 0


def _count_changes(plan: "RestorePlan") -> str:
    counts = [f"{plan.written} new", f"{plan.overwritten} overwritten ({size(plan.overwritten_bytes)})"]
    if plan.type_changes:
        counts.append(f"{plan.type_changes} of another type replaced")
    if plan.removed:
        counts.append(f"{plan.removed} removed with their folder")
    return ", ".join([*counts, f"{plan.left} stay"])


async def _verify(client: "Client", options: argparse.Namespace) -> int:
    options.backup = await find_backup_id(client, options.backup, options.namespace)
    backup = await client.backups.verify(options.backup, options.from_copy)
    verified_by = backup.verified_by
    for copy in (await client.copies.of_backup(backup.id)).items if options.from_copy else ():
        verified_by = copy.verified_by if copy.storage_id == options.from_copy else verified_by
    output.print_answer(backup, f"{backup.id} is verified by restore {verified_by}", options)
    return 0


async def _drill(client: "Client", options: argparse.Namespace) -> int:
    drill = await client.cronjobs.drill(
        *split_name(options.name, options.namespace), from_copy=options.from_copy
    )
    output.print_answer(drill, f"{drill.id} {drill.status}", options)
    if not options.wait:
        return 0
    ended = await wait_for_end.wait_for_restore(client, drill.id)
    if ended.files_verified is not None:
        compared = f"{_count(ended.files_verified, 'file')} compared with {ended.verified_against}"
        print(f"{compared} in {duration(ended.duration_seconds)}")
    return wait_for_end.report(ended)


def _count(count: int, word: str) -> str:
    return f"{count} {word}{'' if count == 1 else 's'}"
