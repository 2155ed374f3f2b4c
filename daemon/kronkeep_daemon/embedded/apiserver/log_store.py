"""The logs of containers, appended to by node agents and read by everybody else.

A real API server fetches logs from the kubelet. Here the agent, which talks only to the API server, pushes
them:

    POST /kronkeep.dev/v1/namespaces/{ns}/pods/{pod}/containers/{container}/log
         ?uid=U&instance=R&offset=N[&final=1]

The body is whole lines, each `RFC3339Nano text`; R is how often the container was restarted before; N is the
number of bytes that were pushed before, so that a repeated push is harmless; the answer is {"size": bytes
stored}. `final` means that this instance of the container has ended.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path

CHUNK_BYTES = 64 * 1024


class LogStore:
    """One file for each instance of a container, below `folder`; followers wake up when it grows.

    As on a node, the log of an instance is kept until the one after the next has begun.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._growth: dict[str, asyncio.Event] = {}
        self._final: set[str] = set()
        self._followers: Counter[str] = Counter()
        # Removed logs that still have followers; the last follower takes the entry away.
        self._removed: set[str] = set()

    def _path(self, key: str) -> Path:
        return self._folder / f"{key}.log"

    async def append(
        self, *, uid: str, container: str, instance: int, offset: int, lines: bytes, final: bool
    ) -> int:
        """Append the part of `lines` that lies past the end of the file; return the file's size in bytes.

        `instance` is how often the container was restarted before; `offset` is the position of the first of
        `lines`. Nothing is appended where it lies past the end.
        """
        key = _key_of(uid, container, instance)
        size = await asyncio.to_thread(self._append, self._path(key), offset, lines)
        outdated = _key_of(uid, container, instance - 2)
        self._path(outdated).unlink(missing_ok=True)
        self._final.discard(outdated)
        if final:
            self._final.add(key)
        self._wake(key)
        return size

    @staticmethod
    def _append(path: Path, offset: int, lines: bytes) -> int:
        path.parent.mkdir(parents=True, exist_ok=True)
        size = path.stat().st_size if path.exists() else 0
        if offset > size:
            return size
        with path.open("ab") as file:
            file.write(lines[size - offset :])
            return file.tell()

    async def read(
        self, *, uid: str, container: str, instance: int, follow: bool, ended: bool
    ) -> AsyncIterator[bytes]:
        """Yield the whole lines of the log of one instance of a container in chunks.

        `ended` says that the instance has ended. With `follow` this waits for more lines until it has ended
        or its pod has been removed.
        """
        key = _key_of(uid, container, instance)
        self._followers[key] += 1
        try:
            async for chunk in self._read(key, follow, ended):
                yield chunk
        finally:
            self._followers[key] -= 1
            if not self._followers[key]:
                del self._followers[key]
                self._removed.discard(key)

    async def _read(self, key: str, follow: bool, ended: bool) -> AsyncIterator[bytes]:
        position = 0
        while True:
            # The event and the end are read before the file: what is appended after that wakes this up.
            growth = self._growth.setdefault(key, asyncio.Event())
            final = ended or key in self._final or key in self._removed
            chunk = await asyncio.to_thread(self._read_chunk, self._path(key), position)
            if chunk:
                position += len(chunk)
                yield chunk
            elif not follow or final:
                return
            else:
                await growth.wait()

    @staticmethod
    def _read_chunk(path: Path, position: int) -> bytes:
        if not path.exists():
            return b""
        with path.open("rb") as file:
            file.seek(position)
            chunk = file.read(CHUNK_BYTES)
            if chunk and not chunk.endswith(b"\n"):
                chunk += file.readline()
            return chunk

    def remove(self, uid: str) -> None:
        """Remove the logs of a pod; reads that follow them end."""
        for key in [key for key in self._followers if key.startswith(f"{uid}.")]:
            self._removed.add(key)
            self._wake(key)
        for path in self._folder.glob(f"{uid}.*.log"):
            self._final.discard(path.name.removesuffix(".log"))
            path.unlink(missing_ok=True)

    @property
    def reader_count(self) -> int:
        """The number of reads that have not ended."""
        return self._followers.total()

    def _wake(self, key: str) -> None:
        event = self._growth.pop(key, None)
        if event is not None:
            event.set()


def _key_of(uid: str, container: str, instance: int) -> str:
    return f"{uid}.{container}.{instance}"
