"""Options of a policy that Debian's restic cannot do, with a newer one."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.e2e.backup_site import DUMP_IMAGE, NEWER_RESTIC, BackupSite, backup_site

from kronkeep_common.models import (
    BackupPolicySpec,
    DatabaseDump,
    Encryption,
    Include,
    SecretKeyRef,
)

pytestmark = pytest.mark.skipif(not NEWER_RESTIC.exists(), reason="no newer restic could be had")


@pytest.fixture(scope="module")
def new(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BackupSite]:
    with backup_site(tmp_path_factory.mktemp("new"), str(NEWER_RESTIC)) as running:
        yield running


async def test_encryption_off_and_a_dump_where_restic_can(new: BackupSite, tmp_path: Path) -> None:
    folder = await new.create_storage("open")
    data = await new.create_claim("open")
    (data / "file").write_text("plain")
    await new.create_secret("database", url="canary-url")
    script = 'printf "%s" "$URL" | wc -c; echo "insert \'$1\'"'
    dump = DatabaseDump(
        image=DUMP_IMAGE,
        command=("sh", "-c", script, "sh", "it's; $(touch /x)"),
        file_name="shop.sql",
        env={"URL": SecretKeyRef(secret="database", key="url")},
    )
    async with new.client() as client:
        policy_id = await new.create_cronjob(
            client,
            "open",
            "open",
            "open",
            encryption=Encryption(enabled=False),
            include=Include(database=dump),
        )
        both = await new.back_up(client, "open")
        assert (both.status, both.reason) == ("succeeded", None)
        assert both.result is not None
        assert both.result.database_snapshot_id
        assert both.result.ratio
        assert both.result.bytes_stored
        assert {entry.name for entry in (await client.backups.files(both.id, "/")).items} == {
            "source",
            "shop.sql",
        }
        # restic stops to read the errors of a command that has ended, whether it has read them all or not.
        command = ("sh", "-c", "echo half; echo broken >&2; sleep 1; exit 4")
        bad = DatabaseDump(image=DUMP_IMAGE, command=command)
        alone = Include(volumes=False, database=bad)
        no_claims = BackupPolicySpec(storage_id="open", include=alone, retries=0)
        await client.cronjobs.set_policy("default", "open", no_claims)
        failed = await new.back_up(client, "open")
    (below,) = folder.glob(f"open-{policy_id}-*")
    for snapshot in (both.result.snapshot_id, both.result.database_snapshot_id):
        new.run_restic(below, None, "restore", snapshot, "--target", str(tmp_path))
    assert (tmp_path / "source" / "open" / "file").read_text() == "plain"
    assert (tmp_path / "shop.sql").read_text() == "10\ninsert 'it's; $(touch /x)'\n"
    assert (failed.status, failed.reason, failed.result) == ("failed", "DumpFailed", None)
    assert "broken" in (failed.message or "")
    assert await new.list_snapshots("open", folder) == []
