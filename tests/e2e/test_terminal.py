"""A person at the terminal: every key goes through tmux to the real program, with a daemon and a cluster."""

import asyncio
import shutil
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.daemon_process import Daemon
from tests.e2e.tmux import Tmux
from tests.waiting import eventually

from kronkeep_common.client import Client
from kronkeep_common.models import CronJobCreate


@pytest.fixture
async def tmux(daemon: Daemon, tmp_path: Path) -> AsyncIterator[Tmux]:
    terminal = await asyncio.to_thread(Tmux, Path(daemon.announcement["socket"]), tmp_path)
    yield terminal
    await asyncio.to_thread(terminal.close)


async def test_a_whole_session(
    daemon: Daemon, client: Client, storage: Path, claim: Path, tmux: Tmux
) -> None:
    await tmux.see("Welcome to kronkeep", "live")
    script = "for n in 1 2 3; do echo line $n; done; echo payload > /data/file"
    for name in ("shop-dump", "other"):
        await client.cronjobs.create(_cronjob_spec(name, script))
    await tmux.see("Nothing needs attention")
    await tmux.press("2")
    await tmux.see("shop-dump", "other", "Jobs  row 1/2")
    await tmux.type("/")
    await tmux.type("shop")
    await tmux.press("Enter")
    assert "other" not in await tmux.see("filter: shop", "row 1/1 of 2")
    await tmux.press("t")
    await tmux.answer("n", "Run now default/shop-dump? y/n")
    await tmux.see("Nothing was done")
    await tmux.press("t")
    await tmux.answer("y", "Run now default/shop-dump? y/n")
    await tmux.see("Started default/shop-dump")
    runs = await eventually(lambda: client.runs.list(), lambda page: bool(page.items))
    await eventually(lambda: client.runs.get(runs.items[0].id), lambda run: run.status == "succeeded")
    await tmux.press("Enter")
    await tmux.see("shop-dump", "manual", "ok")
    await tmux.press("Enter")
    await tmux.see("line 1", "line 3", "end of log", "snapshot")
    await tmux.type("/line 2")
    await tmux.press("Enter")
    await tmux.see("1 with 'line 2'")
    await tmux.press("e")
    await tmux.see("SuccessfulCreate")
    await tmux.press("Escape", "Escape", "Escape", "Escape")  # of Events, search, run and runs
    await tmux.see("filter: shop")
    await tmux.press("Escape")
    await tmux.see("other")
    await tmux.press("Home", "Space", "Space", "s")
    await tmux.answer("y", "Suspend default/other, default/shop-dump?")
    await tmux.see("Suspended 2 of them")
    await eventually(lambda: client.cronjobs.list(), lambda page: all(c.suspended for c in page.items))
    await tmux.press("E")
    await tmux.see("Changed default/shop-dump")
    assert (await client.cronjobs.get("default", "shop-dump")).image == "busybox:1.37"
    await tmux.type(":ns default")
    await tmux.press("Enter")
    await tmux.see("ns:default")
    await tmux.press("5")
    await tmux.see("Restore", "vault")
    await tmux.press("?")
    await tmux.see("Keys in restore")
    await tmux.type("q")
    await eventually(lambda: asyncio.to_thread(tmux.has_ended), bool)


def _cronjob_spec(name: str, script: str) -> CronJobCreate:
    from kronkeep_common.models import BackupPolicySpec, VolumeMount

    return CronJobCreate(
        name=name,
        image="busybox:1.36",
        command=("sh", "-c", script),
        schedule="0 2 29 2 *",
        volumes=(VolumeMount(claim="data", mount_path="/data"),),
        policy=BackupPolicySpec(storage_id="vault"),
    )


async def test_after_a_killed_daemon_its_records_stay_on_the_screen_until_it_is_back(
    daemon: Daemon, client: Client, claim: Path, storage: Path, tmux: Tmux
) -> None:
    await client.cronjobs.create(_cronjob_spec("steady", "true"))
    await tmux.press("2")
    await tmux.see("steady", "live")
    await daemon.kill()
    await tmux.see("NO DAEMON", "steady")
    await tmux.press("t")
    await tmux.see("cannot be reached; nothing was done")
    await daemon.start()
    await tmux.see("live", "steady")


MOST_KEYS = 40
MOST_SECONDS = 120


async def test_from_an_empty_start_to_the_first_good_backup(
    daemon: Daemon, client: Client, claim: Path, tmux: Tmux
) -> None:
    """A person has a claim `data` and nothing else; keys and time are counted."""
    claim.mkdir(parents=True, exist_ok=True)
    (claim / "precious").write_text("what must not be lost")
    folder = Path(tempfile.mkdtemp(prefix="k", dir="/tmp"))
    await tmux.see("Welcome to kronkeep", "live")
    start = asyncio.get_running_loop().time()
    await tmux.press("6", "n")
    await tmux.see("new storage", "[local]")
    await tmux.press("Tab", "Tab", "C-w")
    await tmux.type(str(folder))
    await tmux.press("C-s")
    await tmux.see("ok", "vault", "not measured")
    await tmux.press("2", "n")
    await tmux.see("new CronJob")
    await tmux.type("db")
    await tmux.press("F4")
    await tmux.see("From (")
    await tmux.type("c")
    await tmux.press("Tab", "Enter")
    await tmux.see("Filled from claim-nightly", "when the run has ended")
    await tmux.press("C-s")
    await tmux.see("default/db runs every day", ">new")
    await tmux.press("t")
    await tmux.answer("y", "Run now default/db? y/n")
    backups = await eventually(
        lambda: client.backups.list(), lambda page: bool(page.items) and page.items[0].status == "succeeded"
    )
    await tmux.see(">ok", "every day at 02:00")
    duration = asyncio.get_running_loop().time() - start
    shutil.rmtree(folder)
    assert backups.items[0].result is not None
    assert backups.items[0].result.files_total == 1
    assert tmux.keys < MOST_KEYS
    assert duration < MOST_SECONDS
