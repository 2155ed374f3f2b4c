"""Each option of a policy changes what is done."""

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.e2e.backup_site import DEBIAN_RESTIC, BackupSite, backup_site, hook, shell, wait_for_end
from tests.waiting import eventually

from kronkeep_common import errors, object_keys
from kronkeep_common.models import (
    BackupPolicySpec,
    DatabaseDump,
    Encryption,
    Hooks,
    Include,
    Retention,
    SecretKeyRef,
)
from kronkeep_daemon.kube import paths


@pytest.fixture(scope="module")
def old(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BackupSite]:
    with backup_site(tmp_path_factory.mktemp("old"), DEBIAN_RESTIC) as running:
        yield running


async def test_hooks_run_in_order_around_the_archive_and_are_kept(old: BackupSite) -> None:
    folder = await old.create_storage("hooked")
    data = await old.create_claim("hooked")
    (data / "order").write_text("")
    say = "echo {0} >> /source/hooked/order; echo this is {0}"
    hooks = Hooks(
        pre=(shell("first", say.format("first")), shell("second", say.format("second"))),
        validate=(shell("look", "cat /content/source/hooked/order; test ! -e /source"),),
        post=(
            shell("always", say.format("always")),
            shell("never", say.format("never"), when="failure"),
            shell("good", f"{say.format('good')}; echo $KRONKEEP_STATUS $KRONKEEP_SNAPSHOT", when="success"),
        ),
    )
    async with old.client() as client:
        await old.create_cronjob(client, "hooked", "hooked", "hooked", hooks=hooks)
        backup = await old.back_up(client, "hooked")
        assert (backup.status, backup.reason, backup.warnings) == ("succeeded", None, ())
        assert [(run.stage, run.name, run.status, run.exit_code) for run in backup.hooks] == [
            ("pre", "first", "succeeded", 0),
            ("pre", "second", "succeeded", 0),
            ("validate", "look", "succeeded", 0),
            ("post", "always", "succeeded", 0),
            ("post", "good", "succeeded", 0),
        ]
        log = b"".join([chunk async for chunk in client.backups.log(backup.id)]).decode()
    assert (data / "order").read_text() == "first\nsecond\nalways\ngood\n"
    assert backup.result is not None
    for words in ("this is first", "first\n", f"succeeded {backup.result.snapshot_id}", "restic 0."):
        assert words in log
    assert '"status"' not in log
    (snapshot,) = await old.list_snapshots("hooked", folder)
    assert snapshot["short_id"] == backup.result.snapshot_id[:8]


async def test_post_hooks_run_after_a_failure_a_stopping_hook_and_a_cancel(old: BackupSite) -> None:
    folder = await old.create_storage("post")
    data = await old.create_claim("post")
    told = shell("told", "echo $KRONKEEP_STATUS >> /source/post/told")
    no = shell("no", "echo no >&2; exit 9")
    async with old.client() as client:
        await old.create_cronjob(client, "post", "post", "post", hooks=Hooks(pre=(no,), post=(told,)))
        stopped = await old.back_up(client, "post")
        assert (stopped.status, stopped.reason) == ("failed", "HookFailed")
        assert "ended with exit code 9: no" in (stopped.message or "")
        await client.cronjobs.set_policy(
            "default",
            "post",
            spec(
                "post", "post", hooks=Hooks(pre=(hook("on", "false", on_failure="continue"),), post=(told,))
            ),
        )
        passed = await old.back_up(client, "post")
        assert passed.status == "succeeded"
        assert any("pre hook on failed" in warning for warning in passed.warnings)
        bad = Hooks(validate=(hook("bad", "false"),), post=(told, hook("late", "false")))
        await client.cronjobs.set_policy("default", "post", spec("post", "post", hooks=bad))
        invalid = await old.back_up(client, "post")
        assert (invalid.status, invalid.reason) == ("failed", "ValidationFailed")
        assert invalid.result is not None
        slow = Hooks(pre=(hook("slow", "sleep", "60"),), post=(told,))
        await client.cronjobs.set_policy("default", "post", spec("post", "post", hooks=slow))
        begun = await client.cronjobs.back_up("default", "post")
        await eventually(lambda: client.backups.get(begun.id), lambda b: bool(b.hooks))
        await client.backups.cancel(begun.id)
        cancelled = await wait_for_end(client, begun.id)
        assert (cancelled.status, cancelled.reason) == ("cancelled", "Cancelled")
        short = Hooks(pre=(hook("short", "sleep", "60", timeout_seconds=1),))
        await client.cronjobs.set_policy("default", "post", spec("post", "post", hooks=short))
        late = await old.back_up(client, "post")
        assert [run.status for run in late.hooks] == ["timed-out"]
    assert (data / "told").read_text() == "failed\nsucceeded\nfailed\ncancelled\n"
    assert len(await old.list_snapshots("post", folder)) == 2


def spec(storage: str, claim: str, **policy: object) -> BackupPolicySpec:
    from kronkeep_common.models import ClaimSource, Source

    source = Source(claims=(ClaimSource(claim=claim),))
    return BackupPolicySpec(**{"storage_id": storage, "source": source, "retries": 0, **policy})  # type: ignore[arg-type]


async def list_config_maps(site: BackupSite) -> set[str]:
    cluster = await site.daemon.cluster()
    items, _ = await cluster.list(paths.configmaps("default"))
    await cluster.close()
    return {item["metadata"]["name"] for item in items}


async def test_configuration_is_archived_when_included(old: BackupSite, tmp_path: Path) -> None:
    folder = await old.create_storage("config")
    data = await old.create_claim("config")
    (data / "file").write_text("x")
    await old.create_secret("pass", word="canary-of-a-secret")
    await old.create_object(
        paths.configmaps("default"), {"metadata": {"name": "settings"}, "data": {"a": "b=c"}}
    )
    before = await list_config_maps(old)
    async with old.client() as client:
        await old.create_cronjob(client, "config", "config", "config", include=Include(configuration=False))
        env = [
            {"name": "A", "valueFrom": {"configMapKeyRef": {"name": "settings", "key": "a"}}},
            {"name": "B", "valueFrom": {"secretKeyRef": {"name": "pass", "key": "word"}}},
        ]
        cluster = await old.daemon.cluster()
        container = {"name": "main", "image": "busybox:1.36", "command": ["true"], "env": env}
        pod = {"template": {"spec": {"containers": [container]}}}
        body = {"spec": {"jobTemplate": {"spec": pod}}}
        await cluster.patch(paths.cronjobs("default", "config"), body)
        without = await old.back_up(client, "config")
        await client.cronjobs.set_policy(
            "default", "config", spec("config", "config", include=Include(configuration=True))
        )
        with_it = await old.back_up(client, "config")
        await cluster.close()
    assert (without.status, with_it.status) == ("succeeded", "succeeded")
    assert await list_config_maps(old) == before
    assert without.result is not None
    assert with_it.result is not None
    password = await old.read_password("config")
    said = old.run_restic(folder, password, "ls", without.result.snapshot_id)
    assert "/configuration" not in said
    old.run_restic(folder, password, "restore", with_it.result.snapshot_id, "--target", str(tmp_path))
    files = {path.name: path for path in (tmp_path / "configuration").iterdir()}
    assert set(files) == {"cronjob.json", "configmap-settings.json", "secrets.json"}
    assert not any(path.is_symlink() for path in files.values())
    assert json.loads(files["configmap-settings.json"].read_text())["data"] == {"a": "b=c"}
    assert json.loads(files["secrets.json"].read_text()) == ["pass"]
    kept = json.loads(files["cronjob.json"].read_text())
    assert kept["spec"]["schedule"] == "0 2 29 2 *"
    assert "canary-of-a-secret" not in "".join(path.read_text() for path in files.values())


async def test_full_reads_every_file_again_and_compression_makes_less(old: BackupSite) -> None:
    folder = await old.create_storage("force")
    data = await old.create_claim("force")
    for number in range(20):
        (data / f"{number}").write_bytes(os.urandom(100) * 2000)
    async with old.client() as client:
        await old.create_cronjob(client, "force", "force", "force", compression="off")
        first = await old.back_up(client, "force")
        raw = sum(path.stat().st_size for path in (folder / "data").rglob("*") if path.is_file())
        again = await old.back_up(client, "force")
        full = await old.back_up(client, "force", backup_type="full")
        for number in range(20):
            (data / f"{number}").write_bytes(os.urandom(100) * 2000)
        most = await old.back_up(client, "force", compression="max")
    assert first.result is not None
    assert again.result is not None
    assert full.result is not None
    assert most.result is not None
    assert (again.result.files_unmodified, again.result.files_new) == (20, 0)
    assert (full.result.files_unmodified, full.result.files_new) == (0, 20)
    assert full.result.bytes_added < 50_000
    assert (again.backup_type, full.backup_type) == ("incremental", "full")
    assert full.overrides == {"backup_type": "full"}
    assert most.overrides == {"compression": "max"}
    after = sum(path.stat().st_size for path in (folder / "data").rglob("*") if path.is_file())
    assert after - raw < raw / 3
    assert first.result.bytes_per_second


async def test_a_key_of_the_policys_own_and_a_wrong_one(old: BackupSite) -> None:
    folder = await old.create_storage("keyed")
    data = await old.create_claim("keyed")
    (data / "file").write_text("for no other eyes")
    await old.create_secret("key-right", password="right key")
    await old.create_secret("key-wrong", password="wrong key")
    async with old.client() as client:
        own = Encryption(key=SecretKeyRef(secret="key-right"))
        policy_id = await old.create_cronjob(client, "keyed", "keyed", "keyed", encryption=own)
        good = await old.back_up(client, "keyed")
        wrong = Encryption(key=SecretKeyRef(secret="key-wrong"))
        await client.cronjobs.set_policy("default", "keyed", spec("keyed", "keyed", encryption=wrong))
        bad = await old.back_up(client, "keyed")
        gone = Encryption(key=SecretKeyRef(secret="key-gone"))
        await client.cronjobs.set_policy("default", "keyed", spec("keyed", "keyed", encryption=gone))
        none = await old.back_up(client, "keyed")
        listed = await client.backups.files(good.id, "/source/keyed")
    assert (good.status, bad.status, bad.reason) == ("succeeded", "failed", "WrongPassword")
    assert (none.status, none.reason) == ("failed", "SecretMissing")
    assert [entry.name for entry in listed.items] == ["file"]
    assert await old.list_snapshots("keyed", folder) == []
    (below,) = folder.glob(f"policy-{policy_id}-*")
    assert good.result is not None
    assert good.result.snapshot_id in old.run_restic(below, "right key", "snapshots", "--json")
    wrong_password = 12 if old.has_exit_codes() else 1
    old.run_restic(below, await old.read_password("keyed"), "snapshots", code=wrong_password)


async def test_what_the_machines_restic_cannot_do_is_refused(old: BackupSite) -> None:
    if old.has_exit_codes():
        pytest.skip("this machine's restic can do all of it")
    await old.create_storage("refused")
    await old.create_claim("refused")
    dump = Include(database=DatabaseDump(image="postgres:16", command=("pg_dump",)))
    async with old.client() as client:
        for changed in ({"encryption": Encryption(enabled=False)}, {"include": dump}):
            with pytest.raises(errors.ToolMissing) as refusal:
                await old.create_cronjob(client, "refused", "refused", "refused", **changed)
            assert "needs restic 0.17.0, and the archives' image has 0.14.0" in refusal.value.message
        await old.create_cronjob(client, "refused", "refused", "refused")
        cluster = await old.daemon.cluster()
        raw = await cluster.get(paths.cronjobs("default", "refused"))
        by_hand = json.loads(raw["metadata"]["annotations"][object_keys.POLICY]) | {
            "encryption": {"enabled": False}
        }
        body = {"metadata": {"annotations": {object_keys.POLICY: json.dumps(by_hand)}}}
        await cluster.patch(paths.cronjobs("default", "refused"), body)
        await cluster.close()
        policy = await eventually(
            lambda: client.cronjobs.get("default", "refused"),
            lambda c: c.policy is not None and not c.policy.encryption.enabled,
        )
        assert policy.policy_fault is None
        backup = await old.back_up(client, "refused")
    assert (backup.status, backup.reason) == ("failed", "ToolMissing")


@pytest.mark.torture
async def test_retention_waits_for_approval_then_pruning_gives_the_space_back(old: BackupSite) -> None:
    folder = await old.create_storage("kept")
    data = await old.create_claim("kept")
    async with old.client() as client:
        policy_id = await old.create_cronjob(client, "kept", "kept", "kept", retention=Retention(days=30))
        made = []
        for _ in range(5):
            (data / "file").write_bytes(os.urandom(400_000))
            made.append(await old.back_up(client, "kept"))
        await client.backups.pin(made[0].id)
        tried = await client.policies.preview_retention("default", "kept", Retention(keep_last=2))
        assert [v.backup_id for v in tried.remove] == [made[2].id, made[1].id]
        assert [v.why for v in tried.keep][-1] == "pinned by hand"
        await client.cronjobs.set_policy(
            "default", "kept", spec("kept", "kept", retention=Retention(keep_last=2))
        )
        plan = await client.policies.retention(policy_id)
        assert plan.blocked_by is not None
        with pytest.raises(errors.NotAllowedNow):
            await client.policies.apply_retention(policy_id)
        with pytest.raises(errors.PreconditionFailed):
            await client.policies.approve_retention(policy_id, "another")
        assert len(await old.list_snapshots("kept", folder)) == 5
        (view,) = [v for v in (await client.policies.list()).items if v.id == policy_id]
        assert (view.snapshots, bool(view.retention_waits)) == (5, True)
        await client.storages.measure("kept")
        before = (await client.storages.get("kept")).usage
        await client.policies.approve_retention(policy_id, plan.token)
        left = {s["short_id"] for s in await old.list_snapshots("kept", folder)}
        assert left == {made[n].result.snapshot_id[:8] for n in (0, 3, 4)}  # type: ignore[union-attr]
        assert (await client.backups.get(made[1].id)).snapshot_removed_at is not None
        await client.storages.prune("kept")
        after = (await client.storages.get("kept")).usage
        assert before is not None
        assert after is not None
        assert after.used_bytes < before.used_bytes - 700_000
        await client.backups.unpin(made[0].id)
        await client.policies.apply_retention(policy_id)
        assert len(await old.list_snapshots("kept", folder)) == 2
        assert (await client.policies.retention(policy_id)).remove == ()
        with pytest.raises(errors.NotAllowedNow):
            await client.backups.pin(made[0].id)
