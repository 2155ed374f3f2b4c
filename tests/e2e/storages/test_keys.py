"""A storage's password is changed, with kills in every state; a kit opens it without kronkeep."""

import asyncio
import json
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.cluster_proxy import daemon_behind_proxy
from tests.e2e.backup_site import DEBIAN_RESTIC, BackupSite
from tests.waiting import eventually

from kronkeep_common.api import Check
from kronkeep_common.client import Client
from kronkeep_common.errors import InvalidRequest, KronkeepError
from kronkeep_common.models import Alert, BackupStorage, PolicyCopy
from kronkeep_common.states import RotationState
from kronkeep_tui.cli.storage_keys import kit_lines

STATES = [state for state in RotationState if state is not RotationState.DONE]


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[BackupSite]:
    """A daemon whose cluster is another process, which lives on."""
    async with daemon_behind_proxy(tmp_path) as (daemon, _, _):
        yield BackupSite(daemon, DEBIAN_RESTIC)


def count_keys(folder: Path, password: str) -> int:
    """Return how many keys open the repository, as restic lists them with that password."""
    argv = [DEBIAN_RESTIC, "-r", str(folder), "--no-cache", "--no-lock", "key", "list", "--json"]
    done = subprocess.run(argv, env={"RESTIC_PASSWORD": password}, capture_output=True, check=True)
    return len(json.loads(done.stdout))


@pytest.mark.torture
async def test_killed_in_each_state_the_secret_always_opens_and_one_key_is_left(site: BackupSite) -> None:
    first, second = await asyncio.gather(site.create_storage("first"), site.create_storage("second"))
    await site.write_copies_repository("second", second, "first")
    (await site.create_claim("data") / "file").write_bytes(b"x" * 1000)
    async with site.client() as client:
        copies = (PolicyCopy(storage_id="second"),)
        await site.create_cronjob(client, "job", "data", "first", copies=copies)
        backup = await site.back_up(client, "job")
        await eventually(
            lambda: client.copies.of_backup(backup.id),
            lambda page: bool(page.items) and page.items[0].status == "succeeded",
        )
    old = await site.read_password("second")
    folders = (second, second / "copies-of-first")
    rotating: asyncio.Task[None] | None = None
    for state in STATES:
        async with site.client() as client:
            rotating = rotating or asyncio.create_task(rotate(client, "second"))
            seen = await eventually(
                lambda: client.storages.get("second"),
                lambda storage: has_reached(storage, state),  # noqa: B023
            )
            assert seen.rotation is not None
            await site.daemon.kill()
            await rotating
        await asyncio.to_thread(count_keys, second, await site.read_password("second"))
        await site.daemon.start()
        rotating = asyncio.create_task(asyncio.sleep(0))
    async with site.client() as client:
        done = await eventually(
            lambda: client.storages.get("second"), lambda storage: has_reached(storage, RotationState.DONE)
        )
        assert done.rotation is not None
        assert (done.rotation.message, done.rotation.old_keys) == (None, {})
        new = await site.read_password("second")
        assert new != old
        assert [count_keys(folder, new) for folder in folders] == [1, 1]
        with pytest.raises(subprocess.CalledProcessError):
            count_keys(second, old)
        assert (await site.back_up(client, "job")).status == "succeeded"
    assert first.exists()


async def rotate(client: Client, name: str) -> None:
    """Rotate the key; the daemon is killed meanwhile."""
    try:
        await client.storages.rotate_key(name)
    except KronkeepError:
        return


def has_reached(storage: BackupStorage, state: RotationState) -> bool:
    """Whether the storage's rotation is in that state or a later one."""
    order = list(RotationState)
    return storage.rotation is not None and order.index(storage.rotation.state) >= order.index(state)


async def find_kit_alert(client: Client) -> Alert | None:
    """Return the open alert about the storage's kit."""
    alerts = (await client.alerts.list(filter="code:RecoveryKitDue status:open")).items
    return alerts[0] if alerts else None


async def read_doctor_on_kit(client: Client) -> Check:
    """Return the doctor's line about the kit."""
    (line,) = [each for each in (await client.doctor()).items if each.name == "recovery kit of kept"]
    return line


async def test_a_kit_opens_each_repository_and_is_due_when_there_are_more_or_other_passwords(
    site: BackupSite, tmp_path: Path
) -> None:
    await site.create_storage("kept", layout="namespace")
    (await site.create_claim("data") / "file").write_bytes(b"x" * 1000)
    async with site.client() as client:
        assert "No recovery kit" in (await read_doctor_on_kit(client)).message
        kit = await client.storages.recovery_kit("kept")
        stored = await client.storages.get("kept")
        with pytest.raises(InvalidRequest, match="newest recovery kit"):
            await client.storages.confirm_recovery_kit("kept", "0000-0000-0000-0000")
        typed = kit.fingerprint.upper().replace("-", " ")
        confirmed = await client.storages.confirm_recovery_kit("kept", typed)
        assert "confirmed" in (await read_doctor_on_kit(client)).message

        await site.create_cronjob(client, "job", "data", "kept")
        backup = await site.back_up(client, "job")
        alert = await eventually(lambda: find_kit_alert(client), bool)
        assert alert is not None
        assert "lacks a repository" in alert.message
        assert (await read_doctor_on_kit(client)).status == "warn"
        with pytest.raises(InvalidRequest, match="lacks a repository"):
            await client.storages.confirm_recovery_kit("kept", kit.fingerprint)
        fuller = await client.storages.recovery_kit("kept")
        assert len(fuller.repositories) == 2
        await eventually(lambda: find_kit_alert(client), lambda found: found is None)
        await client.storages.confirm_recovery_kit("kept", fuller.fingerprint)

        rotated = await client.storages.rotate_key("kept")
        with pytest.raises(InvalidRequest):
            await client.storages.confirm_recovery_kit("kept", fuller.fingerprint)
        alert = await eventually(lambda: find_kit_alert(client), bool)
        assert alert is not None
        assert "passwords were changed" in alert.message
        again = await client.storages.recovery_kit("kept")
        line = await read_doctor_on_kit(client)
        assert (line.status, "nobody has confirmed it" in line.message) == ("ok", True)
    assert stored.kit_made_at is not None
    assert confirmed.kit_confirmed_at is not None
    assert (rotated.kit_made_at, rotated.kit_hash) == (None, None)
    assert again.fingerprint != fuller.fingerprint
    assert all(repository.is_mounted for repository in again.repositories)
    assert again.repositories[0].address == "/repository"
    script = "\n".join(kit_lines(again))
    done = await asyncio.to_thread(
        subprocess.run,
        ["sh", "-e"],
        input=f"cd {tmp_path}\n{script}",
        capture_output=True,
        text=True,
        check=True,
    )
    assert backup.result is not None
    assert backup.result.snapshot_id[:8] in done.stdout
