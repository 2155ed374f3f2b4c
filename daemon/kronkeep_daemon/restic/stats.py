"""`restic stats`: measures what a repository stores."""

import msgspec

from kronkeep_daemon.restic import output


class RepositoryStats(msgspec.Struct, frozen=True, kw_only=True):
    """The figures of `restic stats --mode raw-data`; `total_size` in bytes."""

    total_size: output.Count = 0
    snapshots_count: output.Count = 0


def argv() -> list[str]:
    """Count the bytes that the repository stores, and its snapshots; without a lock."""
    return ["restic", "stats", "--no-lock", "--json", "--mode", "raw-data"]


def parse(log: bytes) -> RepositoryStats | None:
    """Return the figures; None where restic printed none."""
    objects = output.parse_objects(log)
    try:
        return msgspec.convert(objects[-1], RepositoryStats) if objects else None
    except msgspec.ValidationError:
        return None
