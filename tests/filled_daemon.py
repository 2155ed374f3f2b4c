"""A daemon whose history was filled before it started."""

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.daemon_process import Daemon


@contextmanager
def start_on_filled_history(
    folder: Path, fill: Callable[[Path], Coroutine[Any, Any, None]]
) -> Iterator[Daemon]:
    """Run a daemon with its state in `folder`, after `fill` has written the folder of its history."""
    daemon = Daemon(folder / "s")
    asyncio.run(fill(daemon.state / "history"))
    asyncio.run(daemon.start())
    yield daemon
    asyncio.run(daemon.stop())
