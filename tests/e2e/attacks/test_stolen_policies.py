"""Policies that are copied from another namespace's CronJob, or that reach for what is not the tenant's."""

import json

import pytest
from tests.e2e.attacks.arena import EVIL, SHOP, Arena, cronjob_manifest
from tests.e2e.attacks.forgeries import snapshot_of_victim, victims_backup
from tests.waiting import eventually

from kronkeep_common import object_keys
from kronkeep_common.errors import Conflict
from kronkeep_daemon.kube import paths


async def test_a_copied_policy_id_leads_to_no_snapshot_of_its_owner(arena: Arena) -> None:
    """Name, annotations and id are the victim's; its rules would keep one snapshot."""
    victims = await victims_backup(arena)
    async with (
        arena.connection() as admin,
        arena.connection(EVIL) as evil,
        arena.client() as client,
    ):
        victim = await admin.get(paths.cronjobs(SHOP, "ledger"))
        before = await client.policies.retention(victims.policy_id, SHOP)
        annotations = dict(victim["metadata"]["annotations"])
        policy = json.loads(annotations[object_keys.POLICY])
        policy |= {"retention": {"keep_last": 1}, "source": {"claims": [{"claim": "data"}]}}
        body = cronjob_manifest("ledger")
        body["metadata"]["annotations"] = annotations | {object_keys.POLICY: json.dumps(policy)}
        await evil.create(paths.cronjobs(EVIL), body)
        await eventually(
            lambda: client.policies.list(EVIL),
            lambda policies: any(view.cronjob == "ledger" for view in policies.items),
        )
        own = [await arena.back_up(EVIL, "ledger") for _ in range(2)]
        assert [backup.status for backup in own] == ["succeeded"] * 2
        forgotten = await eventually(
            lambda: client.backups.get(own[0].id), lambda backup: backup.snapshot_removed_at is not None
        )
        assert forgotten.policy_id == victims.policy_id
        assert await snapshot_of_victim(arena) in {name[:64] for name in arena.snapshot_ids()}
        with pytest.raises(Conflict, match="evil/ledger, shop/ledger"):
            await client.policies.retention(victims.policy_id)
        for call in (client.policies.retention, client.policies.apply_retention):
            await call(victims.policy_id, SHOP)
        after = await client.policies.retention(victims.policy_id, SHOP)
        assert (after.keep, after.remove) == (before.keep, before.remove)
        await evil.delete(paths.cronjobs(EVIL, "ledger"))
