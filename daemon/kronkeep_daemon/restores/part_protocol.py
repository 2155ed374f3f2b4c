"""What `send_parts.sh` prints, read line by line: parts that are whole, and what is asked for again; pure.

Why parts and not one stream: a kubelet keeps little of a container's log (10 MiB before it begins a new file,
five files: containerLogMaxSize and containerLogMaxFiles; it looks every 10 s), and a reader that is slow, or
whose connection breaks, misses what it has removed. So the container waits: it sends WINDOW parts and goes on
as each is read. It learns that from an annotation of its pod, which it has as a file of a downward API
volume; a change of a pod's annotations makes the kubelet write such files at once (Kubernetes, ConfigMaps,
"Mounted ConfigMaps are updated automatically"). A part that did not arrive whole is sent again. This needs no
exec, no port, no scratch space for the whole, and memory for one part.
"""

import base64
import binascii
import hashlib
from importlib.resources import files
from typing import NamedTuple

from kronkeep_common.text import clean

BLOCK_BYTES = 65536  # what dd(1) reads at once
PART_BLOCKS = 64
PART_BYTES = PART_BLOCKS * BLOCK_BYTES  # 5.3 MiB as base64, half of a log file
WINDOW = 4  # parts that are sent and not yet read
MOST_ERRORS = 2000  # bytes of what restic says that are kept


def _read_script() -> str:
    text = files(__package__).joinpath("send_parts.sh").read_text()
    return "".join(line for line in text.splitlines(keepends=True) if line.strip()[:1] not in ("", "#"))


SCRIPT = _read_script()


def send_argv(folder: str, go: str, skip_blocks: int, command: list[str]) -> list[str]:
    """Print what the command writes as parts.

    folder: scratch space for WINDOW parts and one more.
    go: the file with what has been read, see `go_text`.
    skip_blocks: so many blocks at the beginning are not sent.
    """
    numbers = [str(PART_BLOCKS), str(WINDOW), str(skip_blocks)]
    return ["sh", "-c", SCRIPT, "send", folder, go, *numbers, *command]


def go_text(read: int, asked: int) -> str:
    """Return what the container reads: how many parts have arrived, and how often others were asked for."""
    return f"{read} {asked}"


class Part(NamedTuple):
    """A part that arrived whole, as its lines were: one long buffer would grow in steps, each with a copy."""

    chunks: list[bytes]


class SkippedBytes(NamedTuple):
    """The SHA-256 of what is not sent."""

    sha256: str


class StreamEnd(NamedTuple):
    """The SHA-256 of everything that the command wrote, skipped bytes too, and its exit code."""

    sha256: str
    code: int


class _PartHead(NamedTuple):
    number: int
    size: int
    sha256: str


class PartReader:
    """A reader of the container's lines, without the times before them.

    read: how many parts have arrived, in order and whole.
    is_broken: whether one that is missing must be asked for again; the caller sets it back.
    errors: the end of what restic wrote to its standard error.
    """

    def __init__(self) -> None:
        self.read = 0
        self.is_broken = False
        self.errors = b""
        self._head: _PartHead | None = None
        self._chunks: list[bytes] = []
        self._size = 0
        self._digest = hashlib.sha256()

    def take(self, line: bytes) -> Part | SkippedBytes | StreamEnd | None:
        """Take a line; return the part, or the word about the stream, that it completes."""
        if not line.startswith(b"#"):
            self._add(line)
            return None
        word, *words = line[1:].split(b" ")
        if word == b"error":
            self.errors = (self.errors + line[7:] + b"\n")[-MOST_ERRORS:]
        elif word == b"part" and len(words) == 3:
            self._begin(words)
        elif word == b"end":
            return self._end()
        elif word == b"skipped" and words:
            return SkippedBytes(words[0].decode(errors="replace"))
        elif word == b"total" and len(words) == 3:
            return self._total(words)
        return None

    def _begin(self, words: list[bytes]) -> None:
        number, size = (int(word) if word.isdigit() else -1 for word in words[:2])
        self._chunks = []
        self._size = 0
        self._digest = hashlib.sha256()
        is_next = number == self.read + 1 and 0 < size <= PART_BYTES
        self._head = _PartHead(number, size, words[2].decode(errors="replace")) if is_next else None
        self.is_broken = self.is_broken or number > self.read + 1

    def _add(self, line: bytes) -> None:
        if self._head is None or not line:
            return
        try:
            chunk = base64.b64decode(line, validate=True)
        except binascii.Error:
            self._head = None  # the sum would say it too
            self.is_broken = True
            return
        self._size += len(chunk)
        if self._size > PART_BYTES:
            self._head = None
            self.is_broken = True
            return
        self._chunks.append(chunk)
        self._digest.update(chunk)

    def _end(self) -> Part | None:
        head = self._head
        self._head = None
        if head is None:
            return None
        if self._size != head.size or self._digest.hexdigest() != head.sha256:
            self.is_broken = True
            return None
        self.read = head.number
        part = Part(self._chunks)
        self._chunks = []
        return part

    def _total(self, words: list[bytes]) -> StreamEnd | None:
        parts, sha256, code = words
        if not parts.isdigit() or int(parts) != self.read:
            self.is_broken = True
            return None
        return StreamEnd(clean(sha256.decode(errors="replace"), 64), int(code) if code.isdigit() else 1)
