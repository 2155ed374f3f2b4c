"""Second copies of backups: made by a real restic beside the first, killed, kept, restored from."""

import asyncio
import json
import shutil
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests.cluster_proxy import daemon_behind_proxy
from tests.e2e.backup_site import DEBIAN_RESTIC, BackupSite
from tests.e2e.restore_site import describe_folder, fill_claim, wait_until_ended
from tests.waiting import eventually

from kronkeep_common.client import Client
from kronkeep_common.errors import NotAllowedNow
from kronkeep_common.models import (
    BackupCopy,
    BackupExecution,
    PolicyCopy,
    RestoreRequest,
    RestoreTarget,
    Retention,
)
from kronkeep_common.states import ENDED_COPIES
from kronkeep_daemon.kube import paths

COPIES = "copies-of-first"
MOVING = ("copying", "checking", "pointing")


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[BackupSite]:
    """A daemon whose cluster is another process, which lives on."""
    async with daemon_behind_proxy(tmp_path) as (daemon, _, _):
        yield BackupSite(daemon, DEBIAN_RESTIC)


async def prepare(site: BackupSite, **copy: Any) -> tuple[Path, Path, Path]:
    """Create two storages and a CronJob whose backups are copied; the storages' folders and the claim's."""
    first, second = await asyncio.gather(site.create_storage("first"), site.create_storage("second"))
    data = await site.create_claim("data")
    (data / "file").write_bytes(b"x" * 1000)
    async with site.client() as client:
        spec = PolicyCopy(storage_id="second", **copy)
        await site.create_cronjob(client, "job", "data", "first", copies=(spec,))
    return first, second, data


async def wait_for_copy(client: Client, backup: BackupExecution) -> BackupCopy:
    """Return the copy of a backup once it has ended."""
    page = await eventually(
        lambda: client.copies.of_backup(backup.id),
        lambda page: bool(page.items) and page.items[0].status in ENDED_COPIES,
    )
    return page.items[0]


async def list_copies(site: BackupSite, second: Path) -> list[dict[str, Any]]:
    """Return the snapshots in the copies' repository, as restic lists them."""
    password = await site.read_password("second")
    argv = ("snapshots", "--json", "--no-lock")
    listed = json.loads(await asyncio.to_thread(site.run_restic, second / COPIES, password, *argv))
    return listed or []


async def test_copies_are_made_once_kept_by_their_rules_and_cut_as_the_first(site: BackupSite) -> None:
    first, second, data = await prepare(site, retention=Retention(keep_last=2))
    async with site.client() as client:
        made = []
        for number in range(3):
            (data / "file").write_bytes(b"x" * 1000 + bytes([number]))
            backup = await site.back_up(client, "job")
            made.append((backup, await wait_for_copy(client, backup)))
        await eventually(
            lambda: client.copies.get(made[0][1].id), lambda copy: copy.snapshot_removed_at is not None
        )
        state = (await client.cronjobs.get("default", "job")).copies[0]
        originals = (await client.backups.list()).items
    assert [(copy.status, copy.attempt, copy.storage_id) for _, copy in made] == [
        ("succeeded", 1, "second")
    ] * 3
    assert (state.storage_id, state.backups, state.behind_since) == ("second", 2, None)
    assert [backup.snapshot_state for backup in originals] == ["present"] * 3
    listed = {each["id"]: each["original"][:8] for each in await list_copies(site, second)}
    assert listed == {
        copy.snapshot_id: backup.result.snapshot_id[:8]
        for backup, copy in made[1:]
        if backup.result is not None
    }
    configs = [
        site.run_restic(folder, await site.read_password(name), "cat", "config")
        for name, folder in (("first", first), ("second", second / COPIES))
    ]
    lines = {line.strip() for config in configs for line in config.splitlines()}
    assert sum("chunker_polynomial" in line for line in lines) == 1


async def test_the_move_of_a_storage_takes_the_copies_in_it_along(site: BackupSite) -> None:
    """They are copies at each moment; the old ones go last, and what was copied is what is restored."""
    first, second, data = await prepare(site)
    await site.write_copies_repository("second", second, "first")
    async with site.client() as client:
        backups = []
        for text in ("one", "two"):
            (data / "file").write_text(text)
            backups.append(await site.back_up(client, "job"))
            await wait_for_copy(client, backups[-1])
        before = [await wait_for_copy(client, backup) for backup in backups]
        plan = await client.storages.plan_move("second", "namespace")
        assert (plan.backups, plan.sources) == (2, (f"second/{COPIES}",))
        await client.storages.move("second", "namespace")
        kept = await eventually(
            lambda: client.storages.get("second"),
            lambda storage: storage.move is not None and storage.move.state not in MOVING,
        )
        assert kept.move is not None
        assert (kept.move.state, kept.move.copied) == ("kept", 2)
        moved = [await wait_for_copy(client, backup) for backup in backups]
        assert [(copy.id, copy.layout, copy.snapshot_state) for copy in moved] == [
            (copy.id, "namespace", "present") for copy in before
        ]
        assert not {copy.snapshot_id for copy in before} & {copy.snapshot_id for copy in moved}
        assert len(await list_copies(site, second)) == 2, "the old ones stay"
        (data / "file").write_text("three")
        backups.append(await site.back_up(client, "job"))
        assert (await wait_for_copy(client, backups[-1])).layout == "namespace"
        await client.storages.remove_originals("second")
        await eventually(
            lambda: client.storages.get("second"),
            lambda storage: storage.move is not None and storage.move.state == "done",
        )
        assert await list_copies(site, second) == []
        rescanned = await client.storages.rescan("second")
        assert rescanned.snapshots is not None
        assert (rescanned.snapshots.missing, rescanned.snapshots.unrecorded) == (0, 0)
        shutil.rmtree(first)
        request = RestoreRequest(target=RestoreTarget(claim="back"), from_copy="second")
        restore = await client.backups.restore(backups[0].id, request)
        assert (await wait_until_ended(client, restore)).status == "completed"
    assert [path.read_text() for path in (data.parent / "back").rglob("file")] == ["one"]


def job_of_copy(copy: BackupCopy) -> bool:
    return copy.job is not None


async def test_killed_at_each_step_a_copy_is_made_once(site: BackupSite) -> None:
    """Killed as it is queued, while its repository is made, while its Job runs, and once that has ended."""
    _, second, data = await prepare(site)
    (data / "file").write_bytes(b"y" * 100_000)
    async with site.client() as client:
        backup = await site.back_up(client, "job")
        await eventually(lambda: client.copies.of_backup(backup.id), lambda page: bool(page.items))
    for role in ("init", "copy"):
        await wait_for_job(site, f"kronkeep-{role}-")
        await kill_and_start(site)
    await wait_for_job(site, "kronkeep-copy-", has_ended=True)
    await kill_and_start(site)
    async with site.client() as client:
        copy = await wait_for_copy(client, backup)
        assert (copy.status, copy.reason) == ("succeeded", None), copy
        await kill_and_start(site)
    async with site.client() as client:
        assert (await client.copies.get(copy.id)).snapshot_id == copy.snapshot_id
    assert [each["id"] for each in await list_copies(site, second)] == [copy.snapshot_id]
    assert not [*(second / COPIES / "locks").iterdir()]


async def wait_for_job(site: BackupSite, prefix: str, *, has_ended: bool = False) -> None:
    """Return once a Job whose name begins so was created, or has ended."""
    cluster = await site.daemon.cluster()

    async def list_jobs() -> list[dict[str, Any]]:
        jobs, _ = await cluster.list(paths.jobs("kronkeep"))
        return [job for job in jobs if job["metadata"]["name"].startswith(prefix)]

    def is_there(jobs: list[dict[str, Any]]) -> bool:
        return any(not has_ended or (job.get("status") or {}).get("conditions") for job in jobs)

    try:
        await eventually(list_jobs, is_there)
    finally:
        await cluster.close()


async def kill_and_start(site: BackupSite) -> None:
    """Kill the daemon with SIGKILL and start it again."""
    await site.daemon.kill()
    await site.daemon.start()


async def test_restored_and_drilled_from_the_copy_when_the_first_is_wiped(site: BackupSite) -> None:
    first, second, data = await prepare(site)
    await site.write_copies_repository("second", second, "first")
    (data / "file").unlink()
    fill_claim(data, "one")
    async with site.client() as client:
        backup = await site.back_up(client, "job")
        copy = await wait_for_copy(client, backup)
        assert copy.status == "succeeded", copy
        shutil.rmtree(first)
        chosen = RestoreRequest(target=RestoreTarget(claim="chosen"))
        named = RestoreRequest(target=RestoreTarget(claim="named"), from_copy="second")
        restores = [
            await wait_until_ended(client, await client.backups.restore(backup.id, request))
            for request in (chosen, named)
        ]
        for restore in restores:
            assert (restore.status, restore.storage_id, restore.message) == ("completed", "second", None)
        assert "first is away" in " ".join(restores[0].warnings)
        for request, why in ((chosen, "The snapshot in first cannot be read now. "), (named, "")):
            free = msgspec.structs.replace(request, target=RestoreTarget(claim="other"))
            plan = await eventually(  # the first storage is tested once a restore has met its fault
                partial(client.backups.plan_restore, backup.id, free), lambda made: made.copy_of == "first"
            )
            assert plan.storage_id == "second"
            assert f"{why}The copy in second is read." in plan.warnings
        drill = await wait_until_ended(
            client, await client.cronjobs.drill("default", "job", from_copy="second")
        )
        assert (drill.status, drill.storage_id) == ("completed", "second"), drill
        # What a drill proves is recorded after its end.
        await eventually(
            lambda: client.copies.get(copy.id), lambda verified: verified.verified_by == drill.id
        )
        assert (await client.cronjobs.get("default", "job")).copies[0].verified_at == drill.ended_at
        with pytest.raises(NotAllowedNow):
            await client.copies.start(backup.id, "first")
    for name in ("chosen", "named"):
        assert describe_folder(data.parent / name) == describe_folder(data)
