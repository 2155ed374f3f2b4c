"""A tenant that hinders its own archives hinders nobody else's on the same storage."""

import pytest
from tests.e2e.attacks.arena import BANK, EVIL, Arena
from tests.e2e.attacks.forgeries import begin_run, end_run
from tests.waiting import eventually

SLOW = {"name": "slow", "image": "busybox:1.36", "command": ["sleep", "3600"], "timeout_seconds": 7200}


@pytest.mark.parametrize("stage", ["pre", "validate", "post"])
async def test_a_hook_that_takes_hours_holds_up_no_other_backup(arena: Arena, stage: str) -> None:
    name = f"slow-{stage}"
    async with arena.connection(EVIL) as evil, arena.client() as client:
        run, backup = await begin_run(arena, evil, name, {"hooks": {stage: [SLOW]}})
        await end_run(evil, run)
        await eventually(
            lambda: client.backups.get(backup.id),
            lambda shown: any(hook.status == "running" for hook in shown.hooks),
        )
        try:
            good = await arena.back_up(BANK, "till")
            assert (good.status, good.reason) == ("succeeded", None)
            assert (await client.backups.get(backup.id)).status == "running"
        finally:
            await client.backups.cancel(backup.id)
