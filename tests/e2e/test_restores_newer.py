"""End-to-end tests of restores with a newer restic, which prints JSON: a dump, links, damage, progress."""

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.e2e.backup_site import DUMP_IMAGE, NEWER_RESTIC, BackupSite, backup_site
from tests.e2e.restore_site import (
    assert_each_name_can_be_selected,
    describe_folder,
    fill_claim,
    fill_with_unshowable_names,
    wait_until_ended,
)

from kronkeep_common import errors
from kronkeep_common.models import DatabaseDump, Drill, Include, RestoreRequest, RestoreTarget

pytestmark = pytest.mark.skipif(not NEWER_RESTIC.exists(), reason="no newer restic could be had")


@pytest.fixture(scope="module")
def new(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BackupSite]:
    with backup_site(tmp_path_factory.mktemp("new"), str(NEWER_RESTIC)) as found:
        yield found


async def test_a_dump_and_files_come_back_together_and_links_in_place(new: BackupSite) -> None:
    await new.create_storage("both")
    claim = await new.create_claim("both")
    fill_claim(claim, "one")
    dump = DatabaseDump(image=DUMP_IMAGE, command=("echo", "rows"), file_name="shop.sql")
    async with new.client() as client:
        await new.create_cronjob(
            client, "both", "both", "both", include=Include(configuration=True, database=dump)
        )
        backup = await new.back_up(client, "both")
        first = describe_folder(claim)
        assert backup.status == "succeeded", backup
        top = {f.name for f in (await client.backups.files(backup.id)).items}
        assert top == {"source", "configuration", "shop.sql"}
        assert b"".join([c async for c in client.backups.download(backup.id, "/shop.sql")]) == b"rows\n"
        done = await wait_until_ended(
            client, await client.backups.restore(backup.id, RestoreRequest(target=RestoreTarget(claim="all")))
        )
        assert (done.status, done.reason) == ("completed", None), done
        everything = claim.parent / "all"
        assert (everything / "shop.sql").read_text() == "rows\n"
        assert describe_folder(everything / "source" / "both") == first
        (claim / "program").write_text("broken")
        request = RestoreRequest(target=RestoreTarget(kind="in-place"), overwrite=True, confirm="both")
        done = await wait_until_ended(client, await client.backups.restore(backup.id, request))
        assert (done.status, done.reason) == ("completed", None), done
        assert describe_folder(claim) == first


async def test_names_that_cannot_be_shown_are_selected_and_restored(new: BackupSite) -> None:
    await new.create_storage("names")
    claim = await new.create_claim("names")
    fill_with_unshowable_names(claim)
    async with new.client() as client:
        await new.create_cronjob(client, "names", "names", "names")
        backup = await new.back_up(client, "names")
        await assert_each_name_can_be_selected(client, backup, claim)


async def test_holes_stay_holes_and_what_restic_cannot_keep_is_reported_once(new: BackupSite) -> None:
    await new.create_storage("holes")
    claim = await new.create_claim("holes")
    (claim / "sparse").touch()
    os.truncate(claim / "sparse", 200_000_000)
    (claim / "future").touch()
    os.utime(claim / "future", (10**10, 10**10))  # in the year 2286
    os.mknod(claim / "socket", stat.S_IFSOCK | 0o600)
    async with new.client() as client:
        await new.create_cronjob(client, "holes", "holes", "holes")
        first = await new.back_up(client, "holes")
        assert (first.status, len(first.warnings)) == ("succeeded", 1)
        assert "1 socket is not archived" in first.warnings[0]
        assert "/source/holes/socket" in first.warnings[0]
        backup = await new.back_up(client, "holes")
        assert (backup.status, backup.warnings) == ("succeeded", ())
        assert (await client.backups.verify(backup.id)).verified_at is not None
        in_place = RestoreRequest(target=RestoreTarget(kind="in-place"), overwrite=True, confirm="holes")
        for request in (RestoreRequest(target=RestoreTarget(claim="copy")), in_place):
            plan = await client.backups.plan_restore(backup.id, request)
            done = await wait_until_ended(client, await client.backups.restore(backup.id, request))
            assert (done.status, done.reason) == ("completed", None), done
            assert done.warnings == plan.warnings
            assert done.files_verified == 2  # restic 0.16 and newer count folders too
            assert [text.split(":")[0] for text in done.warnings] == [
                "1 file has a time before 1678 or after 2262"
            ]
            folder = claim if request is in_place else claim.parent / "copy"
            status = (folder / "sparse").stat()
            assert status.st_size == 200_000_000
            assert status.st_blocks < 1000


async def test_a_drill_passes_and_a_damaged_pack_fails_with_its_reason(new: BackupSite) -> None:
    folder = await new.create_storage("drilled")
    claim = await new.create_claim("drilled")
    (claim / "large").write_bytes(os.urandom(2_000_000))
    async with new.client() as client:
        await new.create_cronjob(client, "drilled", "drilled", "drilled", drill=Drill(schedule="0 3 29 2 *"))
        backup = await new.back_up(client, "drilled")
        done = await wait_until_ended(client, await client.cronjobs.drill("default", "drilled"))
        assert (done.status, done.reason) == ("completed", None), done
        pack = max(_packs(folder), key=lambda p: p.stat().st_size)
        whole = pack.read_bytes()
        pack.chmod(0o600)
        pack.write_bytes(whole[:1000] + bytes([whole[1000] ^ 1]) + whole[1001:])
        with pytest.raises(errors.VerificationFailed, match="damaged"):
            await client.backups.verify(backup.id)


def _packs(folder: Path) -> list[Path]:
    return [path for path in (folder / "data").rglob("*") if path.is_file()]
