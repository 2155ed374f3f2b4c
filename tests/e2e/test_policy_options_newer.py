"""Options of a policy that Debian's restic cannot do, with a newer one."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.e2e.backup_room import NEWER, Room, room

from kronkeep_common.models import (
    BackupPolicySpec,
    DatabaseDump,
    Encryption,
    Include,
    SecretKeyRef,
)

pytestmark = pytest.mark.skipif(not NEWER.exists(), reason="no newer restic could be had")


@pytest.fixture(scope="module")
def new(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Room]:
    with room(tmp_path_factory.mktemp("new"), str(NEWER)) as found:
        yield found


async def test_encryption_off_and_a_dump_where_restic_can(new: Room, tmp_path: Path) -> None:
    folder = await new.storage("open")
    data = await new.claim("open")
    (data / "file").write_text("plain")
    await new.secret("database", url="canary-url")
    script = 'printf "%s" "$URL" | wc -c; echo "insert \'$1\'"'
    dump = DatabaseDump(
        image="postgres:16",
        command=("sh", "-c", script, "sh", "it's; $(touch /x)"),
        file_name="shop.sql",
        env={"URL": SecretKeyRef(secret="database", key="url")},
    )
    async with new.client() as client:
        policy_id = await new.cronjob(
            client,
            "open",
            "open",
            "open",
            encryption=Encryption(enabled=False),
            include=Include(database=dump),
        )
        both = await new.backup(client, "open")
        assert (both.status, both.reason) == ("succeeded", None)
        assert both.result is not None
        assert both.result.database_snapshot_id
        assert both.result.ratio
        assert both.result.bytes_stored
        assert {entry.name for entry in (await client.files(both.id, "/")).items} == {"source", "shop.sql"}
        bad = DatabaseDump(image="postgres:16", command=("sh", "-c", "echo half; echo broken >&2; exit 4"))
        alone = Include(volumes=False, database=bad)
        no_claims = BackupPolicySpec(storage_id="open", include=alone, retries=0)
        await client.set_policy("default", "open", no_claims)
        failed = await new.backup(client, "open")
    below = folder / f"open-{policy_id}"
    for snapshot in (both.result.snapshot_id, both.result.database_snapshot_id):
        new.restic(below, None, "restore", snapshot, "--target", str(tmp_path))
    assert (tmp_path / "source" / "open" / "file").read_text() == "plain"
    assert (tmp_path / "shop.sql").read_text() == "10\ninsert 'it's; $(touch /x)'\n"
    assert (failed.status, failed.reason, failed.result) == ("failed", "DumpFailed", None)
    assert "broken" in (failed.message or "")
    assert await new.snapshots("open", folder) == []
