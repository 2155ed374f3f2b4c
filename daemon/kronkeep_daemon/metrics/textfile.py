"""The metrics as a file for node_exporter's textfile collector, which is replaced as a whole."""

import asyncio
import logging
from pathlib import Path

from kronkeep_common.clock import Clock
from kronkeep_daemon.metrics.exposition import Exposition

log = logging.getLogger(__name__)
EVERY_SECONDS = 15.0
MODE = 0o644  # node_exporter runs as another user


class MetricsTextfile:
    """The file with the metrics, replaced every 15 s; `fault` says why that failed the last time."""

    def __init__(self, path: Path, exposition: Exposition, clock: Clock) -> None:
        self._path = path
        self._exposition = exposition
        self._clock = clock
        self.fault: str | None = None

    async def run(self) -> None:
        """Write the file again and again; what cannot be written is logged once."""
        while True:
            text = b"".join([piece async for piece in self._exposition.slices()])
            try:
                await asyncio.to_thread(_replace, self._path, text)
                self.fault = None
            except OSError as fault:
                if self.fault is None:
                    log.error("metrics.textfile: %s: %s", self._path, fault.strerror)
                self.fault = fault.strerror or type(fault).__name__
            await self._clock.sleep(EVERY_SECONDS)


def _replace(path: Path, text: bytes) -> None:
    temporary = path.with_name(f".{path.name}.tmp")  # no name that node_exporter reads
    temporary.write_bytes(text)
    temporary.chmod(MODE)
    temporary.replace(path)
