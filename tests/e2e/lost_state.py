"""A daemon that has lost its state folder, and what it finds again."""

import asyncio
import io
import shutil
from contextlib import redirect_stdout
from pathlib import Path

from tests.e2e.backup_site import BackupSite
from tests.waiting import eventually

from kronkeep_common.client import Client
from kronkeep_common.models import StorageSnapshots
from kronkeep_tui.cli.main import main


async def run_cli(site: BackupSite, *argv: str) -> str:
    """Run a command line against the site's daemon; return what it printed."""

    def run() -> str:
        with redirect_stdout(io.StringIO()) as printed:
            assert main(["--socket", site.daemon.announcement["socket"], *argv]) == 0, printed.getvalue()
        return printed.getvalue()

    return await asyncio.to_thread(run)


async def lose_state(site: BackupSite) -> None:
    """Remove all that the daemon remembers; its cluster stays."""
    await site.daemon.stop()
    for entry in site.daemon.state.iterdir():
        if entry.name != "cluster":
            await asyncio.to_thread(shutil.rmtree if entry.is_dir() else Path.unlink, entry)
    await site.daemon.start()


async def wait_for_recovery(client: Client, name: str) -> StorageSnapshots:
    storage = await eventually(lambda: client.storages.get(name), lambda s: s.snapshots is not None)
    assert storage.snapshots is not None
    return storage.snapshots
