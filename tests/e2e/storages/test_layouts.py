"""A storage as it is made by default: each namespace has a repository and a password of its own."""

import asyncio
import json
import os
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from tests import external_cluster
from tests.cluster_proxy import daemon_behind_proxy
from tests.e2e.backup_site import DEBIAN_RESTIC, BackupSite, wait_for_end
from tests.e2e.storages.folder_repositories import list_ids, read_passwords
from tests.quick_repository import make_key_quick
from tests.waiting import eventually

from kronkeep_common.client import Client
from kronkeep_common.errors import NotAllowedNow
from kronkeep_common.models import (
    BackupExecution,
    BackupPolicySpec,
    BackupStorage,
    ClaimSource,
    CronJobCreate,
    RestoreRequest,
    RestoreTarget,
    Source,
)
from kronkeep_common.states import MoveState, RotationState
from kronkeep_daemon.kube import paths

NAMESPACES = ("default", "shop")
ROOT = Path(__file__).parents[3]
PATH = f"{Path(sys.executable).parent}:{os.environ['PATH']}"


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[BackupSite]:
    """A daemon whose cluster is another process, which lives on."""
    async with daemon_behind_proxy(tmp_path) as (daemon, _, _):
        yield BackupSite(daemon, DEBIAN_RESTIC)


async def create_cronjob(client: Client, namespace: str, storage: str, **policy: Any) -> None:
    spec = BackupPolicySpec(
        storage_id=storage, source=Source(claims=(ClaimSource(claim="data"),)), retries=0, **policy
    )
    await client.cronjobs.create(
        CronJobCreate(
            namespace=namespace,
            name="job",
            image="busybox:1.36",
            command=("true",),
            schedule="0 2 29 2 *",
            policy=spec,
        )
    )


async def back_up(client: Client, namespace: str) -> BackupExecution:
    begun = await client.cronjobs.back_up(namespace, "job")
    return await wait_for_end(client, begun.id)


async def prepare_namespaces(site: BackupSite) -> None:
    """Create the claim `data` in each namespace, with a file that says whose it is."""
    cluster = await site.daemon.cluster()
    await external_cluster.create_namespace(cluster, "shop")
    spec = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
    for namespace in NAMESPACES:
        await cluster.create(paths.claims(namespace), {"metadata": {"name": "data"}, "spec": spec})
        folder = site.daemon.claims / namespace / "data"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "file").write_text(f"of {namespace}")
    await cluster.close()


def read_recipe() -> str:
    """Return the lines of the README for whoever has lost kronkeep itself."""
    row = "| kronkeep itself is lost"
    after = (ROOT / "README.md").read_text().partition(row)[2].splitlines()
    is_command = [line.startswith("    ") for line in after]
    first = is_command.index(True)
    return "\n".join(line.strip() for line in after[first : is_command.index(False, first)])


async def follow_recipe(site: BackupSite, folder: Path, backup: BackupExecution) -> None:
    """Do what the README says, with the names of this storage, and look at what comes back."""
    place = site.daemon.state.parent / "lost"
    place.mkdir()
    script = read_recipe()
    assert "offsite-folders" in script
    assert "namespace-shop-" in script
    names = {
        "offsite": "vault",
        "s3:https://s3.example.com/backups": str(folder),
        "cronjob=db-dump": f"cronjob={backup.cronjob}",
        "/back": f"{place}/back",
    }
    for name, here in names.items():
        assert name in script
        script = script.replace(name, here)
    environment = {
        **os.environ,
        "KUBECONFIG": str(place.parent / "cluster" / "kubeconfig"),
        "HOME": str(place),
        "PATH": PATH,
    }
    done = await asyncio.to_thread(
        subprocess.run, ["sh", "-ec", script], cwd=place, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert backup.result is not None
    assert backup.result.snapshot_id[:8] in done.stdout
    assert [path.read_text() for path in place.rglob("file")] == ["of shop"]


async def test_each_namespace_has_a_repository_and_a_password_that_outlive_rotation_and_lost_records(
    site: BackupSite,
) -> None:
    await prepare_namespaces(site)
    folder = await site.create_storage("vault", layout="namespace", namespaces=NAMESPACES)
    async with site.client() as client:
        for namespace in NAMESPACES:
            await create_cronjob(client, namespace, "vault")
        backups = await asyncio.gather(*(back_up(client, namespace) for namespace in NAMESPACES))
        assert [backup.status for backup in backups] == ["succeeded"] * 2, backups
        assert {backup.layout for backup in backups} == {"namespace"}
        first_bytes = [backup.result.first_byte_seconds for backup in backups if backup.result is not None]
        assert all(seconds is not None and 0 < seconds < 60 for seconds in first_bytes), first_bytes
        repositories = (await client.storages.repositories("vault")).items
        assert [each.layout for each in repositories] == ["shared", "namespace", "namespace"]
        passwords = await read_passwords(site, "vault")
        assert len(passwords) == 3
        for name in (name for name in passwords if name):
            await asyncio.to_thread(make_key_quick, folder / name, passwords[name])
        opened = {
            (name, other): list_ids(folder / name, password)
            for name in passwords
            for other, password in passwords.items()
        }
        assert {pair for pair, ids in opened.items() if ids is not None} == {(n, n) for n in passwords}
        held = [opened[name, name] or [] for name in passwords if name]
        assert [len(ids) for ids in held] == [1, 1]
        assert opened["", ""] == []
        if shutil.which("jq", path=PATH) and shutil.which(
            "kubectl", path=PATH
        ):  # as `make test` installs them
            await follow_recipe(site, folder, backups[1])
        kit = await client.storages.recovery_kit("vault")
        assert {each.password for each in kit.repositories} == set(passwords.values())

        rotated = await client.storages.rotate_key("vault")
        assert rotated.rotation is not None
        assert rotated.rotation.state is RotationState.DONE
        new = await read_passwords(site, "vault")
        assert set(new) == set(passwords)
        assert not set(new.values()) & set(passwords.values())
        for name in new:
            await asyncio.to_thread(make_key_quick, folder / name, new[name])
            assert list_ids(folder / name, new[name]) is not None
            assert list_ids(folder / name, passwords[name]) is None
        # The CronJob of shop goes, and with the records all that says which repository it had.
        await client.cronjobs.delete("shop", "job", "job")

    await site.daemon.stop()
    for entry in site.daemon.state.iterdir():
        if entry.name != "cluster":
            await asyncio.to_thread(shutil.rmtree if entry.is_dir() else Path.unlink, entry)
    await site.daemon.start()
    await site.create_storage("vault", layout="namespace", namespaces=NAMESPACES)
    async with site.client() as client:
        storage = await eventually(lambda: client.storages.get("vault"), lambda s: s.snapshots is not None)
        assert storage.snapshots is not None
        assert storage.snapshots.recovered == 2
        of_default = await client.backups.get(backups[0].id)
        assert of_default.layout == "namespace"
        request = RestoreRequest(target=RestoreTarget(claim="back"))
        restore = await client.backups.restore(of_default.id, request)
        ended = await eventually(
            lambda: client.restores.get(restore.id), lambda r: r.status in ("completed", "failed")
        )
        assert (ended.status, ended.reason) == ("completed", None)
        restored = [path.read_text() for path in (site.daemon.claims / "default" / "back").rglob("file")]
        assert restored == ["of default"]
        again = await back_up(client, "default")
        assert again.status == "succeeded"
        assert await read_passwords(site, "vault") == new


MOVING = [MoveState.COPYING, MoveState.CHECKING, MoveState.POINTING]


async def list_everywhere(site: BackupSite, storage: str, folder: Path) -> dict[str, list[str]]:
    """Return the backups in the tags of the snapshots of each repository of the storage."""
    everywhere: dict[str, list[str]] = {}
    passwords = await read_passwords(site, storage)
    for name, password in passwords.items():
        if not (folder / name / "config").exists():
            continue
        text = await asyncio.to_thread(
            site.run_restic, folder / name, password, "snapshots", "--json", "--no-lock"
        )
        tags = [tag for each in json.loads(text) or [] for tag in each["tags"]]
        everywhere[name] = sorted(tag.removeprefix("backup=") for tag in tags if tag.startswith("backup="))
    return everywhere


def has_come_to(storage: BackupStorage, state: MoveState) -> bool:
    """Whether the storage's move is in that state or a later one."""
    order = list(MoveState)
    return storage.move is not None and order.index(storage.move.state) >= order.index(state)


@pytest.mark.torture
async def test_a_move_that_is_killed_in_each_state_loses_nothing_and_doubles_nothing(
    site: BackupSite,
) -> None:
    await prepare_namespaces(site)
    folder = await site.create_storage("vault", namespaces=NAMESPACES)
    async with site.client() as client:
        for namespace in NAMESPACES:
            await create_cronjob(client, namespace, "vault")
        first = [await back_up(client, namespace) for namespace in NAMESPACES]
        (site.daemon.claims / "shop" / "data" / "file").write_text("of shop, later")
        first.append(await back_up(client, "shop"))
        ids = sorted(backup.id for backup in first)
        plan = await client.storages.plan_move("vault", "namespace")
        assert (plan.backups, len(plan.sources), len(plan.targets)) == (3, 1, 2)
        await client.storages.move("vault", "namespace")
    for state in MOVING:
        async with site.client() as client:
            await eventually(
                lambda: client.storages.get("vault"),
                lambda storage: has_come_to(storage, state),  # noqa: B023
            )
            await site.daemon.kill()
        await site.daemon.start()
        own = (await list_everywhere(site, "vault", folder))[""]
        assert own == ids, "the originals stay"
    async with site.client() as client:
        kept = await eventually(
            lambda: client.storages.get("vault"), lambda storage: has_come_to(storage, MoveState.KEPT)
        )
        assert (kept.layout, kept.is_moving) == ("namespace", False)
        everywhere = await list_everywhere(site, "vault", folder)
        assert everywhere.pop("") == ids
        assert sorted(each for group in everywhere.values() for each in group) == ids
        moved = [await client.backups.get(backup.id) for backup in first]
        assert {backup.layout for backup in moved} == {"namespace"}
        checks = (await client.doctor()).items
        assert any("--remove-old" in (check.next_step or "") for check in checks)
        last = await back_up(client, "default")
        assert last.status == "succeeded"

        await client.storages.remove_originals("vault")
        await eventually(
            lambda: client.storages.get("vault"), lambda storage: has_come_to(storage, MoveState.REMOVING)
        )
        await site.daemon.kill()
    await site.daemon.start()
    async with site.client() as client:
        await eventually(
            lambda: client.storages.get("vault"), lambda storage: has_come_to(storage, MoveState.DONE)
        )
        everywhere = await list_everywhere(site, "vault", folder)
        assert everywhere.pop("") == []
        assert sorted(each for group in everywhere.values() for each in group) == sorted([*ids, last.id])
        rescanned = await client.storages.rescan("vault")
        assert rescanned.snapshots is not None
        assert (rescanned.snapshots.missing, rescanned.snapshots.unrecorded) == (0, 0)
        request = RestoreRequest(target=RestoreTarget(claim="back"))
        restore = await client.backups.restore(first[1].id, request)
        ended = await eventually(
            lambda: client.restores.get(restore.id), lambda r: r.status in ("completed", "failed")
        )
        assert (ended.status, ended.reason) == ("completed", None)
        restored = [path.read_text() for path in (site.daemon.claims / "shop" / "back").rglob("file")]
        assert restored == ["of shop"]


async def test_a_move_that_is_given_up_leaves_all_as_it_was(site: BackupSite) -> None:
    await prepare_namespaces(site)
    folder = await site.create_storage("vault", namespaces=NAMESPACES)
    async with site.client() as client:
        await create_cronjob(client, "shop", "vault")
        backup = await back_up(client, "shop")
        await client.storages.move("vault", "policy")
        await eventually(
            lambda: client.storages.get("vault"), lambda storage: has_come_to(storage, MoveState.CHECKING)
        )
        with pytest.raises(NotAllowedNow, match="another layout"):
            await client.storages.prune("vault")
        await client.storages.cancel_move("vault")
        done = await eventually(
            lambda: client.storages.get("vault"), lambda storage: has_come_to(storage, MoveState.DONE)
        )
        assert done.move is not None
        assert (done.layout, done.move.is_cancelled) == ("shared", True)
        everywhere = await list_everywhere(site, "vault", folder)
        assert everywhere.pop("") == [backup.id]
        assert list(everywhere.values()) == [[]]
        assert (await back_up(client, "shop")).layout == "shared"
