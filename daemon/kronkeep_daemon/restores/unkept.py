"""What restic cannot bring back of a selection, in words; pure.

That is no damage: files are compared without it. The plan and the restore say it once.
"""

from datetime import UTC, datetime

import msgspec

from kronkeep_common.models import SnapshotFile

# restic sets times as nanoseconds in 64 bits (Go's UnixNano); others come out wrong (seen: 0.14, 0.19).
EARLIEST = datetime(1677, 9, 22, tzinfo=UTC)
LATEST = datetime(2262, 4, 11, tzinfo=UTC)


class UnkeptCounts(msgspec.Struct):
    """How many entries have a time that restic cannot restore, and how many are sockets."""

    times: int = 0
    sockets: int = 0

    def add(self, entry: SnapshotFile) -> None:
        """Count an entry of the selection."""
        self.times += entry.modified_at is not None and not EARLIEST <= entry.modified_at <= LATEST
        self.sockets += entry.kind == "socket"


def describe_counts(counts: UnkeptCounts) -> list[str]:
    """Return a sentence for each kind that there is."""
    sentences = []
    if counts.times:
        files = "1 file has a time" if counts.times == 1 else f"{counts.times} files have times"
        sentences.append(f"{files} before 1678 or after 2262: restic sets another; the content is whole.")
    if counts.sockets:
        sockets = "1 socket is" if counts.sockets == 1 else f"{counts.sockets} sockets are"
        sentences.append(f"{sockets} not restored by restic; programs make theirs anew.")
    return sentences


def describe_rights(user: int | None, *, has_stage: bool) -> list[str]:
    """Return a sentence where a plan cannot tell whether the user may write to the target.

    has_stage: whether files are restored beside those that they replace.
    """
    if not user:
        return []
    rest = "nothing is changed" if has_stage else "the restore fails"
    return [
        f"Whether user {user} may write to each folder of the target is known when it runs; where not, "
        f"{rest}."
    ]


def describe_user(user: int | None) -> list[str]:
    """Return a sentence where another user than root restores.

    user: the id of the settings; None and 0 are root, as the archives' image has it.
    """
    if not user:
        return []
    return [f"It runs as user {user}: owners, and attributes that only root may set, are not restored."]
