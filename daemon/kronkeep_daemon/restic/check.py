"""`restic check`: looks for damage in a repository's structure and, where asked, in its data."""

from typing import NamedTuple


class DataSubset(NamedTuple):
    """The `part`-th of `parts` equal parts of the data, counted from 1; restic divides packs by their id."""

    part: int
    parts: int


def argv(read_data: DataSubset | None = None) -> list[str]:
    """Check the structure, and read one part of the data where `read_data` names it."""
    if read_data is None:
        return ["restic", "check"]
    return ["restic", "check", f"--read-data-subset={read_data.part}/{read_data.parts}"]
