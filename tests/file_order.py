"""The order in which workers take the files of tests, so that the cores always have something to do.

An end-to-end test waits for Jobs four fifths of its time, any other works: seven workers that all wait use
half of two cores. So files of both kinds alternate. Of those that wait the longest come first, and short
ones of unit tests come last, so that no worker has much left when the others have ended.
"""

from collections.abc import Iterator, Mapping, Sequence

WAITING = "tests/e2e/"
# Files that share a cluster and its backups: one worker takes them all.
SHARED = "tests/e2e/attacks"
LONGEST = (  # a minute and more beside six other workers
    "tests/e2e/test_copies.py",
    "tests/e2e/storages/test_servers.py",
    "tests/e2e/storages/test_layouts.py",
    "tests/e2e/test_vanished_snapshots.py",
    SHARED,
    "tests/e2e/storages/test_lives.py",
    "tests/e2e/test_restores.py",
    "tests/e2e/test_archive_faults.py",
)
SHORT = "tests/unit/"
FEW = 10  # tests: a file of unit tests with fewer takes a second at most
LAST_BEGIN = 0.7  # of the way: the last file that waits may take 100 s, in which the others have work


def group_of(nodeid: str) -> str:
    """Return what one worker takes with the test: its file, or the folder that counts as one."""
    return SHARED if nodeid.startswith(f"{SHARED}/") else nodeid.partition("::")[0]


def order_files(counts: Mapping[str, int]) -> list[str]:
    """Return the files in the order in which they are to be taken; those of each kind keep theirs.

    counts: how many tests each file has.
    """
    longest = [file for file in LONGEST if file in counts]
    waiting = longest + [file for file in counts if file.startswith(WAITING) and file not in LONGEST]
    short = [file for file, count in counts.items() if file.startswith(SHORT) and count < FEW]
    working = [file for file in counts if file not in {*waiting, *short}]
    places = sorted([*_spread(waiting, LAST_BEGIN), *_spread(working, 1.0)])
    return [file for _, _, file in places] + short


def _spread(files: Sequence[str], end: float) -> Iterator[tuple[float, int, str]]:
    """Yield each file with its place from 0 to `end`, and its number, which keeps the order."""
    for number, file in enumerate(files):
        yield end * number / len(files), number, file
