"""Policies that are copied from another namespace's CronJob, or that reach for what is not the tenant's."""

import json
from functools import partial

import pytest
from tests.e2e.attacks.arena import BANK, EVIL, SHOP, Arena, cronjob_manifest, job_of
from tests.e2e.attacks.forgeries import begin_run, end_run, snapshot_of_victim, victims_backup
from tests.e2e.backup_site import wait_for_end
from tests.e2e.daemon_account import collection_path
from tests.waiting import eventually

from kronkeep_common import object_keys
from kronkeep_common.client import Client
from kronkeep_common.errors import Conflict
from kronkeep_common.models import Encryption, SecretKeyRef
from kronkeep_common.states import BACKUP_TRANSITIONS, is_final
from kronkeep_daemon.kube import paths
from kronkeep_daemon.kube.objects import JsonObject


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


async def test_a_repository_of_its_own_cannot_be_taken_by_its_policys_id(arena: Arena) -> None:
    """The tenant is first: its policy has the id of a victim's that has a key of its own."""
    for namespace in (EVIL, BANK):
        await grant_key(arena, namespace)
    key = Encryption(key=SecretKeyRef(secret="key", key="password"))
    victim = await arena.create_victim(BANK, "keyed", "shared", encryption=key)
    assert victim.policy is not None
    policy = {"id": victim.policy.id, "encryption": {"key": {"secret": "key", "key": "password"}}}
    async with arena.connection(EVIL) as evil, arena.client() as client:
        run, backup = await begin_run(arena, evil, "keyed", policy)
        await end_run(evil, run)
        assert (await wait_for_end(client, backup.id)).status == "succeeded"
        good = await arena.back_up(BANK, "keyed")
        assert (good.status, good.reason) == ("succeeded", None)
        assert len((await client.policies.retention(victim.policy.id, BANK)).keep) == 1
        await evil.delete(paths.cronjobs(EVIL, "keyed"))


async def grant_key(arena: Arena, namespace: str) -> None:
    """Create a Secret with a key, and let the daemon read it, as systemd/kubernetes/rights.yaml says."""
    meta = {"name": "key", "namespace": namespace}
    rbac = "rbac.authorization.k8s.io"
    rule = {"apiGroups": [""], "resources": ["secrets"], "resourceNames": ["key"], "verbs": ["get"]}
    subject = {"kind": "ServiceAccount", "name": "kronkeepd", "namespace": "kronkeep"}
    role = {"apiVersion": f"{rbac}/v1", "kind": "Role", "metadata": meta, "rules": [rule]}
    binding = {
        "apiVersion": f"{rbac}/v1",
        "kind": "RoleBinding",
        "metadata": meta,
        "roleRef": {"apiGroup": rbac, "kind": "Role", "name": "key"},
        "subjects": [subject],
    }
    async with arena.connection() as admin:
        secret = {"metadata": {"name": "key"}, "stringData": {"password": f"key of {namespace}"}}
        await admin.create(paths.secrets(namespace), secret)
        for body in (role, binding):
            await admin.create(collection_path(body), body)


CLAIM = {"claim": "data"}
TRICKS: dict[str, JsonObject] = {
    "another namespace's claim": {"source": {"claims": [{"claim": "../shop/ledger"}]}},
    "a path out of the claim": {"source": {"claims": [CLAIM | {"paths": ["../../repository"]}]}},
    "an absolute path": {"source": {"claims": [CLAIM | {"paths": ["/kronkeep/keys/password"]}]}},
    "an option for a path": {"source": {"claims": [CLAIM | {"paths": ["--files-from=/etc/passwd"]}]}},
    "an id that is a path": {"id": "../../storage-sealed", "encryption": {"enabled": False}},
    "an id that is two tags": {"id": "a,backup=b"},
    "a storage that is a path": {"storage_id": "../sealed"},
    "a Secret of another namespace": {
        "encryption": {"key": {"secret": "../../kronkeep/secrets/kronkeep-storage-sealed"}}
    },
    "a storage of others": {"storage_id": "sealed"},
    "a storage that does not exist": {"storage_id": "nowhere"},
}


async def test_no_trick_in_a_policy_leads_out_of_its_namespace(arena: Arena) -> None:
    """Nothing is archived, and no credentials are lent: there is no Job of ours and no Secret."""
    async with (
        arena.connection() as admin,
        arena.connection(EVIL) as evil,
        arena.client() as client,
    ):
        before = {secret["metadata"]["name"] for secret in (await admin.list(paths.secrets(EVIL)))[0]}
        names = {f"trick-{number}": trick for number, trick in enumerate(TRICKS)}
        for name, trick in names.items():
            policy = {"storage_id": "shared", "source": {"claims": [CLAIM]}, "retries": 0} | TRICKS[trick]
            owner = await evil.create(paths.cronjobs(EVIL), cronjob_manifest(name, policy=policy))
            await evil.create(paths.jobs(EVIL), job_of(owner, f"{name}-run"))
        for name, trick in names.items():
            why = await eventually(partial(refusal_of, client, name), bool)
            assert why != "archived", trick
            await evil.delete(paths.cronjobs(EVIL, name))
        jobs = {job["metadata"]["name"] for job in (await admin.list(paths.jobs(EVIL)))[0]}
        assert not [job for job in jobs if job.startswith("trick-") and "-bk-" in job]
        after = {secret["metadata"]["name"] for secret in (await admin.list(paths.secrets(EVIL)))[0]}
        assert after <= before


async def refusal_of(client: Client, name: str) -> str:
    """Return why nothing of a CronJob is archived; empty while that is open, `archived` if something is."""
    cronjob = await client.cronjobs.get(EVIL, name)
    if cronjob.policy_fault is not None:
        return cronjob.policy_fault
    backups = [b for b in (await client.backups.list(f"ns:{EVIL}")).items if b.cronjob == name]
    ended = [backup for backup in backups if is_final(BACKUP_TRANSITIONS, backup.status)]
    if any(backup.result is not None for backup in ended):
        return "archived"
    return ended[0].message or "" if ended else ""


async def test_an_annotation_that_changes_during_a_run_opens_no_other_storage(arena: Arena) -> None:
    """The backup waits for its run while the policy is pointed at a storage that is not the tenant's."""
    async with arena.connection(EVIL) as evil, arena.client() as client:
        run, backup = await begin_run(arena, evil, "turncoat", {})
        path = paths.cronjobs(EVIL, "turncoat")
        for storage in ("sealed", "shared", "sealed"):
            policy = {"storage_id": storage, "source": {"claims": [CLAIM]}, "retries": 0}
            await evil.patch(path, {"metadata": {"annotations": {object_keys.POLICY: json.dumps(policy)}}})
        await eventually(
            lambda: client.cronjobs.get(EVIL, "turncoat"),
            lambda cronjob: cronjob.policy is not None and cronjob.policy.storage_id == "sealed",
        )
        await end_run(evil, run)
        ended = await wait_for_end(client, backup.id)
        assert ended.storage_id == "shared"
        assert ended.reason in (None, "Denied")
        for each in (await client.backups.list(f"ns:{EVIL}")).items:
            assert each.storage_id != "sealed" or each.result is None
        await evil.delete(path)
