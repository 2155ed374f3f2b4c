"""`restic dump`: writes a file or a folder of a snapshot to its standard output."""


def tar_argv(snapshot_id: str, path: str) -> list[str]:
    """Write a folder as a tar archive (restic 0.12); without a lock."""
    return ["restic", "dump", "--no-lock", "--archive", "tar", snapshot_id, path]
