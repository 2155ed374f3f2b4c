"""How the daemon's own history gets from its machine into a pod: as Secrets of kronkeep's namespace.

The daemon has no other way into a pod with the rights that it has, and a storage need not be reachable from
its machine. A Secret may have 1 MiB.
"""

import gzip
import hashlib
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from kronkeep_common.errors import StorageFailed
from kronkeep_common.reasons import Reason
from kronkeep_common.text import size
from kronkeep_daemon.history.database_copy import copy_database
from kronkeep_daemon.history.database_faults import translate_faults
from kronkeep_daemon.kube.objects import JsonObject
from kronkeep_daemon.restic import history_copy

PART_BYTES = 900 * 1024
MOST_PARTS = 128  # 115 MB compressed: a database of about a gigabyte
COMPRESSION = 6


class CompressedCopy(NamedTuple):
    """The compressed copy of a history: its file, its newest change, its bytes and their SHA-256."""

    file: Path
    sequence: int
    length: int
    sha256: str

    @property
    def parts(self) -> int:
        """In how many Secrets it goes."""
        return -(-self.length // PART_BYTES)


def make_copy(folder: Path, scratch: Path) -> CompressedCopy:
    """Copy and compress the history of a folder into `scratch`.

    Raise StorageFailed where it is too large, ReadOnlyHistory while the disk is full, DamagedHistory.
    """
    packed = scratch / history_copy.FILE
    with translate_faults(folder):
        sequence = _write_compressed(folder, scratch / "history.db", packed)
    length = packed.stat().st_size
    if length > MOST_PARTS * PART_BYTES:
        too_large = Reason.HISTORY_TOO_LARGE
        raise StorageFailed(
            f"{too_large.meaning} It has {size(length)}.", next_step=too_large.next_step, reason=too_large
        )
    with packed.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return CompressedCopy(file=packed, sequence=sequence, length=length, sha256=digest)


def _write_compressed(folder: Path, plain: Path, packed: Path) -> int:
    """Write the compressed copy of a history by way of a plain one; return its newest change."""
    plain.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    sequence = copy_database(folder, plain)
    with plain.open("rb") as source, gzip.open(packed, "wb", compresslevel=COMPRESSION) as target:
        shutil.copyfileobj(source, target, 1024 * 1024)
    plain.unlink()
    return sequence


def read_parts(copy: CompressedCopy) -> Iterator[bytes]:
    """Yield the parts in their order."""
    with copy.file.open("rb") as file:
        while part := file.read(PART_BYTES):
            yield part


def volumes_of(names: list[str], mode: int) -> list[JsonObject]:
    """Return the volumes of the Secrets with the parts."""
    return [
        {"name": f"part-{number}", "secret": {"secretName": name, "defaultMode": mode}}
        for number, name in enumerate(names)
    ]


def mounts_of(names: list[str]) -> list[JsonObject]:
    """Return where they are mounted, so that their folders' names sort them."""
    return [
        {"name": f"part-{number}", "mountPath": f"{history_copy.PARTS}/{number:04}", "readOnly": True}
        for number, _ in enumerate(names)
    ]
