"""The script that sends in parts, with busybox's programs and with GNU's, against the reader of its lines.

Lines are lost on the way as a kubelet loses them: whatever arrives in the end is every byte in order.
"""

import hashlib
import os
import random
import subprocess
import threading
from pathlib import Path

import pytest
from tests import userlands

from kronkeep_daemon.restores.part_protocol import (
    BLOCK_BYTES,
    PART_BYTES,
    WINDOW,
    Part,
    PartReader,
    SkippedBytes,
    StreamEnd,
    go_text,
    send_argv,
)


class Exchange:
    """A run of the script on a file, and what has been read of it.

    lost: the share of the lines that do not arrive.
    """

    def __init__(self, folder: Path, lost: float) -> None:
        self.reader = PartReader()
        self.received = bytearray()
        self.skipped = ""
        self.end: StreamEnd | None = None
        self.most_unread = 0
        self.heard = True
        self._lost = lost
        self._chance = random.Random(7)
        self._go = folder / "go"
        self._asked = 0
        self.tell()

    def tell(self) -> None:
        """Write what has been read, as the kubelet writes the file of a downward API volume."""
        new = self._go.with_suffix(".new")
        new.write_text(go_text(self.reader.read, self._asked))
        new.replace(self._go)

    def take(self, line: bytes) -> None:
        if self._chance.random() < self._lost:
            line = b"" if self._chance.random() < 0.5 else line[: len(line) // 2]
        result = self.reader.take(line)
        if line.startswith(b"#part "):
            self.most_unread = max(self.most_unread, int(line.split()[1]) - self.reader.read)
        if isinstance(result, Part):
            self.received += b"".join(result.chunks)
            self.tell()
        elif isinstance(result, SkippedBytes):
            self.skipped = result.sha256
        elif isinstance(result, StreamEnd):
            self.end = result
        self.heard = True
        if self.reader.is_broken:
            self.ask_again()

    def ask_again(self) -> None:
        self.reader.is_broken = False
        self._asked += 1
        self.tell()

    def ask_after_silence(self, is_over: threading.Event) -> None:
        """Ask again whenever nothing came for half a second, as where the line before the end was lost."""
        while not is_over.wait(0.5):
            if not self.heard:
                self.ask_again()
            self.heard = False


def run(
    folder: Path, path: str, command: list[str], *, skip_blocks: int = 0, lost: float = 0.0
) -> tuple[Exchange, int]:
    """Run the script on what the command writes; return what was read, and its exit code."""
    scratch = folder / "scratch"
    scratch.mkdir()
    exchange = Exchange(folder, lost)
    argv = send_argv(str(scratch), str(folder / "go"), skip_blocks, command)
    is_over = threading.Event()
    asking = threading.Thread(target=exchange.ask_after_silence, args=(is_over,))
    asking.start()
    try:
        with subprocess.Popen(argv, env={"PATH": path}, stdout=subprocess.PIPE) as process:
            assert process.stdout is not None
            for line in process.stdout:
                exchange.take(line.removesuffix(b"\n"))
                assert len(list(scratch.glob("part-*"))) <= WINDOW + 1
    finally:
        is_over.set()
        asking.join()
    return exchange, process.returncode


@pytest.fixture(params=userlands.USERLANDS)
def path(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return userlands.programs_of(request.param, tmp_path)


@pytest.mark.parametrize("lost", [0.0, 0.001])
def test_every_byte_arrives_in_order_although_lines_are_lost(tmp_path: Path, path: str, lost: float) -> None:
    data = os.urandom(6 * PART_BYTES + 12_345)
    (tmp_path / "data").write_bytes(data)
    exchange, code = run(tmp_path, path, ["cat", str(tmp_path / "data")], lost=lost)
    assert (code, bytes(exchange.received) == data) == (0, True)
    assert exchange.end == StreamEnd(hashlib.sha256(data).hexdigest(), 0)
    assert exchange.most_unread <= WINDOW


def test_what_the_client_has_is_not_sent_again_and_its_sum_is_sent(tmp_path: Path, path: str) -> None:
    data = os.urandom(PART_BYTES + 100)
    (tmp_path / "data").write_bytes(data)
    exchange, _ = run(tmp_path, path, ["cat", str(tmp_path / "data")], skip_blocks=3)
    assert exchange.skipped == hashlib.sha256(data[: 3 * BLOCK_BYTES]).hexdigest()
    assert bytes(exchange.received) == data[3 * BLOCK_BYTES :]
    assert exchange.end == StreamEnd(hashlib.sha256(data).hexdigest(), 0)


def test_a_command_that_fails_is_reported_with_its_words(tmp_path: Path, path: str) -> None:
    exchange, code = run(tmp_path, path, ["sh", "-c", "echo begun; echo no such folder >&2; exit 3"])
    assert (code, bytes(exchange.received)) == (3, b"begun\n")
    assert exchange.end is not None
    assert exchange.end.code == 3
    assert b"no such folder" in exchange.reader.errors
