"""A daemon that is killed in any state of a backup, or while it prunes, finishes the work exactly once."""

import asyncio
import sys
import tempfile
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from pathlib import Path

import pytest
from tests.cluster_proxy import daemon_behind_proxy
from tests.e2e.backup_site import DEBIAN_RESTIC, MACHINE_IMAGE, BackupSite, shell, wait_for_end
from tests.waiting import eventually

from kronkeep_common.client import Client
from kronkeep_common.errors import KronkeepError
from kronkeep_common.models import BackupExecution, Hooks
from kronkeep_daemon.kube import paths

# A prune that holds the repository for itself until the file `go` is there: restic waits for a password.
SLOW_PRUNE = f"""#!/bin/sh
[ "$1" = prune ] && (until [ -e "${{0%/*}}/go" ]; do sleep 0.1; done) | {DEBIAN_RESTIC} key passwd
exec {DEBIAN_RESTIC} "$@"
"""


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[BackupSite]:
    """A daemon whose cluster is another process, which lives on."""
    async with daemon_behind_proxy(tmp_path) as (daemon, _, _):
        yield BackupSite(daemon, DEBIAN_RESTIC)


@pytest.fixture
async def slow_site(tmp_path: Path) -> AsyncIterator[BackupSite]:
    """A site whose containers run a program of this machine."""
    with tempfile.TemporaryDirectory(dir=sys.prefix) as seen_by_pods:  # which no folder below /tmp is
        program = Path(seen_by_pods) / "restic"
        program.write_text(SLOW_PRUNE)
        Path(seen_by_pods).chmod(0o755)
        program.chmod(0o755)
        settings = f'[archive]\nimage = "{MACHINE_IMAGE}"\nprogram = "{program}"\n'
        async with daemon_behind_proxy(tmp_path, settings=settings, machine_tools=True) as (daemon, _, _):
            yield BackupSite(daemon, str(program))


async def kill_and_start(site: BackupSite) -> None:
    """Kill the daemon with SIGKILL and start it again."""
    await site.daemon.kill()
    await site.daemon.start()


def runs_hook(stage: str) -> Callable[[BackupExecution], bool]:
    """Return a check whether a hook of that stage is running."""
    return lambda backup: any(run.stage == stage and run.status == "running" for run in backup.hooks)


def runs_archive(backup: BackupExecution) -> bool:
    """Return whether the backup is at its archive's own Job."""
    done = [run.stage for run in backup.hooks if run.status == "succeeded"]
    return backup.status == "running" and done == ["pre"] and backup.ending is None


async def test_killed_in_every_state_a_backup_is_made_once_and_each_hook_runs_once(site: BackupSite) -> None:
    folder = await site.create_storage("states")
    data = await site.create_claim("states")
    (data / "file").write_bytes(b"x" * 1000)
    ran = data / "ran"
    hooks = Hooks(
        pre=(shell("before", "sleep 1; echo pre >> /source/states/ran"),),
        validate=(shell("look", "sleep 1; test -s /content/source/states/file"),),
        post=(shell("after", "sleep 1; echo post >> /source/states/ran"),),
    )
    moments = (
        lambda backup: backup.status in ("waiting", "queued"),
        runs_hook("pre"),
        runs_archive,
        runs_hook("validate"),
        runs_hook("post"),
    )
    async with site.client() as client:
        await site.create_cronjob(client, "states", "states", "states", hooks=hooks)
        backup_id = (await client.cronjobs.trigger("default", "states")).backup_id
        assert backup_id is not None
    for moment in moments:
        async with site.client() as client:
            seen = await eventually(
                lambda: client.backups.get(backup_id),
                lambda b: moment(b) or b.ended_at is not None,  # noqa: B023
            )
            assert moment(seen), seen
        await kill_and_start(site)
    async with site.client() as client:
        done = await wait_for_end(client, backup_id)
    assert (done.status, done.attempt) == ("succeeded", 1), done
    assert Counter(run.stage for run in done.hooks) == {"pre": 1, "validate": 1, "post": 1}
    assert {run.status for run in done.hooks} == {"succeeded"}
    assert ran.read_text().split() == ["pre", "post"]
    snapshots = await site.list_snapshots("states", folder)
    assert done.result is not None
    assert [snapshot["short_id"] for snapshot in snapshots] == [done.result.snapshot_id[:8]]


async def count_prunes(site: BackupSite) -> int:
    """Return the number of Jobs that have pruned or do so now."""
    cluster = await site.daemon.cluster()
    jobs, _ = await cluster.list(paths.jobs("kronkeep"))
    await cluster.close()
    return sum("-prune-" in job["metadata"]["name"] for job in jobs)


async def test_killed_while_it_prunes_the_next_backup_waits_its_turn(slow_site: BackupSite) -> None:
    folder = await slow_site.create_storage("kept")
    data = await slow_site.create_claim("data")
    (data / "file").write_bytes(b"x" * 1000)

    async def prune(client: Client) -> None:
        with suppress(KronkeepError):
            await client.storages.prune("kept")

    async def locks() -> list[Path]:
        return list((folder / "locks").iterdir())

    async with slow_site.client() as client:
        await slow_site.create_cronjob(client, "job", "data", "kept")
        pruning = asyncio.create_task(prune(client))
        await eventually(locks, bool)
        await kill_and_start(slow_site)
        await pruning
    async with slow_site.client() as client:
        await eventually(client.cronjobs.list, lambda page: any(job.name == "job" for job in page.items))
        begun = await client.cronjobs.back_up("default", "job")
        assert (await client.backups.get(begun.id)).status == "queued"
        Path(slow_site.program).with_name("go").touch()
        backup = await wait_for_end(client, begun.id)
    assert (backup.status, backup.reason) == ("succeeded", None), backup
    assert (await count_prunes(slow_site), await locks()) == (1, [])
