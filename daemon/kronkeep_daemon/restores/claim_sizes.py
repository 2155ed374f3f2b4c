"""How large a new claim of a restore is: as the claims that were archived, or as its files need."""

from collections.abc import Sequence
from decimal import Decimal

import msgspec

from kronkeep_common.errors import Denied
from kronkeep_common.text import size as describe_size
from kronkeep_daemon.cronjobs.last_applied import quantity_amount
from kronkeep_daemon.kube import paths
from kronkeep_daemon.kube.claims import ClaimObject
from kronkeep_daemon.kube.client import Cluster
from kronkeep_daemon.kube.errors import NotFoundInCluster
from kronkeep_daemon.restores.snapshot_paths import SnapshotSelection

SMALLEST_CLAIM = 1024**3  # bytes, where the size of what was archived is not known
MOST_BYTES = Decimal(2**63)
MIB = 1024**2


async def read_claims_size(cluster: Cluster, namespace: str, names: Sequence[str]) -> int | None:
    """Return the bytes that claims have together; None where that is not known, as of one that is gone."""
    total = 0
    for name in names:
        try:
            claim = msgspec.convert(await cluster.get(paths.claims(namespace, name)), ClaimObject)
        except (NotFoundInCluster, Denied, msgspec.ValidationError):
            return None
        amount = quantity_amount(claim.size)
        if amount is None or not 0 < amount < MOST_BYTES:
            return None
        total += int(amount)
    return total or None


def size_of_new_claim(selection: SnapshotSelection, archived_bytes: int | None, *, is_whole: bool) -> int:
    """Return the size of a new claim in bytes, whole MiB.

    It is that of the archived claims where all of the snapshot is restored and fits; else a fifth more than
    is restored, and at least 1 GiB or, where they are smaller, what they have.
    """
    files = selection.total_bytes + selection.files * 4096
    if archived_bytes is not None and is_whole and files <= archived_bytes:
        return _round_up(archived_bytes)
    least = SMALLEST_CLAIM if archived_bytes is None else min(SMALLEST_CLAIM, archived_bytes)
    return _round_up(max(least, selection.total_bytes * 6 // 5 + selection.files * 4096))


def explain_too_small(selection: SnapshotSelection, size: int) -> str | None:
    """Return a warning where a claim of so many bytes has no space for what is restored to it; else None."""
    if size >= selection.total_bytes:
        return None
    needed = describe_size(selection.total_bytes)
    return f"The new claim asks for {describe_size(size)}, and {needed} are restored to it: ask for more."


def _round_up(size: int) -> int:
    return -(-size // MIB) * MIB
