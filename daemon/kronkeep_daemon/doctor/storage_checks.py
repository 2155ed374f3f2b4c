"""The checks of what storages hold: snapshots that are missing, without a record, or of no policy; pure."""

from collections.abc import Iterator, Sequence

from kronkeep_common.api import Check
from kronkeep_common.models import BackupStorage, OrphanedPolicy
from kronkeep_common.text import clean


def check_snapshots(storages: Sequence[BackupStorage], orphans: Sequence[OrphanedPolicy]) -> Iterator[Check]:
    """Yield a warning for each storage that differs from the records, and for backups without a policy."""
    for storage in storages:
        counts = storage.snapshots
        name = f"snapshots in {clean(storage.id, 63)}"
        if counts is not None and counts.missing:
            yield Check(
                name=name,
                status="warn",
                message=f"The snapshots of {counts.missing} backups are missing.",
                next_step="Bring them back, or: kronkeep storage acknowledge NAME.",
            )
        if counts is not None and counts.unrecorded:
            yield Check(
                name=name,
                status="warn",
                message=f"{counts.unrecorded} backups of this kronkeep have snapshots and no record.",
                next_step=f"kronkeep storage rescan {clean(storage.id, 63)}.",
            )
    if orphans:
        snapshots = sum(orphan.snapshots for orphan in orphans)
        yield Check(
            name="orphans",
            status="warn",
            message=f"{snapshots} snapshots are of {len(orphans)} policies that no CronJob has any more.",
            next_step="kronkeep storage orphans; then kronkeep adopt, or kronkeep retention --policy ID.",
        )
