"""`restic copy`: copies snapshots from one repository to another, with their tags.

The source is named by RESTIC_FROM_REPOSITORY and RESTIC_FROM_PASSWORD_FILE (restic 0.14 and later). A copied
snapshot has another id; its field `original` names that of the first, by which restic passes over what it has
copied already.
"""

from collections.abc import Sequence

from kronkeep_daemon.restic import snapshots

FROM_REPOSITORY = "RESTIC_FROM_REPOSITORY"
FROM_PASSWORD_FILE = "RESTIC_FROM_PASSWORD_FILE"  # noqa: S105 (the name of a variable)
FROM_NO_PASSWORD = "--from-insecure-no-password"  # noqa: S105 (an option of restic 0.17 and later)
# Lets a command of restic work on the source; its options of the other repository do no harm.
_ON_SOURCE = (
    f'export RESTIC_REPOSITORY="${FROM_REPOSITORY}" RESTIC_PASSWORD_FILE="${FROM_PASSWORD_FILE}"; exec "$@"'
)


def argv(snapshot_ids: Sequence[str], *, encrypted: bool = True) -> list[str]:
    """Copy these snapshots.

    encrypted: whether the source is.
    """
    return ["restic", "copy", *from_options(encrypted=encrypted), *map(snapshots.reference, snapshot_ids)]


def from_options(*, encrypted: bool) -> list[str]:
    """Return the options of `restic copy` and `restic init` about the source."""
    return [] if encrypted else [FROM_NO_PASSWORD]


def on_source(argv: Sequence[str]) -> list[str]:
    """Return a command line of restic that works on the source instead."""
    return ["sh", "-c", _ON_SOURCE, "sh", *argv]
