"""`restic prune`: frees the space of data that no snapshot uses; it locks the repository for itself."""


def argv(*, repack: bool = True) -> list[str]:
    """Remove the data that no snapshot uses.

    Without `repack` only files that hold nothing else are removed, which needs no space but for a lock and an
    index: the way out of a full storage.
    """
    return ["restic", "prune"] if repack else ["restic", "prune", "--max-repack-size", "0"]
