"""A daemon with a section of the settings for each of several clusters."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from tests.command_line import run_line
from tests.daemon_process import Daemon


@asynccontextmanager
async def daemon_of(folder: Path, *names: str) -> AsyncIterator[Daemon]:
    """A daemon with a section for each kubeconfig NAME/kubeconfig in the folder."""
    daemon = Daemon(folder / "s")
    daemon.embedded = False
    lines = ["[alerts]", "watch_seconds = 1"]
    for name in names:
        lines += [f"[clusters.{name}]", f'kubeconfig = "{folder / name / "kubeconfig"}"']
    await asyncio.to_thread((folder / "kronkeepd.toml").write_text, "\n".join(lines))
    daemon.arguments = ("--config", str(folder / "kronkeepd.toml"))
    await daemon.start()
    try:
        yield daemon
    finally:
        await daemon.end()


async def command(daemon: Daemon, *words: str) -> tuple[int, str]:
    done = await asyncio.to_thread(run_line, "--socket", daemon.announcement["socket"], *words)
    return done.returncode, done.stdout + done.stderr
