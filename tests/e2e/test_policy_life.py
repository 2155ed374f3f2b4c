"""A policy from its annotation by kubectl to its removal; secrets appear nowhere."""

import asyncio
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests.command_line import run_kronkeep
from tests.e2e.backup_site import DEBIAN_RESTIC, BackupSite, backup_site, shell, wait_for_end
from tests.waiting import eventually

from kronkeep_common import object_keys
from kronkeep_common.client import Client
from kronkeep_common.errors import Conflict
from kronkeep_common.models import (
    BackupPolicySpec,
    CronJobCreate,
    CronJobManifest,
    Encryption,
    Hooks,
    Retention,
    SecretKeyRef,
    VolumeMount,
)
from kronkeep_daemon.kube import paths


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BackupSite]:
    with backup_site(tmp_path_factory.mktemp("life"), DEBIAN_RESTIC) as running:
        yield running


async def wait_for_removal(client: Client, backup_id: str) -> None:
    await eventually(lambda: client.backups.get(backup_id), lambda b: b.snapshot_removed_at is not None)


async def test_annotated_by_hand_broken_by_hand_and_removed(site: BackupSite) -> None:
    await site.create_storage("hand")
    (await site.create_claim("hand") / "file").write_text("x")
    cluster = await site.daemon.cluster()
    path = paths.cronjobs("default", "hand")

    async def annotate(text: str | None) -> None:
        await cluster.patch(path, {"metadata": {"annotations": {object_keys.POLICY: text}}})

    async def fault_messages() -> list[str]:
        events, _ = await cluster.list(paths.events("default"))
        return [e["message"] for e in events if e["reason"] == "InvalidBackupPolicy"]

    async with site.client() as client:
        mount = VolumeMount(claim="hand", mount_path="/data")
        await client.cronjobs.create(
            CronJobCreate(
                name="hand", image="busybox:1.36", command=("true",), schedule="0 2 29 2 *", volumes=(mount,)
            )
        )
        await annotate('{"storage_id": "hand", "retries": 0}')
        await eventually(lambda: client.cronjobs.get("default", "hand"), lambda c: c.policy is not None)
        run = await client.cronjobs.trigger("default", "hand")
        await eventually(lambda: client.runs.get(run.id), lambda r: r.backup_id is not None)
        backup = await wait_for_end(client, (await client.runs.get(run.id)).backup_id or "")
        assert backup.status == "succeeded"
        await annotate('{"storage_id": "hand", "hooks": {"pre": [{"name": "Bad Name"}]}}')
        (message,) = await eventually(fault_messages, lambda messages: messages != [])
        assert "cannot be read" in message
        broken = await client.cronjobs.get("default", "hand")
        assert broken.policy is None
        assert broken.policy_fault == message
        listed = await asyncio.to_thread(run_kronkeep, site.daemon, "get", "policies")
        assert re.search(r"^default +hand .*cannot be read$", listed.stdout, re.MULTILINE), listed.stdout
        unlinked = await client.cronjobs.trigger("default", "hand")
        await eventually(lambda: client.runs.get(unlinked.id), lambda r: r.ended_at is not None)
        assert (await client.runs.get(unlinked.id)).backup_id is None
        await annotate(None)
        await eventually(lambda: client.cronjobs.get("default", "hand"), lambda c: c.policy_fault is None)
        kept = await client.backups.get(backup.id)
        assert kept.policy is not None
        assert kept.policy.storage_id == "hand"
        assert (await client.backups.files(backup.id, "/source/hand")).items
        assert len(await fault_messages()) == 1
    await cluster.close()


async def test_a_schedule_that_kubectl_broke_is_reported_by_an_event_and_the_policys_state(
    site: BackupSite,
) -> None:
    await site.create_storage("patched")
    await site.create_claim("patched")
    cluster = await site.daemon.cluster()

    async def events() -> list[Any]:
        items, _ = await cluster.list(paths.events("default"))
        return [event for event in items if event["reason"] == "ScheduleConflict"]

    async with site.client() as client:
        await client.cronjobs.create(
            CronJobCreate(
                name="patched",
                image="busybox:1.36",
                schedule="0 2 29 2 *",
                volumes=(VolumeMount(claim="patched", mount_path="/data"),),
                policy=BackupPolicySpec(storage_id="patched", schedule="0 5 29 2 *"),
            )
        )
        await cluster.patch(paths.cronjobs("default", "patched"), {"spec": {"schedule": "0 5 29 2 *"}})
        (event,) = await eventually(events, lambda found: found != [])
        assert (event["involvedObject"]["name"], event["type"]) == ("patched", "Warning")
        assert "no longer fits" in event["message"]
        await eventually(client.policies.list, lambda found: any(each.findings for each in found.items))
    listed = await asyncio.to_thread(run_kronkeep, site.daemon, "get", "policies", "-o", "table")
    assert re.search(r"^default +patched .*SameTime", listed.stdout, re.MULTILINE), listed.stdout
    await cluster.close()


async def test_what_is_not_archived_is_reported_and_a_last_claim_that_others_remove_before_the_night(
    site: BackupSite,
) -> None:
    await site.create_storage("partly")
    (await site.create_claim("partly") / "file").write_text("x")
    cluster = await site.daemon.cluster()
    path = paths.cronjobs("default", "partly")
    volumes = [
        {"name": "data", "persistentVolumeClaim": {"claimName": "partly"}},
        {"name": "host", "hostPath": {"path": "/srv"}},
        {"name": "tmp", "emptyDir": {}},
        {"name": "settings", "configMap": {"name": "settings", "optional": True}},
    ]

    def pod_with(volumes: list[dict[str, Any]]) -> dict[str, Any]:
        mounts = [{"name": volume["name"], "mountPath": f"/{volume['name']}"} for volume in volumes]
        main = {"name": "main", "image": "busybox:1.36", "command": ["true"], "volumeMounts": mounts}
        pod = {"restartPolicy": "Never", "containers": [main], "volumes": volumes}
        return {"jobTemplate": {"spec": {"template": {"spec": pod}}}}

    async def events() -> list[str]:
        items, _ = await cluster.list(paths.events("default"))
        return [event["message"] for event in items if event["reason"] == "NothingToArchive"]

    async def alerts() -> list[Any]:
        listed = (await client.alerts.list(filter="status:open")).items
        return [alert for alert in listed if alert.object == "default/partly"]

    annotations = {object_keys.POLICY: '{"storage_id": "partly", "retries": 0}'}
    body = {"metadata": {"name": "partly", "annotations": annotations},
            "spec": {"schedule": "0 2 29 2 *", **pod_with(volumes)}}  # fmt: skip
    await cluster.create(paths.cronjobs("default"), body)
    async with site.client() as client:
        shown = await eventually(
            lambda: client.policies.list(), lambda p: "partly" in {view.cronjob for view in p.items}
        )
        (view,) = [view for view in shown.items if view.cronjob == "partly"]
        assert [(v.name, v.kind, v.mount_path) for v in view.unarchived_volumes] == [
            ("host", "hostPath", "/host"),
            ("tmp", "emptyDir", "/tmp"),
        ]
        backup = await site.back_up(client, "partly")
        assert (backup.status, backup.unarchived_volumes) == ("succeeded", view.unarchived_volumes)
        assert await events() == []
        await cluster.patch(path, {"spec": pod_with(volumes[1:])})
        (alert,) = await eventually(alerts, lambda open_now: open_now != [])
        assert (alert.code, alert.severity) == ("NothingToArchive", "critical")
        assert "host (hostPath) at /host" in alert.message
        assert await eventually(events, lambda messages: messages != []) == [alert.message]
        failed = await site.back_up(client, "partly")
        assert (failed.status, failed.reason, failed.attempt) == ("failed", "NothingToArchive", 1)
        await cluster.patch(path, {"spec": pod_with(volumes)})
        await eventually(alerts, lambda open_now: "NothingToArchive" not in {a.code for a in open_now})
    await cluster.close()


async def test_a_copied_cronjob_is_backed_up_and_neither_loses_snapshots_to_the_other(
    site: BackupSite,
) -> None:
    await site.create_storage("copied")
    (await site.create_claim("copied") / "file").write_text("x")
    async with site.client() as client:
        policy_id = await site.create_cronjob(
            client, "first", "copied", "copied", retention=Retention(keep_last=1)
        )
        cluster = await site.daemon.cluster()
        raw = await cluster.get(paths.cronjobs("default", "first"))
        annotations = {object_keys.POLICY: raw["metadata"]["annotations"][object_keys.POLICY]}
        meta = {"name": "second", "namespace": "default", "annotations": annotations}
        await cluster.create(paths.cronjobs("default"), {"metadata": meta, "spec": raw["spec"]})
        await cluster.close()
        await eventually(
            lambda: client.policies.list(), lambda p: "second" in {view.cronjob for view in p.items}
        )
        backups = [await site.back_up(client, name) for name in ("first", "second", "first", "second")]
        assert {backup.status for backup in backups} == {"succeeded"}
        with pytest.raises(Conflict, match="default/first, default/second"):
            await client.policies.retention(policy_id)
        for old, kept in zip(backups[:2], backups[2:], strict=True):
            await wait_for_removal(client, old.id)
            assert (await client.backups.get(kept.id)).snapshot_removed_at is None
        applied = await client.cronjobs.apply(
            CronJobManifest(
                api_version="batch/v1", kind="CronJob", metadata={**meta, "name": "third"}, spec=raw["spec"]
            )
        )
        assert applied.cronjob.policy is not None
        assert applied.cronjob.policy.id != policy_id


async def test_schedule_and_policy_change_in_one_request_and_runs_show_the_revision(site: BackupSite) -> None:
    await site.create_storage("both")
    await site.create_claim("both")
    async with site.client() as client:
        await site.create_cronjob(client, "both", "both", "both")
        cluster = await site.daemon.cluster()
        path = paths.cronjobs("default", "both")
        before = await cluster.get(path)
        spec = await client.cronjobs.spec("default", "both")
        assert spec.policy is not None
        policy = msgspec.structs.replace(spec.policy, rpo_seconds=60)
        changed = msgspec.structs.replace(spec, schedule="0 3 29 2 *", policy=policy)
        await client.cronjobs.replace(changed)
        after = await cluster.get(path)
        revision = after["metadata"]["annotations"][object_keys.POLICY_REVISION]
        assert revision != before["metadata"]["annotations"][object_keys.POLICY_REVISION]
        template = after["spec"]["jobTemplate"]["metadata"]["annotations"]
        assert (after["spec"]["schedule"], template[object_keys.POLICY_REVISION]) == ("0 3 29 2 *", revision)
        assert (await client.cronjobs.get("default", "both")).backup_overdue is False
        await client.cronjobs.remove_policy("default", "both")
        bare = await cluster.get(path)
        assert object_keys.POLICY_REVISION not in (
            bare["spec"]["jobTemplate"]["metadata"].get("annotations") or {}
        )
        await cluster.close()


async def command_lines() -> str:
    """Return the command lines of all processes of this machine."""

    def read() -> str:
        lines = []
        for process in Path("/proc").glob("[0-9]*"):
            try:
                lines.append((process / "cmdline").read_bytes().decode(errors="replace"))
            except OSError:
                continue
        return "\n".join(lines)

    return await asyncio.to_thread(read)


async def test_canary_secrets_appear_nowhere(site: BackupSite) -> None:
    canaries = {"key": "canary-7f3a-key", "env": "canary-7f3a-env"}
    await site.create_storage("quiet")
    (await site.create_claim("quiet") / "file").write_text("x")
    await site.create_secret("quiet", **canaries)
    hooks = Hooks(
        pre=(
            shell(
                "uses",
                "test ${#WORD} = 15 && sleep 1",
                env={"WORD": SecretKeyRef(secret="quiet", key="env")},
            ),
        )
    )
    own = Encryption(key=SecretKeyRef(secret="quiet", key="key"))
    listed: list[str] = []
    async with site.client() as client:
        await site.create_cronjob(client, "quiet", "quiet", "quiet", hooks=hooks, encryption=own)
        begun = await client.cronjobs.back_up("default", "quiet")
        while (backup := await client.backups.get(begun.id)).ended_at is None:
            listed.append(await command_lines())
            await asyncio.sleep(0.2)
        assert backup.status == "succeeded", backup
        answers = msgspec.json.encode(await client.snapshot()).decode()
        answers += msgspec.json.encode((await client.audit()).items).decode()
        answers += b"".join([chunk async for chunk in client.backups.log(begun.id)]).decode()
    cluster = await site.daemon.cluster()
    manifests = []
    for where in (paths.jobs(), paths.pods(), paths.events(), paths.cronjobs(), paths.configmaps()):
        items, _ = await cluster.list(where)
        manifests.append(json.dumps(items))
    left, _ = await cluster.list(paths.secrets())
    await cluster.close()
    assert len(listed) > 2
    state = site.daemon.state
    files = [p for p in [*(state / "history").rglob("*"), state.parent / "kronkeepd.log"] if p.is_file()]
    kept = "".join(p.read_bytes().decode(errors="replace") for p in files)
    for canary in (*canaries.values(), await site.read_password("quiet")):
        for text in (answers, *manifests, kept):
            assert canary not in text
        assert not [line for text in listed for line in text.split("\n") if canary in line]
    copies = [s["metadata"]["name"] for s in left if s["metadata"]["name"].endswith("-key")]
    assert not [name for name in copies if begun.id in name]
