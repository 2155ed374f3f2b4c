"""Container logs, pushed by node agents and read by everybody else.

A real API server fetches logs from the kubelet; here the agent, which speaks only to the API, pushes them:

    POST /kronkeep.dev/v1/namespaces/{ns}/pods/{pod}/containers/{container}/log?uid=U&offset=N[&final=1]

The body is whole lines, each `RFC3339Nano text`; N is how many bytes were pushed before, so that a repeated
push is harmless; the answer is {"size": bytes kept}. `final` says that the container has ended.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path

CHUNK = 64 * 1024


class Logs:
    """One file a container of a pod, below `folder`; followers wake when it grows."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._grown: dict[str, asyncio.Event] = {}
        self._final: set[str] = set()
        self._followers: Counter[str] = Counter()
        self._removed: set[str] = set()  # what is followed and was removed; the last follower takes it away

    def _path(self, key: str) -> Path:
        return self._folder / f"{key}.log"

    async def push(self, uid: str, container: str, offset: int, lines: bytes, final: bool) -> int:
        """Appends what lies past the file's end and answers its size in bytes."""
        key = f"{uid}.{container}"
        size = await asyncio.to_thread(self._append, self._path(key), offset, lines)
        if final:
            self._final.add(key)
        else:
            self._final.discard(key)  # a container that was started again
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

    async def read(self, uid: str, container: str, follow: bool, ended: bool) -> AsyncIterator[bytes]:
        """The log's whole lines in chunks; with `follow`, until the container ended or its pod went."""
        key = f"{uid}.{container}"
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
            grown = self._grown.setdefault(key, asyncio.Event())
            final = ended or key in self._final or key in self._removed
            chunk = await asyncio.to_thread(self._slice, self._path(key), position)
            if chunk:
                position += len(chunk)
                yield chunk
            elif not follow or final:
                return
            else:
                await grown.wait()

    @staticmethod
    def _slice(path: Path, position: int) -> bytes:
        if not path.exists():
            return b""
        with path.open("rb") as file:
            file.seek(position)
            chunk = file.read(CHUNK)
            if chunk and not chunk.endswith(b"\n"):
                chunk += file.readline()
            return chunk

    def remove(self, uid: str) -> None:
        """Forgets the logs of a pod; its followers end."""
        for key in [key for key in self._followers if key.startswith(f"{uid}.")]:
            self._removed.add(key)
            self._wake(key)
        for path in self._folder.glob(f"{uid}.*.log"):
            self._final.discard(path.name.removesuffix(".log"))
            path.unlink(missing_ok=True)

    def _wake(self, key: str) -> None:
        event = self._grown.pop(key, None)
        if event is not None:
            event.set()
