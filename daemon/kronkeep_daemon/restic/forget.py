"""`restic forget`: removes snapshots by their ids; their data stays until `restic prune`."""

from collections.abc import Sequence


def argv(snapshot_ids: Sequence[str]) -> list[str]:
    """Remove exactly these snapshots; restic's own rules (`--keep-…`) are never used."""
    return ["restic", "forget", *snapshot_ids]
