"""`restic ls`: lists the files of a snapshot."""

from datetime import datetime

import msgspec

from kronkeep_common import path_text
from kronkeep_common.json_decoding import JsonObject, decode_or_none
from kronkeep_common.models import SnapshotFile
from kronkeep_daemon.restic import snapshots

_PERMISSIONS = 0o777  # the bits above are those of Go's FileMode, not the file system's


class _ListedNode(msgspec.Struct, gc=False):
    """What is read of a line about a file or folder."""

    name: str
    path: str
    type: str
    size: int = 0
    mode: int = 0
    mtime: str | None = None
    struct_type: str = ""
    message_type: str = ""


def argv(snapshot_id: str) -> list[str]:
    """List every file and folder of the snapshot, a JSON object a line; without a lock."""
    return ["restic", "ls", "--no-lock", "--json", snapshots.reference(snapshot_id)]


def names_argv(snapshot_id: str) -> list[str]:
    """List the path of every file and folder of the snapshot as it is, byte for byte; without a lock."""
    return ["restic", "ls", "--no-lock", snapshots.reference(snapshot_id)]


def parse_entry(line: bytes) -> SnapshotFile | None:
    """Return the file or folder on a line, its path as `path_text` has it; None for every other line."""
    node = decode_or_none(line, _ListedNode) if line.startswith(b"{") else None
    if node is None or "node" not in (node.struct_type, node.message_type):
        return None
    return SnapshotFile(
        name=path_text.escape(node.name),
        path=path_text.escape(node.path),
        kind=node.type,
        size=node.size,
        mode=node.mode & _PERMISSIONS,
        modified_at=_parse_time(node.mtime),
    )


def is_snapshot(line: bytes) -> bool:
    """Return whether a line describes the snapshot itself, which comes before its files.

    restic before 0.16 ends with exit code 0 where the snapshot is not there, and does not print this line.
    """
    message = decode_or_none(line, JsonObject) if line.startswith(b"{") else None
    return message is not None and "snapshot" in (message.get("struct_type"), message.get("message_type"))


def _parse_time(text: object) -> datetime | None:
    """Return the time; None where a file claims one that no calendar has."""
    try:
        return msgspec.convert(text, datetime | None)
    except msgspec.ValidationError:
        return None
