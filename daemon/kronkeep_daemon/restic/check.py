"""`restic check`: looks for damage in a repository's structure and, where asked, in its data.

It writes a lock, so that nobody removes what it is about to read. Where none can be written, as in a
repository that can only be read or is full, it is made with `--no-lock`, which each version has.
"""

from typing import NamedTuple

from kronkeep_daemon.restic import cat


class DataSubset(NamedTuple):
    """The `part`-th of `parts` equal parts of the data, counted from 1; restic divides packs by their id."""

    part: int
    parts: int


def argv(read_data: DataSubset | None = None, *, lock: bool = True) -> list[str]:
    """Check the structure, and read one part of the data where `read_data` names it."""
    command = ["restic", "check", *([] if lock else ["--no-lock"])]
    if read_data is None:
        return command
    return [*command, f"--read-data-subset={read_data.part}/{read_data.parts}"]


def steps(read_data: DataSubset | None = None, *, lock: bool = True) -> list[tuple[str, list[str]]]:
    """Return the steps of a Job that checks.

    With a lock its first step writes one, within the minute that a probe has: `restic check` itself tries for
    a quarter of an hour where that is not possible (seen with 0.14 on a file system that can only be read).
    """
    checking = ("check", argv(read_data, lock=lock))
    return [("lock", cat.argv()), checking] if lock else [checking]
