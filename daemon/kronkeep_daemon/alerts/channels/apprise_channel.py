"""Mail, chat and pagers through apprise and its URLs (https://github.com/caronc/apprise/wiki).

Apprise runs as a process of its own, `apprise_process`: it reads whole answers into memory and has no
deadline, and a thread cannot be stopped. The URL, a secret, goes to its standard input.
"""

import asyncio
import sys

import msgspec

from kronkeep_daemon.alerts.channels.message import ChannelMessage, NotSent
from kronkeep_daemon.apprise_process import UNKNOWN_URL, AppriseOrder

PROGRAM = (sys.executable, "-m", "kronkeep_daemon.apprise_process")
TYPES = {"good": "success", "warning": "warning", "critical": "failure"}


async def send(url: str, message: ChannelMessage) -> None:
    """Send once; raise NotSent. The process is killed where the caller's deadline ends this."""
    order = AppriseOrder(
        url=url,
        title=message.title,
        body=message.text,
        type=TYPES[message.kind],
    )
    process = await asyncio.create_subprocess_exec(
        *PROGRAM,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        await process.communicate(msgspec.json.encode(order))
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if process.returncode == UNKNOWN_URL:
        raise NotSent("apprise does not know that kind of URL", final=True)
    if process.returncode:
        raise NotSent("apprise could not deliver it")
