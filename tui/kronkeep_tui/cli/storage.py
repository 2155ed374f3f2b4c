"""`kronkeep storage`: create, test, check, measure, change and delete storages.

The fields of each kind of storage are options of `kronkeep storage create KIND`.
"""

import argparse
import sys
from typing import TYPE_CHECKING

from kronkeep_common.errors import InvalidRequest
from kronkeep_common.models import BackupStorage, BackupStorageChange, BackupStorageCreate, SecretKeyRef
from kronkeep_common.models.storage_kinds import StorageKind, all_kinds
from kronkeep_common.models.storage_layout import LAYOUTS
from kronkeep_common.storage_place import describe_place
from kronkeep_tui.cli import (
    output,
    storage_address,
    storage_keys,
    storage_move,
    storage_snapshots,
    wait_for_end,
)
from kronkeep_tui.cli.apply import print_storage_warnings
from kronkeep_tui.cli.arguments import add_cluster, read_count
from kronkeep_tui.cli.verb import Verbs, add_verb, with_blocking_client
from kronkeep_tui.form.value_texts import read_size
from kronkeep_tui.password_words import password_words

if TYPE_CHECKING:
    from kronkeep_common.client import Client

_STORAGE = "/v1/storages/{id}"
_MAINTENANCE_HELP = (
    "another Secret there with the right to delete, so that those of archives need none (see storage test)"
)


def add_parser(verbs: Verbs) -> None:
    """Add the verb `storage` with its own verbs."""
    storage = verbs.add_parser("storage", help="create, test, check, measure, change or delete a storage")
    storage_verbs = storage.add_subparsers(dest="storage_verb", required=True, metavar="VERB")
    kinds = add_verb(storage_verbs, "kinds", routes=["GET /v1/storages/kinds"])
    output.add_json(kinds)
    kinds.set_defaults(func=_print_kinds)
    list_verb = add_verb(storage_verbs, "list", routes=["GET /v1/storages"])
    output.add_options(list_verb)
    output.add_zone(list_verb)
    list_verb.set_defaults(func=with_blocking_client(_list))
    create = add_verb(storage_verbs, "create", routes=["POST /v1/storages"])
    kind_parsers = create.add_subparsers(dest="kind", required=True, metavar="KIND")
    for kind in all_kinds():
        _add_kind(kind_parsers, kind)
    storage_snapshots.add_verbs(storage_verbs)
    storage_keys.add_verbs(storage_verbs)
    storage_move.add_verbs(storage_verbs)
    _add_usage(storage_verbs)
    _add_repositories(storage_verbs)
    _add_change(storage_verbs)
    storage_address.add_verb_of_address(storage_verbs)
    for name in ("test", "check", "prune", "retry", "archive-history"):
        verb = add_verb(storage_verbs, name, routes=[f"POST {_STORAGE}/{name}"])
        verb.add_argument("name", help="of the storage")
        words = (
            "wait until it is active or has failed"
            if name == "retry"
            else f"as of other verbs; {name} waits anyway"
        )
        verb.add_argument("--wait", action="store_true", help=words)
        output.add_json(verb)
        verb.set_defaults(func=with_blocking_client(_run_work))
    delete = add_verb(storage_verbs, "delete", routes=[f"DELETE {_STORAGE}"])
    delete.add_argument("name", help="of the storage")
    delete.add_argument("--yes", metavar="NAME", help="the storage's name again, as confirmation")
    delete.add_argument(
        "--only-here",
        type=int,
        metavar="NUMBER",
        help="how many snapshots and copies no other storage has (told without it)",
    )
    output.add_json(delete)
    delete.set_defaults(func=with_blocking_client(_delete))


def _add_kind(parsers: Verbs, kind: StorageKind) -> None:
    """Add `create KIND` with an option for each of its fields."""
    keys = [
        f"  {key.name}: {key.description}{'' if key.required else ' (optional)'}" for key in kind.credentials
    ]
    parser = parsers.add_parser(
        kind.kind,
        help=kind.description,
        description=kind.description,
        epilog="\n".join(["keys of the Secret:", *keys]) if keys else None,
    )
    parser.add_argument("name", help="of the storage")
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
        parser.add_argument("--maintenance-credentials", metavar="SECRET", help=_MAINTENANCE_HELP)
    parser.add_argument(
        "--password", metavar="SECRET[/KEY]", help="the repository's password (default: a random one)"
    )
    parser.add_argument(
        "--allow-namespace",
        action="append",
        default=[],
        metavar="NAMESPACE",
        help="a namespace that it serves, '*' for all; may be repeated (default: none, so nobody can use it);"
        " whoever may create pods in one of them can open the repository",
    )
    parser.add_argument(
        "--capacity", metavar="SIZE", help="how much it may hold, such as 500G (binary units)"
    )
    parser.add_argument(
        "--layout",
        choices=LAYOUTS,
        default="namespace",
        help="what gets a repository with a password of its own: each namespace, each policy, or only the "
        "storage (default: namespace)",
    )
    _add_bandwidth(parser)
    output.add_json(parser)
    add_cluster(parser, argparse.SUPPRESS)  # `create` has the option, too, and its value must stay
    parser.add_argument("--dry-run", action="store_true", help="only print whether it could be created")
    parser.add_argument("--wait", action="store_true", help="wait until it is active or has failed")
    parser.set_defaults(func=with_blocking_client(_create), credentials=None, maintenance_credentials=None)


def _add_usage(storage_verbs: Verbs) -> None:
    usage = add_verb(
        storage_verbs,
        "usage",
        routes=[f"POST {_STORAGE}/usage", f"GET {_STORAGE}/usage"],
        help="measure it, and print how it has grown",
    )
    usage.add_argument("name", help="of the storage")
    usage.add_argument("--limit", type=read_count, default=10, help="how many measurements (default: 10)")
    output.add_options(usage, output.NAMELESS)
    usage.set_defaults(func=with_blocking_client(_usage))


def _add_repositories(storage_verbs: Verbs) -> None:
    repositories = add_verb(
        storage_verbs,
        "repositories",
        routes=[f"GET {_STORAGE}/repositories"],
        help="whose repositories it has, and how late their archives begin",
    )
    repositories.add_argument("name", help="of the storage")
    repositories.add_argument("--limit", type=read_count, help="how many (default: all)")
    output.add_options(repositories)
    output.add_zone(repositories)
    repositories.set_defaults(func=with_blocking_client(_list_repositories))


async def _list_repositories(client: "Client", options: argparse.Namespace) -> int:
    answer = await client.storages.repositories(options.name, options.limit)
    output.print_records(
        "repositories", answer.items, options.output, headers=not options.no_headers, zone=options.zone
    )
    return 0


def _add_change(storage_verbs: Verbs) -> None:
    change = add_verb(storage_verbs, "change", routes=[f"PATCH {_STORAGE}"])
    change.add_argument("name", help="of the storage")
    change.add_argument(
        "--capacity", metavar="SIZE", help="how much it may hold, such as 500G (binary units)"
    )
    change.add_argument(
        "--allow-namespace",
        action="append",
        default=[],
        metavar="NAMESPACE",
        help="one more namespace that it serves, '*' for all; may be repeated",
    )
    change.add_argument(
        "--deny-namespace",
        action="append",
        default=[],
        metavar="NAMESPACE",
        help="a namespace that it serves no more; may be repeated",
    )
    _add_bandwidth(change)
    change.add_argument("--maintenance-credentials", metavar="SECRET", help=_MAINTENANCE_HELP)
    output.add_json(change)
    change.set_defaults(func=with_blocking_client(_change))


def _add_bandwidth(verb: argparse.ArgumentParser) -> None:
    verb.add_argument(
        "--bandwidth",
        metavar="LIMITS",
        help="of the network, such as '02:00-06:00 unlimited, else 4 MiB/s'; '' ends them",
    )
    verb.add_argument("--bandwidth-zone", metavar="ZONE", help="the time zone of the limits (default: UTC)")


def _read_capacity(options: argparse.Namespace) -> int | None:
    return None if options.capacity is None else read_size(options.capacity)


async def _create(client: "Client", options: argparse.Namespace) -> int:
    spec = _spec_of(options)
    storage = await client.storages.create(spec, dry_run=options.dry_run)
    print_storage_warnings(storage)
    if options.dry_run:
        output.print_answer(storage, f"{storage.id} would be created at {describe_place(storage)}", options)
        return 0
    if spec.password is None or storage.layout != "shared":
        sys.stderr.write(f"{password_words(storage.password_secrets)}\n")
    if not storage.namespaces:
        sys.stderr.write(
            "It serves no namespace yet, so nobody can use it: "
            f"kronkeep storage change {storage.id} --allow-namespace NAMESPACE\n"
        )
    if options.wait:
        storage = await wait_for_end.wait_for_storage(client, storage)
    return _report(storage, options)


def _spec_of(options: argparse.Namespace) -> BackupStorageCreate:
    secret, _, key = (options.password or "").partition("/")
    fields = {
        name.removeprefix("field_"): value
        for name, value in vars(options).items()
        if name.startswith("field_") and value is not None
    }
    return BackupStorageCreate(
        id=options.name,
        kind=options.kind,
        settings=fields,
        password=SecretKeyRef(secret=secret, key=key or "password") if secret else None,
        credentials=options.credentials,
        maintenance_credentials=options.maintenance_credentials,
        bandwidth=options.bandwidth,
        bandwidth_zone=options.bandwidth_zone,
        namespaces=tuple(options.allow_namespace),
        layout=options.layout,
        capacity_bytes=_read_capacity(options),
    )


async def _change(client: "Client", options: argparse.Namespace) -> int:
    given = (options.capacity, options.bandwidth, options.bandwidth_zone, options.maintenance_credentials)
    if all(value is None for value in given) and not options.allow_namespace + options.deny_namespace:
        raise InvalidRequest(
            "What is to be changed is not named.",
            next_step="kronkeep help storage change lists what can be; its address: storage set-address.",
        )
    change = BackupStorageChange(
        allow_namespaces=tuple(options.allow_namespace),
        deny_namespaces=tuple(options.deny_namespace),
        capacity_bytes=_read_capacity(options),
        maintenance_credentials=options.maintenance_credentials,
        bandwidth=options.bandwidth,
        bandwidth_zone=options.bandwidth_zone,
    )
    storage = await client.storages.change(options.name, change)
    print_storage_warnings(storage)
    return _report(storage, options)


async def _list(client: "Client", options: argparse.Namespace) -> int:
    answer = await client.storages.list()
    output.print_records(
        "storages", answer.items, options.output, headers=not options.no_headers, zone=options.zone
    )
    return 0


async def _run_work(client: "Client", options: argparse.Namespace) -> int:
    match options.storage_verb:
        case "test":
            storage = await client.storages.test(options.name)
            if storage.append_only and options.output == "text":
                print(f"{storage.id}: its credentials for archives cannot delete, those for maintenance can")
        case "check":
            storage = await client.storages.check(options.name)
            if storage.checked_without_lock and options.output == "text":
                print(f"{storage.id} was checked without a lock, as none can be written")
        case "archive-history":
            storage = await client.storages.archive_history(options.name)
            if storage.history_archive is not None:
                print(f"the history up to change {storage.history_archive.sequence} is in {storage.id}")
        case "retry":
            storage = await client.storages.retry(options.name)
            if options.wait:
                storage = await wait_for_end.wait_for_storage(client, storage)
        case _:
            await client.storages.prune(options.name)
            storage = await client.storages.get(options.name)
            if options.output == "text":
                print(
                    f"{storage.id} is pruned; kronkeep storage usage {storage.id} measures what it holds now"
                )
    return _report(storage, options)


async def _delete(client: "Client", options: argparse.Namespace) -> int:
    await client.storages.delete(options.name, options.yes or "", options.only_here)
    words = f"{options.name} is forgotten; its data and its password's Secret stay"
    output.print_answer({"id": options.name, "status": "deleted"}, words, options)
    return 0


async def _usage(client: "Client", options: argparse.Namespace) -> int:
    await client.storages.measure(options.name)
    usages = (await client.storages.usage(options.name, options.limit)).items
    output.print_records("usages", usages, options.output, headers=not options.no_headers)
    return 0


def _report(storage: BackupStorage, options: argparse.Namespace) -> int:
    """Print a storage's state; return 1 where it has failed."""
    reason = f": {storage.message}" if storage.message else ""
    output.print_answer(storage, f"{storage.id} {storage.status}{reason}", options)
    return 1 if storage.status == "failed" else 0


def _print_kinds(options: argparse.Namespace) -> int:
    if options.output == "json":
        output.print_document(list(all_kinds()), "json")
        return 0
    for kind in all_kinds():
        print(f"{kind.kind}: {kind.description}")
        for field in kind.fields:
            need = "required" if field.required else f"default {field.default!r}"
            choices = f", one of {', '.join(field.choices)}" if field.choices else ""
            print(f"    --{field.name.replace('_', '-'):16} {field.description} ({need}{choices})")
        for key in kind.credentials:
            print(f"    key {key.name}: {key.description}{'' if key.required else ' (optional)'}")
    return 0
