"""`kronkeep storage rotate-key` and `recovery-kit`: passwords of storages, changed and kept elsewhere."""

import argparse
import shlex
import sys
from typing import TYPE_CHECKING

from kronkeep_common.models.storage import KitRepository, RecoveryKit
from kronkeep_common.text import clean
from kronkeep_tui.cli import output
from kronkeep_tui.cli.verb import Verbs, add_verb, with_blocking_client

if TYPE_CHECKING:
    from kronkeep_common.client import Client

_STORAGE = "/v1/storages/{id}"
MOUNT = "/repository"  # where Jobs have a storage's volume, and with which a kit's addresses begin then


def add_verbs(storage_verbs: Verbs) -> None:
    """Add both verbs to those of `storage`."""
    rotate = add_verb(storage_verbs, "rotate-key", routes=[f"POST {_STORAGE}/rotate-key"])
    rotate.add_argument("name", help="of the storage")
    output.add_json(rotate)
    rotate.set_defaults(func=with_blocking_client(_rotate_key))
    kit = add_verb(
        storage_verbs,
        "recovery-kit",
        routes=[f"GET {_STORAGE}/recovery-kit", f"POST {_STORAGE}/recovery-kit/confirm"],
        help="print all that opens it without kronkeep, passwords in clear: for paper or a safe",
    )
    kit.add_argument("name", help="of the storage")
    kit.add_argument(
        "--confirm",
        metavar="FINGERPRINT",
        help="show that you have the kit, by its fingerprint",
    )
    output.add_json(kit)
    kit.set_defaults(func=with_blocking_client(_recovery_kit))


async def _rotate_key(client: "Client", options: argparse.Namespace) -> int:
    storage = await client.storages.rotate_key(options.name)
    words = (
        f"{storage.id} has a new password; the old one opens it no more. "
        f"Make a new recovery kit: kronkeep storage recovery-kit {storage.id}"
    )
    output.print_answer(storage, words, options)
    return 0


async def _recovery_kit(client: "Client", options: argparse.Namespace) -> int:
    if options.confirm:
        storage = await client.storages.confirm_recovery_kit(options.name, options.confirm)
        output.print_answer(storage, f"{storage.id}: its recovery kit is there", options)
        return 0
    kit = await client.storages.recovery_kit(options.name)
    if options.output == "json":
        output.print_document(kit, "json")
    else:
        sys.stdout.write("\n".join(kit_lines(kit)) + "\n")
    return 0


def kit_lines(kit: RecoveryKit) -> list[str]:
    """Return a kit as a script for a shell, which opens each repository with restic alone."""
    settings = ", ".join(f"{name} {value}" for name, value in kit.settings.items())
    lines = [
        f"# Recovery kit of the storage {kit.storage_id} ({kit.kind}).",
        f"# Made {kit.made_at:%Y-%m-%d %H:%M} UTC. Whoever has it can read and change every backup:",
        "# keep it on paper or in a safe, not beside the data.",
        f"# Fingerprint, which kronkeep asks for every 90 days: {kit.fingerprint}",
        f"# The storage: {clean(settings, 2000)}",
        f"# Repositories: {len(kit.repositories)}. One that is made later, as by the first backup of another",
        "# namespace, is not in it, and after rotate-key it opens nothing: make a new kit then.",
    ]
    if any(repository.is_mounted for repository in kit.repositories):
        folder = str(kit.settings["path"]) if kit.kind == "local" else MOUNT
        lines += [
            "",
            "# The folder of the storage, or where its volume is mounted: ROOT=/mnt/backups sh kit.sh",
        ]
        lines.append(f"ROOT=${{ROOT:-{shlex.quote(folder)}}}")
    for repository in kit.repositories:
        lines += ["", *_repository_lines(repository)]
    lines += ["", "# To restore the newest of a CronJob, with the variables of its repository set:"]
    lines.append("# restic restore latest --host HOST --target FOLDER   (hosts are in the lists)")
    return lines


def _repository_lines(repository: KitRepository) -> list[str]:
    lines = []
    for path, text in repository.files.items():
        folder = shlex.quote(path.rpartition("/")[0])
        lines.append(f"umask 077; mkdir -p {folder}; printf %s {shlex.quote(text)} > {shlex.quote(path)}")
    address = shlex.quote(repository.address)
    if repository.is_mounted:
        address = f'"$ROOT"{shlex.quote(repository.address.removeprefix(MOUNT))}'
    lines.append(f"export RESTIC_REPOSITORY={address}")
    variables = dict(repository.environment)
    if repository.password is not None:
        variables["RESTIC_PASSWORD"] = repository.password
    lines += [f"export {name}={shlex.quote(value)}" for name, value in variables.items()]
    lines.append(shlex.join(["restic", *repository.options, "snapshots"]))
    return lines
