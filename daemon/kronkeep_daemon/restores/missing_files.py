"""What of a snapshot a restore has not brought back; pure."""

from collections.abc import Iterable, Set

from kronkeep_common.models import SnapshotFile
from kronkeep_daemon.backups import archive_manifests
from kronkeep_daemon.restores.restore_plan import ResolvedRequest


def list_missing(entries: Iterable[SnapshotFile], resolved: ResolvedRequest, restored: Set[str]) -> list[str]:
    """Return the paths of a selection that were not restored.

    entries: of the snapshot. restored: the snapshot's paths that are in the target. Names that restic does
    not tell exactly cannot be compared and are passed over.
    """
    roots = {
        archive_manifests.SOURCE,
        *(f"{archive_manifests.SOURCE}/{claim}" for claim in resolved.selection.claims),
    }
    return [
        f"{entry.path} (missing)"
        for entry in entries
        if resolved.brings_back(entry.path)
        and entry.exact
        and entry.kind != "socket"
        and entry.path not in restored
        and entry.path not in roots
    ]
