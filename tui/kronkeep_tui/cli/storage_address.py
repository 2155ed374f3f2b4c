"""`kronkeep storage set-address`: where a storage's repositories are now."""

import argparse
from typing import TYPE_CHECKING

from kronkeep_common.errors import InvalidRequest
from kronkeep_common.models import BackupStorage
from kronkeep_common.models.storage import Settings, StorageAddress
from kronkeep_common.text import clean
from kronkeep_tui.cli import output
from kronkeep_tui.cli.verb import Verbs, add_verb, with_blocking_client

if TYPE_CHECKING:
    from kronkeep_common.client import Client


def add_verb_of_address(storage_verbs: Verbs) -> None:
    """Add the verb `set-address` to those of `storage`."""
    verb = add_verb(storage_verbs, "set-address", routes=["POST /v1/storages/{id}/address"])
    verb.add_argument("name", help="of the storage")
    verb.add_argument(
        "fields",
        nargs="*",
        metavar="FIELD=VALUE",
        help="what is another one now, such as path=/mnt/new; the others stay (see storage kinds)",
    )
    verb.add_argument("--credentials", metavar="SECRET", help="a Secret in kronkeep's namespace")
    verb.add_argument(
        "--dry-run", action="store_true", help="only check the fields; the repositories are not looked for"
    )
    output.add_json(verb)
    verb.set_defaults(func=with_blocking_client(_set_address))


async def _set_address(client: "Client", options: argparse.Namespace) -> int:
    storage = await client.storages.get(options.name)
    settings = changed_settings(storage, options.fields)
    address = StorageAddress(settings=settings, credentials=options.credentials)
    if options.dry_run:
        moved = await client.storages.check_address(storage.id, address)
        words = f"{moved.id} would be looked for at {_describe(moved)}"
    else:
        moved = await client.storages.change_address(storage.id, address)
        words = f"{moved.id} {moved.status} at {_describe(moved)}"
    output.print_answer(moved, words, options)
    return 1 if moved.status == "failed" and not options.dry_run else 0


def _describe(storage: BackupStorage) -> str:
    return " ".join(f"{name}={value}" for name, value in storage.settings.items() if value != "")


def changed_settings(storage: BackupStorage, fields: list[str]) -> Settings:
    """Return a storage's settings with some fields changed; an empty value is the kind's default.

    Raises InvalidRequest for what is not like FIELD=VALUE.
    """
    settings = dict(storage.settings)
    for field in fields:
        name, sign, value = field.partition("=")
        if not sign or not name:
            raise InvalidRequest(
                f"{clean(repr(field), 80)} is not like FIELD=VALUE.",
                next_step=f"kronkeep storage kinds lists the fields of {storage.kind}.",
            )
        settings.pop(name, None)
        if value:
            settings[name] = value
    return settings
