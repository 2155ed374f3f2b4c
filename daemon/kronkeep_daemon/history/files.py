"""The files of a history folder: one lock, snapshots, segments; which of them to read, and what may go.

A snapshot holds every document as of a sequence, in the journal's own format, and ends with a batch-less
line that says how many batches it has; without that line it is not whole and is passed over.
"""

import fcntl
import os
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

from kronkeep_common.errors import StateInUse
from kronkeep_daemon.history import journal
from kronkeep_daemon.history.changes import Entry

_BATCH = 500
_END = b'{"end":%d}\n'


def lock(folder: Path) -> int:
    """The open lock file of the folder; raises StateInUse when another process holds it."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    handle = os.open(folder / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as fault:
        os.close(handle)
        raise StateInUse(f"Another kronkeepd uses the state folder {folder}.") from fault
    return handle


def segment_path(folder: Path, after: int) -> Path:
    """The segment that begins after a sequence."""
    return folder / f"journal-{after:016d}.jsonl"


def _after(path: Path) -> int:
    return int(path.stem.rpartition("-")[2])


def segments(folder: Path) -> list[Path]:
    """All segments, oldest first."""
    return sorted(folder.glob("journal-*.jsonl"))


def newest_snapshot(folder: Path) -> Path | None:
    """The newest snapshot that is whole."""
    for path in sorted(folder.glob("snapshot-*.jsonl"), reverse=True):
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - 64))
            tail = file.read().splitlines()
        if tail and tail[-1].startswith(b'{"end":'):
            return path
    return None


def read_snapshot(path: Path) -> Iterator[journal.Line]:
    """The batches of a snapshot; raises DamagedHistory."""
    count, offset = 0, 0
    with path.open("rb") as file:
        for raw in file:
            if offset == 0:
                journal.check_header(raw.rstrip(b"\n"), path)
            elif raw.startswith(b'{"end":'):
                if raw != _END % count:
                    raise journal.damaged(path, offset)
                return
            else:
                line = journal.decode(raw.rstrip(b"\n"))
                if line is None:
                    raise journal.damaged(path, offset)
                count += 1
                yield line
            offset += len(raw)
    raise journal.damaged(path, offset)


def write_snapshot(folder: Path, seq: int, entries: list[Entry]) -> Path:
    """Writes every document as of `seq`; runs in a thread."""
    path = folder / f"snapshot-{seq:016d}.jsonl"

    def chunks() -> Iterator[bytes]:
        yield journal.header(seq)
        count = 0
        for start in range(0, len(entries), _BATCH):
            yield journal.encode(seq, entries[start : start + _BATCH])
            count += 1
        yield _END % count

    journal.write_durably(path, chunks())
    return path


def after_snapshot(folder: Path, seq: int) -> list[Path]:
    """The segments that hold changes after `seq`, checked to leave no hole; raises DamagedHistory."""
    found = segments(folder)
    kept = [path for i, path in enumerate(found) if i + 1 == len(found) or _after(found[i + 1]) > seq]
    if kept and _after(kept[0]) > seq:
        raise journal.damaged(kept[0], 0)
    return kept


def remove_before(folder: Path, seq: int) -> None:
    """Removes snapshots older than `seq` and segments that end at or before it."""
    found = segments(folder)
    for path, following in pairwise(found):
        if _after(following) <= seq:
            path.unlink()
    for path in folder.glob("snapshot-*.jsonl"):
        if _after(path) < seq:
            path.unlink()
    journal.sync_folder(folder)
