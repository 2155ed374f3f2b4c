"""Salvage: the readable part of a damaged history, written to a new folder; the damaged one is not changed.

Files are read in the order of their sequences. A line that cannot be read is skipped and reported with file,
offset and length; the lines after it are used as they are, since each batch holds whole documents.
"""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from kronkeep_common.errors import InvalidRequest
from kronkeep_daemon.history import journal, journal_files
from kronkeep_daemon.history.documents import row_of
from kronkeep_daemon.history.journal import Entry
from kronkeep_daemon.history.loader import batches, collect


class UnreadableBytes(NamedTuple):
    """Bytes that contain no valid batch."""

    file: str
    offset: int
    length: int


def salvage(source: Path, target: Path) -> tuple[int, list[UnreadableBytes]]:
    """Return (documents written, what is lost); raise StateInUse, InvalidRequest where the target exists."""
    if target.exists():
        raise InvalidRequest(f"{target} exists already; a salvage needs a new folder.", field="target")
    lock = journal_files.lock(source)
    lost: list[UnreadableBytes] = []
    files = sorted([*journal_files.segments(source), *source.glob("snapshot-*.jsonl")], key=_file_order)
    bodies = collect(entry for path in files for entry in _read_entries(path, lost))
    tables = {
        name: [row_of(number, body) for number, body in documents.items()]
        for name, documents in bodies.items()
    }
    target.mkdir(parents=True, mode=0o700)
    seq = max((_last_sequence(path) for path in files), default=0) + 1
    journal_files.Segment(folder=target, after=seq).close()
    journal_files.write_snapshot(target, seq, batches(tables))
    if (source / "logs").is_dir():
        shutil.copytree(source / "logs", target / "logs")
    os.close(lock)
    return sum(map(len, tables.values())), lost


def _file_order(path: Path) -> tuple[str, bool]:
    """Return the sort key of a file: its sequence, and a snapshot before the segment after it."""
    return path.stem.rpartition("-")[2], path.name.startswith("journal")


def _read_entries(path: Path, lost: list[UnreadableBytes]) -> Iterator[Entry]:
    offset = 0
    with path.open("rb") as file:
        for raw in file:
            line = journal.decode(raw)
            if line is not None:
                yield from line.entries
            elif raw.strip(b"\0") and not raw.startswith((b'{"kronkeep":', b'{"end":')):
                lost.append(UnreadableBytes(path.name, offset, len(raw)))
            offset += len(raw)


def _last_sequence(path: Path) -> int:
    with path.open("rb") as file:
        lines = (journal.decode(raw) for raw in file)
        return max((line.seq for line in lines if line is not None), default=0)
