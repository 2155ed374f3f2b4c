"""The command channel: a program, never through a shell, with the webhook's JSON as its standard input."""

import asyncio
import os
import signal
from collections.abc import Sequence
from contextlib import suppress

from kronkeep_daemon.alerts.channels.message import ChannelMessage, NotSent

PASSED_ON = ("PATH", "HOME", "LANG", "TZ")  # of the daemon's environment, which may have secrets


async def run(argv: Sequence[str], message: ChannelMessage) -> None:
    """Run the program once; raise NotSent unless it ends with exit code 0.

    Where the caller's deadline ends this, the program is killed with all that it started in its session.
    """
    environment = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
    try:
        process = await asyncio.create_subprocess_exec(
            *argv,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
            env=environment,
            start_new_session=True,
        )
    except (OSError, ValueError) as fault:
        raise NotSent(f"the program cannot be started ({type(fault).__name__})") from fault
    try:
        await process.communicate(message.encode())
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        await process.wait()
    if process.returncode:
        raise NotSent(f"the program ended with {process.returncode}")
