"""Programs that print more or other things than the repository has: real restic behind a script.

Lists that are longer than what is kept of a log, and archives whose log names a snapshot that is not theirs.
"""

import json
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.e2e.backup_site import DEBIAN_RESTIC, BackupSite, backup_site

from kronkeep_common.models import Retention

STRANGERS = 10_000


def long_lists(folder: Path) -> str:
    """A restic whose lists show many snapshots of others before those of the repository."""
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
    texts = (json.dumps(each, separators=(",", ":")) + "," for each in strangers)
    (folder / "strangers").write_text("[" + "".join(texts))
    assert (folder / "strangers").stat().st_size > 4 * 1024 * 1024
    return f"""#!/bin/sh
case "$*" in
*snapshots*--tag*) exec {DEBIAN_RESTIC} "$@" ;;
*snapshots*) own=$({DEBIAN_RESTIC} "$@") || exit; cat {folder}/strangers; echo "${{own#?}}" ;;
*) exec {DEBIAN_RESTIC} "$@" ;;
esac
"""


def lies(snapshot_id: str, *, makes_none: bool = False) -> str:
    """A restic that says of each archive that it was that snapshot."""
    real = ":" if makes_none else f'{DEBIAN_RESTIC} "$@"'
    summary = f'{{"message_type":"summary","snapshot_id":"{snapshot_id}","total_files_processed":1}}'
    return f"""#!/bin/sh
case "$*" in
backup*) {real} || exit; echo '{summary}' ;;
*) exec {DEBIAN_RESTIC} "$@" ;;
esac
"""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BackupSite]:
    # Containers see this folder of the machine, and not /tmp.
    with tempfile.TemporaryDirectory(dir=sys.prefix) as folder:
        program = Path(folder) / "restic"
        program.write_text(f'#!/bin/sh\nexec {DEBIAN_RESTIC} "$@"\n')
        program.chmod(0o755)
        with backup_site(tmp_path_factory.mktemp("lists"), str(program)) as running:
            yield running


async def test_a_snapshot_in_a_log_is_not_believed_until_the_repository_shows_it(site: BackupSite) -> None:
    folder = await site.create_storage("trust")
    program = Path(site.program)
    async with site.client() as client:
        for name in ("victim", "liar"):
            (await site.create_claim(name) / "file").write_text(name)
            await site.create_cronjob(client, name, name, "trust")
        victim = await site.back_up(client, "victim")
        assert victim.result is not None
        program.write_text(lies(victim.result.snapshot_id))
        liar = await site.back_up(client, "liar")
        assert liar.result is not None
        program.write_text(lies("deadbeef" * 8, makes_none=True))
        nothing = await site.back_up(client, "liar")
        assert (nothing.status, nothing.reason, nothing.result) == ("failed", "SnapshotUnconfirmed", None)
    program.write_text(f'#!/bin/sh\nexec {DEBIAN_RESTIC} "$@"\n')
    owners = {
        each["short_id"]: f"backup={liar.id}" in each["tags"]
        for each in await site.list_snapshots("trust", folder)
    }
    assert owners == {victim.result.snapshot_id[:8]: False, liar.result.snapshot_id[:8]: True}


@pytest.mark.torture
async def test_retention_goes_on_beside_ten_thousand_snapshots(site: BackupSite) -> None:
    folder = await site.create_storage("long")
    source = await site.create_claim("long")
    program = Path(site.program)
    program.write_text(long_lists(program.parent))
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
    program.write_text(f'#!/bin/sh\nexec {DEBIAN_RESTIC} "$@"\n')
    assert len(await site.list_snapshots("long", folder)) == 1
