"""Verbs that use a backup's snapshot: files, download, restore, verify, drill."""

import argparse
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from kronkeep_common.errors import InvalidRequest
from kronkeep_common.text import clean, duration, size
from kronkeep_tui.cli import output, wait
from kronkeep_tui.cli.verb_runner import add_verb, run, split_name
from kronkeep_tui.form.value_texts import read_size

if TYPE_CHECKING:
    from kronkeep_common.client import Client

_B = "/v1/backups/{id}"


def add_parser(verbs: Any) -> None:
    """Add the parsers of the snapshot verbs to `verbs`."""
    files = add_verb(verbs, "files", f"GET {_B}/files")
    files.add_argument("backup", help="the backup's id")
    files.add_argument("path", nargs="?", default="/", help="a folder of the snapshot, such as /source/data")
    files.add_argument("-o", "--output", choices=output.FORMATS, default="table")
    files.set_defaults(func=run(_files))
    download = add_verb(verbs, "download", f"GET {_B}/download")
    download.add_argument("backup", help="the backup's id")
    download.add_argument("path", help="a file of the snapshot")
    download.add_argument("--to", metavar="FILE", help="- is standard output (default: the file's own name)")
    download.set_defaults(func=run(_download))
    _restore_verb(verbs)
    verify = add_verb(verbs, "verify", f"POST {_B}/verify")
    verify.add_argument("backup", help="the backup's id")
    verify.set_defaults(func=run(_verify))
    drill = add_verb(verbs, "drill", "POST /v1/cronjobs/{namespace}/{name}/drill")
    drill.add_argument("name", help="NAMESPACE/NAME, or NAME in the namespace default")
    drill.add_argument("--wait", action="store_true", help="until the drill has ended")
    drill.set_defaults(func=run(_drill))


def _restore_verb(verbs: Any) -> None:
    one = add_verb(verbs, "restore", f"POST {_B}/restore", "GET /v1/restores/{id}")
    one.add_argument("backup", help="the backup's id")
    one.add_argument("--path", action="append", default=[], help="only this of the snapshot (repeatable)")
    where = one.add_mutually_exclusive_group(required=True)
    where.add_argument("--new-claim", metavar="NAME", help="to a claim that is made for it")
    where.add_argument("--claim", metavar="NAME", help="to a claim that is there")
    where.add_argument("--in-place", action="store_true", help="to where it was archived from")
    one.add_argument("-n", "--namespace", help="the claim's (default: the CronJob's)")
    one.add_argument("--cluster", metavar="NAME", help="the claim's (default: the CronJob's)")
    one.add_argument("--folder", default="", help="a folder below the claim's root")
    one.add_argument("--size", help="of a new claim, such as 10Gi")
    one.add_argument("--storage-class", help="of a new claim")
    one.add_argument("--overwrite", action="store_true", help="where the target holds files")
    one.add_argument("--suspend", action="store_true", help="no new runs of the CronJob meanwhile")
    one.add_argument("--yes", metavar="CRONJOB", help="the CronJob's name, as confirmation of --in-place")
    one.add_argument("--dry-run", action="store_true", help="say what would be written and overwritten")
    one.add_argument("--wait", action="store_true", help="until the restore has ended")
    one.set_defaults(func=run(_restore))


async def _files(client: "Client", options: argparse.Namespace) -> int:
    page = await client.backups.files(options.backup, options.path, limit=1000)
    items = list(page.items)
    while page.next_cursor is not None:
        page = await client.backups.files(options.backup, options.path, limit=1000, cursor=page.next_cursor)
        items += page.items
    output.show("files", items, options.output)
    if options.output == "table":
        print(f"{page.total} entries, {size(page.size)} in {clean(page.path, 500)}")
    return 0


async def _download(client: "Client", options: argparse.Namespace) -> int:
    chunks = client.backups.download(options.backup, options.path)
    if options.to == "-":
        async for chunk in chunks:
            sys.stdout.buffer.write(chunk)
        return 0
    with _complete_file(Path(options.to or clean(options.path.rpartition("/")[2], 200))) as file:
        async for chunk in chunks:
            file.write(chunk)
    return 0


@contextmanager
def _complete_file(target: Path) -> Iterator[IO[bytes]]:
    """Open a new file that gets its name once it is complete; raise InvalidRequest if the name is taken."""
    shown = clean(str(target), 300)
    if target.exists():
        raise InvalidRequest(f"{shown} is there already.", next_step="Name another with --to.")
    part = target.with_name(f"{target.name}.part{os.getpid()}")
    try:
        with part.open("xb") as file:
            yield file
        part.rename(target)
        print(f"{shown}  {size(target.stat().st_size)}")
    except OSError as fault:
        words = f"{shown} cannot be written: {fault.strerror}."
        raise InvalidRequest(words, next_step="Name another with --to.") from fault
    finally:
        part.unlink(missing_ok=True)


async def _restore(client: "Client", options: argparse.Namespace) -> int:
    from kronkeep_common.models import RestoreRequest, RestoreTarget

    if options.in_place:
        target = RestoreTarget(kind="in-place")
    else:
        target = RestoreTarget(
            kind="claim" if options.claim else "new-claim",
            cluster=options.cluster,
            namespace=options.namespace,
            claim=options.claim or options.new_claim,
            path=options.folder,
            size_bytes=read_size(options.size) if options.size else None,
            storage_class=options.storage_class,
        )
    request = RestoreRequest(
        target=target,
        include=tuple(options.path),
        overwrite=options.overwrite,
        suspend=options.suspend,
        confirm=options.yes,
    )
    if options.dry_run:
        return _plan(await client.backups.plan_restore(options.backup, request))
    begun = await client.backups.restore(options.backup, request)
    print(f"{begun.id} {begun.status}")
    return wait.report_end(await wait.wait_for_restore(client, begun.id)) if options.wait else 0


def _plan(plan: Any) -> int:
    """Print a plan; return 1 if the restore would be refused as requested."""
    target = plan.target
    place = "in place" if target.kind == "in-place" else f"claim {target.claim}/{target.path}".rstrip("/")
    again = f"{plan.overwritten} overwritten ({size(plan.overwritten_bytes)})"
    stay = f"{plan.left} stay"
    print(f"to {target.namespace}, {clean(place, 500)}: {plan.files} files, {size(plan.total_bytes)}")
    print(f"{plan.written} new, {again}, {stay}")
    for sign, paths in (("overwritten", plan.overwritten_examples), ("stays", plan.left_examples)):
        for path in paths:
            print(f"  {sign}  {clean(path, 500)}")
    for text in (*plan.warnings, *([plan.refusal] if plan.refusal else [])):
        print(clean(text, 500))
    return 1 if plan.refusal else 0


async def _verify(client: "Client", options: argparse.Namespace) -> int:
    backup = await client.backups.verify(options.backup)
    print(f"{backup.id} is verified by restore {backup.verified_by}")
    return 0


async def _drill(client: "Client", options: argparse.Namespace) -> int:
    begun = await client.cronjobs.drill(*split_name(options.name))
    print(f"{begun.id} {begun.status}")
    if not options.wait:
        return 0
    ended = await wait.wait_for_restore(client, begun.id)
    if ended.files_verified is not None:
        compared = f"{ended.files_verified} files compared with {ended.verified_against}"
        print(f"{compared} in {duration(ended.duration_seconds)}")
    return wait.report_end(ended)
