"""`storage`: create, check, measure and delete storages."""

import argparse
from typing import Any

from kronkeep_tui.cli.running import pairs, run


def add_parser(verbs: Any) -> None:
    """Adds `storage`."""
    storage = verbs.add_parser("storage", help="create, check, measure or delete a storage")
    below = storage.add_subparsers(dest="storage_verb", required=True, metavar="VERB")
    create = below.add_parser("create", help="create a storage and its repository")
    create.add_argument("name")
    create.add_argument("--kind", default="local")
    create.add_argument("--set", action="append", default=[], metavar="K=V", help="the kind's own settings")
    create.set_defaults(func=run(_storage_act))
    for verb, words in (("check", "run restic check"), ("usage", "measure it"), ("delete", "forget it")):
        one = below.add_parser(verb, help=words)
        one.add_argument("name")
        if verb == "delete":
            one.add_argument("--yes", metavar="NAME", help="the storage's name, as confirmation")
        one.set_defaults(func=run(_storage_act))


async def _storage_act(client: Any, options: argparse.Namespace) -> int:
    from kronkeep_common.models import BackupStorageCreate

    if options.storage_verb == "create":
        wanted = BackupStorageCreate(id=options.name, kind=options.kind, settings=pairs(options.set))
        storage = await client.create_storage(wanted)
    elif options.storage_verb == "delete":
        await client.delete_storage(options.name, options.yes or "")
        print(f"{options.name} is forgotten; its data stays where it is")
        return 0
    elif options.storage_verb == "check":
        storage = await client.check_storage(options.name)
    else:
        storage = await client.measure_storage(options.name)
    print(f"{storage.id} {storage.status}" + (f": {storage.message}" if storage.message else ""))
    return 0
