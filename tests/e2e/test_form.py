"""The form with a real daemon: a CronJob is created, refused, changed, and saved after a lost daemon."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests.daemon_process import Daemon
from tests.ui.driving import fill_field, form, running_app, screen
from tests.waiting import eventually
from textual.pilot import Pilot

from kronkeep_common import errors
from kronkeep_common.client import Client
from kronkeep_common.models import BackupPolicySpec, CronJobCreate, VolumeMount
from kronkeep_tui.app import KronkeepApp


@asynccontextmanager
async def open_terminal(daemon: Daemon, keys: tuple[str, ...] = ("n",)) -> AsyncIterator[Pilot[Any]]:
    """Open the terminal at Jobs, wait until it has read the daemon's records, and press some keys."""
    async with daemon.client() as client:
        app = KronkeepApp(client, start="jobs")
        async with app.run_test(size=(80, 24)) as pilot:
            await wait_for(pilot, lambda: app.reader.has_read)
            app.frame.show()
            await pilot.pause()
            await pilot.press(*keys)
            yield pilot


async def wait_for(pilot: Pilot[Any], done: Callable[[], object]) -> None:
    """Wait until `done` returns a true value; fail with the screen."""

    async def look() -> str:
        await pilot.pause()
        return screen(pilot)

    await eventually(look, lambda _: bool(done()))


def has_text(pilot: Pilot[Any], text: str) -> Callable[[], bool]:
    """Return a function that tells whether the screen has the text."""
    return lambda: text in screen(pilot)


async def test_a_cronjob_is_created_after_a_conflict_a_dry_run_a_taken_name_and_a_lost_daemon(
    daemon: Daemon, client: Client, storage: Path
) -> None:
    await client.cronjobs.create(CronJobCreate(name="taken", image="busybox", schedule="0 2 * * *"))
    async with open_terminal(daemon) as pilot:
        await wait_for(pilot, lambda: form(pilot).draft.get("policy.storage_id") == "vault")
        await pilot.press(*"taken", "tab", *"busybox", "tab", *"true")
        await wait_for(pilot, has_text(pilot, "Nothing to archive"))
        await pilot.press("ctrl+s")
        await wait_for(pilot, has_text(pilot, "empty the storage: no backup"))
        await fill_field(pilot, "volumes.0", "data /data")
        await fill_field(pilot, "schedule", "0 4 * * *")
        await fill_field(pilot, "policy.schedule", "0 3 * * *")
        await wait_for(pilot, has_text(pilot, "conflict  BackupBeforeRun"))
        await pilot.press("ctrl+s")
        await wait_for(pilot, has_text(pilot, "f6 moves the backup"))
        await pilot.press("f6")
        await wait_for(pilot, lambda: form(pilot).draft["policy.schedule"] == "10 4 * * *")
        await pilot.press("ctrl+s")
        await wait_for(pilot, has_text(pilot, "CronJob default/taken already"))
        assert form(pilot).draft["image"] == "busybox"

        await fill_field(pilot, "name", "nightly")
        await pilot.press("f2")
        await wait_for(pilot, has_text(pilot, "would accept it"))
        with pytest.raises(errors.CronJobNotFound):
            await client.cronjobs.get("default", "nightly")

        await daemon.kill()
        await pilot.press("ctrl+s")
        await wait_for(pilot, has_text(pilot, "No daemon answers; what you typed is kept"))
        assert form(pilot).draft["policy.schedule"] == "10 4 * * *"
        await daemon.start()
        await wait_for(pilot, lambda: running_app(pilot).reader.live)
        await pilot.press("ctrl+s")
        await wait_for(pilot, has_text(pilot, "default/nightly runs every day at 04:00"))
    async with daemon.client() as again:
        created = await again.cronjobs.get("default", "nightly")
    assert created.policy is not None
    assert (created.policy.schedule, created.policy.storage_id) == ("10 4 * * *", "vault")


async def test_a_cronjob_with_its_policy_is_changed_and_copied(
    daemon: Daemon, client: Client, storage: Path
) -> None:
    policy = BackupPolicySpec(storage_id="vault", compression="max")
    spec = CronJobCreate(
        name="one",
        image="busybox",
        command=("sh", "-c", "echo 'a b'\necho c"),
        schedule="0 2 * * *",
        volumes=(VolumeMount(claim="data", mount_path="/data"),),
        policy=policy,
    )
    created = await client.cronjobs.create(spec)
    async with open_terminal(daemon, ("e",)) as pilot:
        await wait_for(pilot, lambda: form(pilot).draft.get("name") == "one")
        await fill_field(pilot, "policy.hooks.pre.0", "flush busybox timeout=2m -- sync")
        await fill_field(pilot, "policy.retention.keep_weekly", "8")
        await fill_field(pilot, "policy.storage_id", "nowhere")
        assert "There is no storage 'nowhere'" in screen(pilot)
        await fill_field(pilot, "policy.storage_id", "vault")
        await pilot.press("ctrl+s")
        await wait_for(pilot, has_text(pilot, "default/one runs"))
        changed = await client.cronjobs.get("default", "one")
        assert created.policy is not None
        assert changed.policy is not None
        assert changed.policy.id == created.policy.id
        assert changed.policy.hooks.pre[0].command == ("sync",)
        assert (changed.policy.retention.keep_weekly, changed.policy.compression) == (8, "max")
        assert (await client.cronjobs.spec("default", "one")).command == spec.command

        await pilot.press("e")
        await wait_for(pilot, lambda: form(pilot).draft.get("policy.compression") == "max")
        theirs = await client.cronjobs.spec("default", "one")
        await client.cronjobs.replace(msgspec.structs.replace(theirs, schedule="0 6 * * *"))
        await fill_field(pilot, "image", "mine")
        await pilot.press("ctrl+s")
        await wait_for(pilot, has_text(pilot, "Somebody else changed CronJob schedule"))
        assert (await client.cronjobs.spec("default", "one")).image == "busybox"
        await pilot.press("ctrl+s")
        await wait_for(pilot, has_text(pilot, "default/one runs every day at 06:00"))
        assert (await client.cronjobs.spec("default", "one")).image == "mine"

        await pilot.press("N")
        await wait_for(pilot, lambda: form(pilot).draft.get("policy.compression") == "max")
        assert form(pilot).draft["name"] == ""
        await pilot.press(*"two", "ctrl+s")
        await wait_for(pilot, has_text(pilot, "default/two runs"))
    assert (await client.cronjobs.spec("default", "two")).command == spec.command


async def test_a_template_becomes_a_cronjob_and_the_daemons_refusal_is_shown_at_its_field(
    daemon: Daemon, client: Client, storage: Path
) -> None:
    async with open_terminal(daemon) as pilot:
        await wait_for(pilot, lambda: form(pilot).draft.get("policy.storage_id") == "vault")
        await pilot.press(*"hourly", "f4", *"command-h", "tab", "enter")
        await wait_for(pilot, has_text(pilot, "Filled from command-hourly"))
        await fill_field(pilot, "namespace", "nowhere")
        await pilot.press("ctrl+s")
        await wait_for(pilot, lambda: "nowhere" in screen(pilot) and "not found" in screen(pilot))
        await fill_field(pilot, "namespace", "default")
        await pilot.press("ctrl+s")
        await wait_for(pilot, has_text(pilot, "default/hourly runs"))
    created = await client.cronjobs.get("default", "hourly")
    assert (created.schedule, created.policy) == ("0 * * * *", None)
