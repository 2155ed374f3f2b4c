"""Jobs of ours that cannot start: the backup says why, the repository stays free, and the wait has an end."""

from collections.abc import Iterator

import pytest
from tests.e2e.backup_site import DEBIAN_RESTIC, BackupSite, backup_site, shell, wait_for_end
from tests.waiting import eventually

from kronkeep_common.models import SecretKeyRef
from kronkeep_common.models.policy import Hooks

START_SECONDS = 25


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BackupSite]:
    with backup_site(tmp_path_factory.mktemp("stuck"), DEBIAN_RESTIC, start_seconds=START_SECONDS) as running:
        yield running


async def test_a_claim_that_does_not_exist_fails_the_backup_at_once(site: BackupSite) -> None:
    async with site.client() as client:
        await site.create_storage("typo")
        await site.create_cronjob(client, "typo", "tpyo", "typo")
        backup = await site.back_up(client, "typo")
        assert (backup.status, backup.reason) == ("failed", "SourceClaimMissing")
        assert "default/tpyo" in (backup.message or "")
        await eventually(
            client.alerts.list,
            lambda alerts: any("tpyo" in alert.message for alert in alerts.items),
        )


async def test_others_go_past_a_backup_whose_job_waits_and_it_is_given_up(site: BackupSite) -> None:
    """The Job of a pre hook waits for a Secret that does not exist."""
    async with site.client() as client:
        await site.create_storage("shared")
        data = await site.create_claim("shared")
        (data / "file").write_text("content")
        missing = {"PASSWORD": SecretKeyRef(secret="nowhere", key="password")}
        hooks = Hooks(pre=(shell("wait", "true", env=missing),))
        await site.create_cronjob(client, "hooked", "shared", "shared", hooks=hooks)
        await site.create_cronjob(client, "good", "shared", "shared")
        begun = await client.cronjobs.back_up("default", "hooked")
        waiting = await eventually(
            lambda: client.backups.get(begun.id),
            lambda b: b.status == "running" and b.message is not None,
        )
        assert "nowhere" in (waiting.message or "")
        assert waiting.next_step
        good = await site.back_up(client, "good")
        assert good.status == "succeeded"
        assert (await client.backups.get(begun.id)).status == "running"
        ended = await wait_for_end(client, begun.id)
        assert (ended.status, ended.reason) == ("failed", "HookFailed")
        assert "nowhere" in (ended.message or "")
