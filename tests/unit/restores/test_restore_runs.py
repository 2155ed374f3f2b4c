"""A restore from its Job to its end: what is compared, what a restart finds, what a refusal leaves behind."""

from datetime import timedelta
from pathlib import Path

import pytest
from tests.unit.restores.runner_parts import IN_PLACE, Parts, file, open_site

from kronkeep_common.errors import ClusterNotFound, ClusterUnreachable, Denied, KronkeepError
from kronkeep_common.models import Cause
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


async def test_one_that_waited_for_its_repository_is_begun_after_a_restart(tmp_path: Path) -> None:
    """Its Job was never created: a check or a prune of hours held the repository."""
    async with open_site(tmp_path, Parts([file("/source/data/a")])) as site:
        site.parts.lines = [("names", b"f/target/source/data/.kronkeep-restore-r/source/data/a\0")]
        await site.add(restoring_at=None)
        await site.clock.advance(2 * 3600)
        await site.runner.run("r")
        restore = site.records.get("r")
        assert site.parts.began == ["kronkeep-restore-r-1"]
        assert (restore.status, restore.message) == (RestoreStatus.COMPLETED, None)


async def test_one_whose_job_was_begun_and_is_gone_is_not_begun_again(tmp_path: Path) -> None:
    async with open_site(tmp_path, Parts()) as site:
        await site.add(restoring_at=site.clock.now())
        await site.clock.advance(2 * 3600)
        await site.runner.run("r")
        assert site.parts.began == []
        assert site.records.get("r").reason == "JobGone"


@pytest.mark.parametrize("refusal", [Denied("No."), ClusterNotFound("Gone.")])
async def test_one_whose_job_may_not_be_removed_ends_all_the_same(
    tmp_path: Path, refusal: KronkeepError
) -> None:
    """Rights of its namespace were taken away with it, or its cluster is no longer in the settings."""
    async with open_site(tmp_path, Parts()) as site:
        await site.add(restoring_at=site.clock.now())
        site.parts.refused = refusal
        await site.clock.advance(2 * 86400)
        await site.runner.run("r")
        assert site.records.get("r").status is RestoreStatus.FAILED


async def test_one_in_a_cluster_that_stays_away_ends_at_its_deadline(tmp_path: Path) -> None:
    async with open_site(tmp_path, Parts()) as site:
        await site.add(restoring_at=site.clock.now())
        site.parts.refused = ClusterUnreachable("It does not answer.")
        await site.clock.advance(3600)
        with pytest.raises(ClusterUnreachable):  # the service starts it again
            await site.runner.run("r")
        assert site.records.get("r").ended_at is None
        await site.clock.advance(timedelta(days=1).total_seconds())
        await site.runner.run("r")
        assert site.records.get("r").status is RestoreStatus.FAILED


async def test_what_a_job_waited_for_before_a_restart_is_no_word_about_its_end(tmp_path: Path) -> None:
    async with open_site(tmp_path, Parts()) as site:
        await site.add(restoring_at=site.clock.now())
        cause = Cause(reason="Unschedulable", message="0/3 nodes are available.", next_step="Add one.")
        await site.records.note_waiting("r", cause)
        await site.runner.run("r")
        restore = site.records.get("r")
        assert restore.status is RestoreStatus.COMPLETED
        assert (restore.reason, restore.message, restore.next_step) == (None, None, None)


async def test_a_cronjob_that_cannot_be_resumed_is_a_warning(tmp_path: Path) -> None:
    async with open_site(tmp_path, Parts()) as site:
        await site.add(suspend=True, suspended=True)
        await site.records.end("r", RestoreStatus.FAILED)
        site.parts.refused = Denied("Updates are not allowed.")
        await site.runner.run("r")
        restore = site.records.get("r")
        assert not restore.suspended
        assert "j is still suspended" in " ".join(restore.warnings)
