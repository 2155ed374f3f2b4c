"""The daemon's own history comes back from a storage, after its state folder was lost; real restic."""

import asyncio
import gzip
import json
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path

import pytest
from tests.cluster_proxy import daemon_behind_proxy
from tests.e2e.backup_site import DEBIAN_RESTIC, BackupSite, wait_for_end
from tests.e2e.storages.folder_repositories import list_ids, read_passwords
from tests.waiting import eventually

from kronkeep_common.errors import NotAllowedNow
from kronkeep_common.models import BackupStorageCreate
from kronkeep_daemon.kube import paths
from kronkeep_daemon.restic.history_copy import FILE

SETTINGS = '[history]\narchive_to = ["vault"]\narchive_keep = 2\n'


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[BackupSite]:
    """A daemon that archives its history; its cluster is another process, which lives on."""
    async with daemon_behind_proxy(tmp_path, settings=SETTINGS) as (daemon, _, _):
        yield BackupSite(daemon, DEBIAN_RESTIC)


def restore_history(
    site: BackupSite, *more: str, folder: Path | None = None
) -> subprocess.CompletedProcess[str]:
    """Run `kronkeepd store restore` on a folder, or the state folder of the site's daemon."""
    folder = folder or site.daemon.state / "history"
    kubeconfig = site.daemon.state.parent / "cluster" / "kubeconfig"
    argv = [sys.executable, "-m", "kronkeep_daemon", "store", "restore", str(folder)]
    argv += ["--kubeconfig", str(kubeconfig), *site.daemon.arguments, *more]
    return subprocess.run(argv, capture_output=True, text=True, check=False)


async def refuse_other_history(site: BackupSite, folder: Path) -> None:
    """Start with an empty state folder: a copy of that history would replace the one that is wanted."""
    await site.daemon.start()
    again = BackupStorageCreate(
        id="vault", kind="local", settings={"path": str(folder)}, namespaces=("default",), layout="shared"
    )
    async with site.client() as client:
        await client.storages.create(again)
        await eventually(lambda: client.storages.get("vault"), lambda s: s.status == "active")
        with pytest.raises(NotAllowedNow, match="another one") as refusal:
            await client.storages.archive_history("vault")
        assert "store restore" in (refusal.value.next_step or "")
    await site.daemon.stop()


async def test_the_history_comes_back_with_one_command_and_what_is_newer_by_itself(
    site: BackupSite, tmp_path: Path
) -> None:
    folder = await site.create_storage("vault")
    source = await site.create_claim("data")
    (source / "file").write_text("first")
    async with site.client() as client:
        # The first copy is made at once, by itself.
        first_copy = await eventually(
            lambda: client.storages.get("vault"), lambda s: s.history_archive is not None
        )
        assert first_copy.history_archive is not None
        assert first_copy.history_archive.message is None
        await site.create_cronjob(client, "job", "data", "vault")
        run = await client.cronjobs.trigger("default", "job")
        linked = await eventually(lambda: client.runs.get(run.id), lambda r: r.backup_id is not None)
        recorded = await wait_for_end(client, linked.backup_id or "")
        assert recorded.status == "succeeded"
        for _ in range(2):
            archived = (await client.storages.archive_history("vault")).history_archive
        assert archived is not None
        assert archived.sequence > first_copy.history_archive.sequence
        newer = await site.back_up(client, "job")
        # On a claim of a tenant's namespace it would be the tenant's.
        tenants = BackupStorageCreate(
            id="tenants",
            kind="pvc",
            settings={"claim": "data", "namespace": "default"},
            namespaces=("default",),
        )
        await client.storages.create(tenants)
        await eventually(lambda: client.storages.get("tenants"), lambda s: s.status == "active")
        with pytest.raises(NotAllowedNow, match="history of every namespace"):
            await client.storages.archive_history("tenants")
    passwords = await read_passwords(site, "vault")
    below = folder / "history-kronkeepd"
    ids = await asyncio.to_thread(list_ids, below, passwords["history-kronkeepd"])
    assert len(ids or ()) == 2  # archive_keep
    assert list_ids(below, passwords[""]) is None
    cluster = await site.daemon.cluster()
    secrets = [each["metadata"]["name"] for each in (await cluster.list(paths.secrets("kronkeep")))[0]]
    await cluster.close()
    assert not [name for name in secrets if name.startswith("kronkeep-history-")]

    await site.daemon.stop()
    shutil.rmtree(site.daemon.state)
    await refuse_other_history(site, folder)
    assert await asyncio.to_thread(list_ids, below, passwords["history-kronkeepd"]) == ids
    shutil.rmtree(site.daemon.state)
    nowhere = await asyncio.to_thread(restore_history, site, "--from-storage", "elsewhere")
    assert nowhere.returncode == 1
    assert "vault.kronkeepd" in nowhere.stderr
    of_snapshot = partial(restore_history, folder=tmp_path / "earlier")
    choice = ("--from-storage", "vault", "--snapshot")
    for words in ((*choice, "newest"), (*choice, "abcdef012345")):
        refused = await asyncio.to_thread(of_snapshot, site, *words)
        assert refused.returncode == 1, words
    earlier = await asyncio.to_thread(of_snapshot, site, *choice, (archived.snapshot_id or "")[:12])
    assert json.loads(earlier.stdout) == {"seq": archived.sequence}, earlier.stderr
    restored = await asyncio.to_thread(restore_history, site, "--from-storage", "vault")
    assert restored.returncode == 0, restored.stderr
    assert json.loads(restored.stdout)["seq"] == archived.sequence
    again = await asyncio.to_thread(restore_history, site, "--from-storage", "vault")
    assert again.returncode == 1
    await site.daemon.start()
    async with site.client() as client:
        back = await client.backups.get(recorded.id)
        assert (back.status, back.sequence, back.recovered_at) == ("succeeded", recorded.sequence, None)
        assert (await client.runs.get(run.id)).backup_id == recorded.id
        assert (await client.storages.get("vault")).status == "active"
        found = await eventually(
            lambda: client.backups.list("ns:default"),
            lambda page: newer.id in {backup.id for backup in page.items},
        )
        assert len(found.items) == 2

    # Without a cluster: what the recovery kit has is enough.
    argv = ["-r", str(below), "--no-cache", "--no-lock", "dump", "latest", FILE]
    dumped = await asyncio.to_thread(
        subprocess.run,
        [DEBIAN_RESTIC, *argv],
        env={"RESTIC_PASSWORD": passwords["history-kronkeepd"]},
        capture_output=True,
        check=True,
    )
    assert gzip.decompress(dumped.stdout).startswith(b"SQLite format 3")
