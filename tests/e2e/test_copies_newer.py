"""Copies with a newer restic: of a policy with a key of its own, and of one without encryption."""

import asyncio
from collections.abc import Iterator

import pytest
from tests.e2e.backup_site import NEWER_RESTIC, BackupSite, backup_site
from tests.waiting import eventually

from kronkeep_common.client import Client
from kronkeep_common.models import BackupCopy, BackupExecution, Encryption, PolicyCopy, SecretKeyRef
from kronkeep_common.states import ENDED_COPIES

pytestmark = pytest.mark.skipif(not NEWER_RESTIC.exists(), reason="tests/install-newer-restic has not run")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BackupSite]:
    with backup_site(tmp_path_factory.mktemp("newer"), str(NEWER_RESTIC)) as running:
        yield running


async def wait_for_copy(client: Client, backup: BackupExecution) -> BackupCopy:
    """Return the copy of a backup once it has ended."""
    page = await eventually(
        lambda: client.copies.of_backup(backup.id),
        lambda page: bool(page.items) and page.items[0].status in ENDED_COPIES,
    )
    return page.items[0]


async def test_a_copy_opens_as_the_first_does(site: BackupSite) -> None:
    first, second = await asyncio.gather(site.create_storage("first"), site.create_storage("second"))
    (await site.create_claim("data") / "file").write_bytes(b"x" * 1000)
    await site.create_secret("own-key", password="of the policy")
    keys = {
        "keyed": Encryption(key=SecretKeyRef(secret="own-key")),
        "plain": Encryption(enabled=False),
    }
    passwords = {"keyed": "of the policy", "plain": None}
    async with site.client() as client:
        for name, encryption in keys.items():
            copies = (PolicyCopy(storage_id="second"),)
            await site.create_cronjob(client, name, "data", "first", copies=copies, encryption=encryption)
            await site.write_policy_repository(client, name, first, passwords[name] or "")
            backup = await site.back_up(client, name)
            copy = await wait_for_copy(client, backup)
            assert (copy.status, copy.message) == ("succeeded", None), copy
            begin = "copies-of-first." + ("policy-" if name == "keyed" else "open-")
            (folder,) = [each for each in second.iterdir() if each.name.startswith(begin)]
            listed = site.run_restic(folder, passwords[name], "snapshots", "--no-lock")
            assert (copy.snapshot_id or "-")[:8] in listed
            await client.backups.verify(backup.id, "second")
