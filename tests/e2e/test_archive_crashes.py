"""Archives whose Job is killed at random moments: the repository stays whole and the record true."""

import asyncio
import json
import random
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.e2e.backup_site import DEBIAN_RESTIC, BackupSite, backup_site, wait_for_end
from tests.e2e.restic_processes import kill_restic
from tests.waiting import eventually

from kronkeep_common.client import Client
from kronkeep_common.errors import KronkeepError
from kronkeep_common.models import BackupExecution
from kronkeep_daemon.kube import paths


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BackupSite]:
    with backup_site(tmp_path_factory.mktemp("crash"), DEBIAN_RESTIC) as running:
        yield running


def fill(folder: Path, seed: int) -> None:
    """Write about 24 MB of random files, other ones for each seed."""
    chance = random.Random(seed)
    for number in range(12):
        (folder / f"big {number}").write_bytes(chance.randbytes(2_000_000))
    for number in range(100):
        (folder / f"small\n{number}").write_bytes(chance.randbytes(500))


async def kill_archive(
    site: BackupSite, client: Client, backup: BackupExecution, chance: random.Random
) -> str:
    """Wait a random time, then kill the process, the pod or the Job; return which."""
    how = chance.choice(["process", "pod", "job"])
    await eventually(
        lambda: client.backups.get(backup.id), lambda b: b.job is not None or b.ended_at is not None
    )
    job = (await client.backups.get(backup.id)).job or ""
    cluster = await site.daemon.cluster()
    try:
        for _ in range(200):
            pods, _ = await cluster.list(paths.pods("default"), labelSelector=f"job-name={job}")
            if pods:
                break
            await asyncio.sleep(0.05)
        await asyncio.sleep(chance.random() * 3.0)
        if how == "process":
            await asyncio.to_thread(kill_restic, backup.id)
        elif how == "job":
            await cluster.delete(paths.jobs("default", job))
        else:
            for pod in pods:
                name = pod["metadata"]["name"]
                await cluster.delete(paths.pods("default", name), grace_seconds=0)
    except KronkeepError as fault:
        how += f" ({fault})"
    finally:
        await cluster.close()
    return how


async def kill_archives(site: BackupSite, name: str, number: int, seed: int) -> dict[str, int]:
    """Kill an archive in each round and check its record and the repository; count how they ended."""
    chance = random.Random(seed)
    folder = await site.create_storage(name)
    data = await site.create_claim(name)
    password = await site.read_password(name)
    ends: dict[str, int] = {}
    async with site.client() as client:
        await site.create_cronjob(client, name, name, name, retries=0)
        for round_number in range(number):
            await asyncio.to_thread(fill, data, seed * 1000 + round_number)
            begun = await client.cronjobs.back_up("default", name)
            how = await kill_archive(site, client, begun, chance)
            backup = await wait_for_end(client, begun.id)
            key = f"{how}: {backup.status} {backup.reason}"
            ends[key] = ends.get(key, 0) + 1
            output = await asyncio.to_thread(
                site.run_restic,
                folder,
                password,
                "snapshots",
                "--no-lock",
                "--json",
                "--tag",
                f"backup={begun.id}",
            )
            snapshots = json.loads(output) or []
            if backup.status in ("succeeded", "unknown"):
                assert backup.result is not None, backup
                assert [s["short_id"] for s in snapshots] == [backup.result.snapshot_id[:8]], backup
            else:
                assert (backup.status, snapshots) == ("failed", []), backup
                assert backup.reason in ("JobGone", "Interrupted", "JobFailed"), backup
                assert backup.message
                assert backup.next_step
        last = await site.back_up(client, name)
        assert last.status == "succeeded", last
        await eventually(client.queue, lambda queue: not queue.items)
    await asyncio.to_thread(site.run_restic, folder, password, "unlock", "--remove-all")
    await site.check_repository(folder, password)
    return ends


async def test_killed_archives_leave_a_whole_repository_and_true_records(site: BackupSite) -> None:
    assert sum((await kill_archives(site, "few", 4, seed=3)).values()) == 4


@pytest.mark.torture
@pytest.mark.timeout(1800)
async def test_fifty_killed_archives(site: BackupSite) -> None:
    seed = random.randrange(10**6)
    ends = await kill_archives(site, "many", 50, seed=seed)
    assert sum(ends.values()) == 50, (seed, ends)


async def test_a_killed_archive_is_tried_again_and_leaves_no_lock(site: BackupSite) -> None:
    folder = await site.create_storage("again")
    data = await site.create_claim("again")
    await asyncio.to_thread(fill, data, 1)
    async with site.client() as client:
        await site.create_cronjob(client, "again", "again", "again", retries=2)
        begun = await client.cronjobs.back_up("default", "again")
        for _ in range(1200):
            if await asyncio.to_thread(kill_restic, begun.id):
                break
            await asyncio.sleep(0.02)
        backup = await wait_for_end(client, begun.id)
    assert backup.status == "succeeded", backup
    assert backup.attempt in (1, 2)
    password = await site.read_password("again")

    async def list_locks() -> str:
        argv = ("list", "locks", "--no-lock")
        return (await asyncio.to_thread(site.run_restic, folder, password, *argv)).strip()

    # It goes once no archive is at work on the repository, which removing all locks would disturb.
    await eventually(list_locks, lambda locks: locks == "")


async def test_three_policies_on_one_repository_at_once(site: BackupSite) -> None:
    folder = await site.create_storage("shared")
    async with site.client() as client:
        names = ("one", "two", "three")
        for seed, name in enumerate(names):
            await asyncio.to_thread(fill, await site.create_claim(name), 50 + seed)
            await site.create_cronjob(client, name, name, "shared")
        begun = await asyncio.gather(*(client.cronjobs.back_up("default", name) for name in names))
        backups = [await wait_for_end(client, one.id) for one in begun]
    assert [b.status for b in backups] == ["succeeded"] * 3
    assert len(await site.list_snapshots("shared", folder)) == 3
    await site.check_repository(folder, await site.read_password("shared"))
