"""How large a new claim of a restore is."""

import pytest

from kronkeep_daemon.restores.claim_sizes import explain_too_small, size_of_new_claim
from kronkeep_daemon.restores.snapshot_paths import SnapshotSelection

MIB = 1024**2
GIB = 1024**3


@pytest.mark.parametrize(
    ("restored", "archived", "is_whole", "size"),
    [
        (20 * MIB, 100 * MIB, True, 100 * MIB),  # as the claim that was archived
        (95 * MIB, 100 * MIB, True, 100 * MIB),
        (20 * MIB, None, True, GIB),  # that one is gone
        (5 * GIB, None, True, 6 * GIB),
        (500 * MIB, 100 * MIB, True, 600 * MIB),  # it holds more than it asks for, as folders of nodes may
        (20 * MIB, 1024 * GIB, False, GIB),  # some files of a large one
        (20 * MIB, 100 * MIB, False, 100 * MIB),
        (20 * MIB, 100 * MIB + 1, True, 101 * MIB),  # whole MiB
    ],
)
def test_a_new_claim_is_as_large_as_what_was_archived(
    restored: int, archived: int | None, is_whole: bool, size: int
) -> None:
    selection = SnapshotSelection(
        files=0, folders=1, total_bytes=restored, claims=("data",), has_others=False
    )
    assert size_of_new_claim(selection, archived, is_whole=is_whole) == size


@pytest.mark.parametrize(
    ("claim", "warns"), [(100 * 1024, True), (MIB - 1, True), (MIB, False), (GIB, False)]
)
def test_a_new_claim_that_is_too_small_is_a_warning(claim: int, warns: bool) -> None:
    selection = SnapshotSelection(files=3, folders=1, total_bytes=MIB, claims=("data",), has_others=False)
    said = explain_too_small(selection, claim)
    assert (said is not None and "1.0 MiB are restored to it" in said) == warns
