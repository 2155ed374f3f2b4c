"""`kronkeep storage`: create, test, check, measure, change, delete; a kind's fields are flags."""

import argparse
import sys
from typing import TYPE_CHECKING, Any

from kronkeep_common.models import BackupStorage, BackupStorageChange, BackupStorageCreate, SecretKeyRef
from kronkeep_common.models.storage_kinds import StorageKind, kinds
from kronkeep_common.text import clean
from kronkeep_tui.cli import output, wait
from kronkeep_tui.cli.verb_runner import add_cluster, add_verb, run_at_once
from kronkeep_tui.form.value_texts import read_size

if TYPE_CHECKING:
    from kronkeep_common.client import Client

ONE = "/v1/storages/{id}"
_VERBS = (
    ("test", f"POST {ONE}/test"),
    ("check", f"POST {ONE}/check"),
    ("prune", f"POST {ONE}/prune"),
    ("retry", f"POST {ONE}/retry"),
    ("delete", f"DELETE {ONE}"),
)


def add_parser(verbs: Any) -> None:
    """Add the parser of `storage` to `verbs`."""
    storage = verbs.add_parser("storage", help="create, test, check, measure, change or delete a storage")
    below = storage.add_subparsers(dest="storage_verb", required=True, metavar="VERB")
    table = add_verb(below, "kinds", "GET /v1/storages/kinds")
    table.set_defaults(func=_kinds)
    every = add_verb(below, "list", "GET /v1/storages")
    every.add_argument("-o", "--output", choices=output.FORMATS, default="table")
    every.add_argument("--no-headers", action="store_true")
    every.set_defaults(func=run_at_once(_list))
    create = add_verb(below, "create", "POST /v1/storages")
    of_kind = create.add_subparsers(dest="kind", required=True, metavar="KIND")
    for kind in kinds():
        _create_parser(of_kind, kind)
    usage = add_verb(below, "usage", f"POST {ONE}/usage", f"GET {ONE}/usage", help="measure it; how it grew")
    usage.add_argument("name")
    usage.add_argument("--limit", type=int, default=10, help="how many figures (10)")
    usage.set_defaults(func=run_at_once(_usage))
    change = add_verb(below, "change", f"PATCH {ONE}")
    change.add_argument("name")
    change.add_argument("--capacity", metavar="SIZE", help="such as 500G (binary units)")
    change.add_argument("--namespace", action="append", metavar="NS", help="who may use it; '' for all")
    change.set_defaults(func=run_at_once(_change))
    for verb, route in _VERBS:
        one = add_verb(below, verb, route)
        one.add_argument("name")
        if verb == "delete":
            one.add_argument("--yes", metavar="NAME", help="the storage's name, as confirmation")
        one.set_defaults(func=run_at_once(_act))


def _create_parser(of_kind: Any, kind: StorageKind) -> None:
    keys = [f"  {k.name}: {k.description}{'' if k.required else ' (optional)'}" for k in kind.credentials]
    words = "\n".join(["keys of the Secret:", *keys]) if keys else None
    parser = of_kind.add_parser(
        kind.kind,
        help=kind.description,
        description=kind.description,
        epilog=words,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("name")
    for field in kind.fields:
        parser.add_argument(
            f"--{field.name.replace('_', '-')}",
            dest=f"field_{field.name}",
            required=field.required,
            type=int if field.type == "number" else str,
            choices=field.choices or None,
            metavar=None if field.choices else field.type.upper(),
            help=field.description + (f" ({field.default})" if field.default else ""),
        )
    if keys:
        parser.add_argument("--credentials", metavar="SECRET", help="a Secret in kronkeep's namespace")
    parser.add_argument("--password", metavar="SECRET[/KEY]", help="of the repository; default: a random one")
    parser.add_argument("--allow-namespace", action="append", default=[], metavar="NS", help="default: all")
    parser.add_argument("--capacity", metavar="SIZE", help="what it may hold, such as 500G (binary units)")
    add_cluster(parser, argparse.SUPPRESS)  # as on `create` itself, whose value must stay
    parser.add_argument("--dry-run", action="store_true", help="only say whether it could be created")
    parser.add_argument("--wait", action="store_true", help="until it is active or failed")
    parser.set_defaults(func=run_at_once(_create), credentials=None)


def _bytes(text: str | None) -> int | None:
    return None if text is None else read_size(text)


async def _create(client: "Client", options: argparse.Namespace) -> int:
    secret, _, key = (options.password or "").partition("/")
    fields = {n.removeprefix("field_"): v for n, v in vars(options).items() if n.startswith("field_")}
    storage_spec = BackupStorageCreate(
        id=options.name,
        kind=options.kind,
        settings={name: value for name, value in fields.items() if value is not None},
        password=SecretKeyRef(secret=secret, key=key or "password") if secret else None,
        credentials=options.credentials,
        namespaces=tuple(options.allow_namespace),
        capacity_bytes=_bytes(options.capacity),
    )
    storage = await client.storages.create(storage_spec, dry_run=options.dry_run)
    if options.dry_run:
        print(clean(f"{storage.id} would be created at {storage.repository}"))
        return 0
    if storage_spec.password is None:
        sys.stderr.write(
            f"Its password is in the Secret {storage.password.secret} of kronkeep's namespace: "
            "keep a copy elsewhere, for without it nothing can be restored.\n"
        )
    if options.wait:
        storage = await _wait_until_made(client, storage)
    return _print_state(storage)


async def _wait_until_made(client: "Client", storage: BackupStorage) -> BackupStorage:
    """Wait until the storage is active or failed, and return it."""
    line = wait.StatusLine()
    while storage.status in ("pending", "creating"):
        line.show(f"storage {clean(storage.id, 60)} {storage.status}")
        await client.pause(wait.STEP)
        storage = await client.storages.get(storage.id)
    line.end()
    return storage


async def _change(client: "Client", options: argparse.Namespace) -> int:
    names = None if options.namespace is None else tuple(name for name in options.namespace if name)
    change = BackupStorageChange(namespaces=names, capacity_bytes=_bytes(options.capacity))
    return _print_state(await client.storages.change(options.name, change))


async def _list(client: "Client", options: argparse.Namespace) -> int:
    answer = await client.storages.list()
    output.show("storages", answer.items, options.output, headers=not options.no_headers)
    return 0


async def _act(client: "Client", options: argparse.Namespace) -> int:
    if options.storage_verb == "delete":
        await client.storages.delete(options.name, options.yes or "")
        print(f"{options.name} is forgotten; its data and its password's Secret stay")
        return 0
    if options.storage_verb == "prune":
        await client.storages.prune(options.name)
        return _print_state(await client.storages.get(options.name))
    works = {"retry": client.storages.retry, "test": client.storages.test, "check": client.storages.check}
    return _print_state(await works[options.storage_verb](options.name))


async def _usage(client: "Client", options: argparse.Namespace) -> int:
    await client.storages.measure(options.name)
    figures = (await client.storages.usage(options.name, options.limit)).items
    output.show("usages", figures, "table")
    return 0


def _print_state(storage: BackupStorage) -> int:
    words = f": {storage.message}" if storage.message else ""
    print(clean(f"{storage.id} {storage.status}{words}"))
    return 1 if storage.status == "failed" else 0


def _kinds(_: argparse.Namespace) -> int:
    for kind in kinds():
        print(f"{kind.kind}: {kind.description}")
        for field in kind.fields:
            must = "required" if field.required else f"default {field.default!r}"
            choices = f", one of {', '.join(field.choices)}" if field.choices else ""
            print(f"    --{field.name.replace('_', '-'):16} {field.description} ({must}{choices})")
        for key in kind.credentials:
            print(f"    key {key.name}: {key.description}{'' if key.required else ' (optional)'}")
    return 0
