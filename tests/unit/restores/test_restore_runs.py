"""A restore from its Job to its end: what is compared, what a restart finds, what a refusal leaves behind."""

from pathlib import Path

from tests.unit.restores.runner_parts import IN_PLACE, Parts, file, open_site

from kronkeep_common.states import RestoreStatus
from kronkeep_daemon.restores.checksums import FileChecksum

SHA256 = "a" * 64
CLAIM_AND_CONFIGURATION = [
    file("/configuration", "dir"),
    file("/configuration/cronjob.yaml"),
    file("/source", "dir"),
    file("/source/data", "dir"),
    file("/source/data/a"),
]
STAGE = b"/target/source/data/.kronkeep-restore-r"


async def test_in_place_what_came_from_no_claim_is_not_missed(tmp_path: Path) -> None:
    """A backup with the CronJob's configuration, or a dump, has files that are not restored in place."""
    parts = Parts(CLAIM_AND_CONFIGURATION)
    parts.lines = [
        ("sums", SHA256.encode() + b"  " + STAGE + b"/source/data/a"),
        ("names", b"f" + STAGE + b"/source/data/a\0"),
    ]
    async with open_site(tmp_path, parts) as site:
        site.checksums.write(
            "b",
            [FileChecksum("/configuration/cronjob.yaml", 1, None), FileChecksum("/source/data/a", 1, SHA256)],
        )
        await site.add(target=IN_PLACE)
        await site.runner.run("r")
        restore = site.records.get("r")
        assert (restore.status, restore.message) == (RestoreStatus.COMPLETED, None)
        assert (restore.files_verified, restore.verified_against) == (1, "checksums")


async def test_in_place_a_file_of_a_claim_is_still_missed(tmp_path: Path) -> None:
    parts = Parts(CLAIM_AND_CONFIGURATION)
    async with open_site(tmp_path, parts) as site:
        site.checksums.write("b", [FileChecksum("/source/data/a", 1, SHA256)])
        await site.add(target=IN_PLACE)
        await site.runner.run("r")
        assert site.records.get("r").reason == "Different"
