"""Objects under the names that kronkeep is about to use, in the tenant's own namespace."""

import pytest
from tests.e2e.attacks.arena import EVIL, Arena
from tests.e2e.attacks.forgeries import begin_run, end_run, forged_job, snapshot_of_victim
from tests.e2e.backup_site import wait_for_end

from kronkeep_daemon.backups.archive_manifests import hook_job_name
from kronkeep_daemon.backups.cronjob_configuration import config_map_name
from kronkeep_daemon.kube import paths
from kronkeep_daemon.repositories.job_names import archive_job_name

HOOK = {"name": "quiesce", "image": "busybox:1.36", "command": ["true"]}


@pytest.mark.parametrize(
    ("kind", "policy", "reason"),
    [
        ("archive", {}, "NameTaken"),
        ("hook", {"hooks": {"pre": [HOOK]}}, "HookFailed"),
        ("configuration", {"include": {"configuration": True}}, "NameTaken"),
    ],
)
async def test_a_squatted_name_is_not_believed(
    arena: Arena, kind: str, policy: dict[str, object], reason: str
) -> None:
    """The forged Job prints the id of a victim's snapshot; `keep_last` would have it forgotten next."""
    victims = await snapshot_of_victim(arena)
    async with arena.connection(EVIL) as evil, arena.client() as client:
        run, backup = await begin_run(arena, evil, f"squat-{kind}", policy | {"retention": {"keep_last": 1}})
        name = archive_job_name(backup)
        if kind == "configuration":
            body = {"metadata": {"name": config_map_name(name)}, "data": {"cronjob.json": "{}"}}
            await evil.create(paths.configmaps(EVIL), body)
        else:
            squatted = name if kind == "archive" else hook_job_name(backup, "pre", 0)
            await evil.create(paths.jobs(EVIL), forged_job(squatted, victims, backup))
        await end_run(evil, run)
        ended = await wait_for_end(client, backup.id)
        assert (ended.status, ended.reason) == ("failed", reason)
        assert ended.next_step
        assert "was not created by this kronkeep" in (ended.message or "")
        assert ended.result is None
        # What is not ours is not deleted either.
        if kind == "configuration":
            await evil.get(paths.configmaps(EVIL, config_map_name(name)))
        else:
            await evil.get(paths.jobs(EVIL, squatted))
