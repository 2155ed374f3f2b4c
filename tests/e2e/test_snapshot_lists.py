"""Lists that are longer than what is kept of a log, with real restic and many snapshots of others."""

import json
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.e2e.backup_site import DEBIAN_RESTIC, BackupSite, backup_site

from kronkeep_common.models import Retention

STRANGERS = 10_000


def write_program(folder: Path) -> Path:
    """Write a restic whose lists show many snapshots of others before those of the repository."""
    strangers = [
        {
            "time": "2026-03-01T12:00:00.123456789Z",
            "tree": f"{number:064x}",
            "paths": [f"/home/somebody/folder-{number}/" + "x" * 300],
            "hostname": "elsewhere",
            "tags": ["mine"],
            "id": f"{number:064x}",
            "short_id": f"{number:08x}",
        }
        for number in range(STRANGERS)
    ]
    (folder / "strangers").write_text(
        "[" + "".join(json.dumps(each, separators=(",", ":")) + "," for each in strangers)
    )
    program = folder / "restic"
    program.write_text(
        f"""#!/bin/sh
case "$*" in
*snapshots*--tag*) exec {DEBIAN_RESTIC} "$@" ;;
*snapshots*) own=$({DEBIAN_RESTIC} "$@") || exit; cat {folder}/strangers; echo "${{own#?}}" ;;
*) exec {DEBIAN_RESTIC} "$@" ;;
esac
"""
    )
    program.chmod(0o755)
    return program


@pytest.fixture
def site(tmp_path: Path) -> Iterator[BackupSite]:
    # Containers see this folder of the machine, and not /tmp.
    with tempfile.TemporaryDirectory(dir=sys.prefix) as folder:
        program = write_program(Path(folder))
        assert (Path(folder) / "strangers").stat().st_size > 4 * 1024 * 1024
        with backup_site(tmp_path, str(program)) as running:
            yield running


async def test_retention_goes_on_beside_ten_thousand_snapshots(site: BackupSite) -> None:
    folder = await site.create_storage("long")
    source = await site.create_claim("long")
    async with site.client() as client:
        await site.create_cronjob(client, "long", "long", "long", retention=Retention(keep_last=1))
        backups = []
        for number in range(2):
            (source / "file").write_text(str(number))
            backups.append(await site.back_up(client, "long"))
        await client.policies.apply_retention(backups[0].policy_id)
        assert (await client.backups.get(backups[0].id)).snapshot_removed_at is not None
        assert (await client.backups.get(backups[1].id)).snapshot_missing_at is None
        assert (await client.storages.check("long")).check_ok
    site.program = DEBIAN_RESTIC
    assert len(await site.list_snapshots("long", folder)) == 1
