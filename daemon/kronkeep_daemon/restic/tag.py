"""`restic tag`: gives a snapshot further tags; it then has another id, and the same content."""

from kronkeep_daemon.restic.snapshots import SnapshotTags, reference


def argv(snapshot_id: str, tags: SnapshotTags) -> list[str]:
    """Add the tags of a backup to a snapshot; those that it has stay."""
    return ["restic", "tag", "--add", ",".join(tags.texts()), reference(snapshot_id)]
