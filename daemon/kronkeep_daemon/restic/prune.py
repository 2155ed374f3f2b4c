"""`restic prune`: frees the space of data that no snapshot uses; it locks the repository for itself."""


def argv() -> list[str]:
    """Remove the data that no snapshot uses."""
    return ["restic", "prune"]
