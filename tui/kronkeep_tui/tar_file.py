"""A folder of a snapshot as a tar archive in a file, continued where the connection or a call broke off."""

import hashlib
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import IO, TYPE_CHECKING, Protocol

from kronkeep_common.errors import DaemonUnreachable, InvalidRequest, KronkeepError, StorageFailed
from kronkeep_common.text import clean, size

if TYPE_CHECKING:
    from kronkeep_common.client import Client

BLOCK = 64 * 1024  # what an offset must be a multiple of
TRIES = 5  # after each break, as long as bytes come between them
PAUSE_SECONDS = 2.0
MARGIN = 16 * 1024 * 1024  # bytes that are left free


class TarProgress(Protocol):
    """What shows how far a download has come."""

    def show(self, written: int) -> None:
        """Show how many bytes there are."""

    def end(self) -> None:
        """End what was shown."""


class TarFile:
    """The file that a download fills; it has the name FILE.part until all of it is there.

    `digest` is of everything that was written, also by an earlier call of the command.
    """

    def __init__(self, target: Path) -> None:
        self.target = target
        self.part = target.with_name(f"{target.name}.part")
        self.size = 0
        self.digest = hashlib.sha256()
        self._file: IO[bytes] | None = None

    def open(self) -> None:
        """Open the file, and read what there is of it, to the last whole block; raise InvalidRequest."""
        name = clean(str(self.target), 300)
        if self.target.exists():
            raise InvalidRequest(f"{name} exists already.", next_step="Name another file.")
        try:
            self._file = self.part.open("a+b")
            self._file.truncate(self.part.stat().st_size // BLOCK * BLOCK)
            self._file.seek(0)
            while block := self._file.read(BLOCK):
                self.digest.update(block)
                self.size += len(block)
        except OSError as fault:
            raise _unwritable(self.part, fault) from fault

    def cut(self) -> None:
        """Cut what was written to whole blocks, so that the download can be continued."""
        if self.size % BLOCK and self._file is not None:
            self._file.close()
            self.size = 0
            self.digest = hashlib.sha256()
            self.open()

    def write(self, chunk: bytes) -> None:
        """Add bytes; raise InvalidRequest."""
        assert self._file is not None
        try:
            self._file.write(chunk)
        except OSError as fault:
            raise _unwritable(self.part, fault) from fault
        self.digest.update(chunk)
        self.size += len(chunk)

    def complete(self) -> None:
        """Give the file its name."""
        self.close()
        self.part.rename(self.target)

    def close(self) -> None:
        """Close the file; what was written stays."""
        if self._file is not None:
            self._file.close()
            self._file = None


def _unwritable(path: Path, fault: OSError) -> InvalidRequest:
    message = f"{clean(str(path), 300)} cannot be written: {fault.strerror}."
    return InvalidRequest(message, next_step="Free space, or name another file.")


async def fetch_tar(
    client: "Client",
    backup_id: str,
    path: str,
    target: Path,
    start_progress: Callable[[int, int], TarProgress],
) -> TarFile:
    """Download a folder; a connection that breaks is opened again where it broke.

    start_progress: takes how many bytes are expected, and how many there are already.

    Raises InvalidRequest, StorageFailed, DaemonUnreachable.
    """
    file = TarFile(target)
    file.open()
    try:
        expected = (await client.backups.tar_state(backup_id, path)).expected_bytes
        _require_space(target, expected, file.size)
        await _fill(client, backup_id, path, file, start_progress(expected, file.size))
        state = await client.backups.tar_state(backup_id, path)
        if state.sha256 != file.digest.hexdigest():
            raise StorageFailed(
                "The file is not what restic wrote: the SHA-256 differs.",
                next_step=f"Remove {clean(str(file.part), 300)}, and download it from the beginning.",
            )
        file.complete()
    finally:
        file.close()
        if file.part.exists() and not file.size:
            file.part.unlink()
    return file


async def _fill(client: "Client", backup_id: str, path: str, file: TarFile, progress: TarProgress) -> None:
    breaks = 0
    try:
        while True:
            begun_at = file.size
            chunks = client.backups.download_tar(backup_id, path, file.size, file.digest.hexdigest())
            try:
                async for chunk in chunks:
                    file.write(chunk)
                    progress.show(file.size)
                return
            except DaemonUnreachable as fault:
                file.cut()
                breaks = 0 if file.size > begun_at else breaks + 1
                if breaks >= TRIES:
                    raise _interrupted(fault, file) from fault
                await client.pause(PAUSE_SECONDS)
    finally:
        progress.end()


def _interrupted(fault: KronkeepError, file: TarFile) -> KronkeepError:
    fault.next_step = f"Download it again to the same file: it continues {clean(str(file.part), 300)}."
    return fault


def _require_space(target: Path, expected: int, had: int) -> None:
    """Raise InvalidRequest where the archive will not fit."""
    folder = str(target.parent.resolve())
    free = shutil.disk_usage(folder).free
    if expected - had + MARGIN > free:
        raise InvalidRequest(
            f"The archive has about {size(expected)}, and {clean(folder, 300)} has {size(free)} free.",
            next_step="Name a file on another file system, or restore the folder to a claim.",
        )
