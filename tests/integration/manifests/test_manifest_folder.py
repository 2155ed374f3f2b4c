"""The manifest folder of a real daemon: applied, kept applied, and a fault that changes nothing."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.daemon_process import Daemon
from tests.waiting import eventually

from kronkeep_common import api
from kronkeep_common.client import Client
from kronkeep_common.errors import CronJobNotFound, Denied, InvalidPolicy
from kronkeep_common.models import CronJobManifest
from kronkeep_daemon.kube import paths
from kronkeep_daemon.kube.objects import JsonObject

SPEC: JsonObject = {
    "schedule": "0 2 * * *",
    "jobTemplate": {
        "spec": {
            "template": {
                "spec": {
                    "restartPolicy": "Never",
                    "containers": [
                        {
                            "name": "c",
                            "image": "busybox",
                            "volumeMounts": [{"name": "data", "mountPath": "/data"}],
                        }
                    ],
                    "volumes": [{"name": "data", "persistentVolumeClaim": {"claimName": "data"}}],
                }
            }
        }
    },
}


def native(name: str, **annotations: str) -> str:
    meta = {"name": name, "annotations": annotations}
    return json.dumps({"apiVersion": "batch/v1", "kind": "CronJob", "metadata": meta, "spec": SPEC})


@pytest.fixture
async def daemon(tmp_path: Path) -> AsyncIterator[Daemon]:
    (tmp_path / "etc").mkdir()
    (tmp_path / "manifests").mkdir()
    config = tmp_path / "etc" / "kronkeepd.toml"
    config.write_text(f'manifests = "{tmp_path}/manifests"\n')
    daemon = Daemon(tmp_path / "s")
    daemon.arguments = ("--config", str(config))
    await daemon.start()
    yield daemon
    await daemon.stop()


async def files(daemon: Daemon) -> dict[str, api.ManifestFile]:
    async with daemon.client() as client:
        return {file.file: file for file in (await client.manifests()).items}


async def put(daemon: Daemon, name: str, text: str) -> api.ManifestFile:
    """Write a file as editors do, and wait until a pass has read this very text."""
    folder = daemon.state.parent / "manifests"
    before = (await files(daemon)).get(name)
    (folder / f".{name}.new").write_text(text)
    (folder / f".{name}.new").rename(folder / name)
    by_name = await eventually(lambda: files(daemon), lambda f: name in f and f[name] != before)
    return by_name[name]


async def test_files_are_applied_and_kept_applied(daemon: Daemon) -> None:
    repository = daemon.state.parent / "vault"
    storage = f"kind: BackupStorage\nid: vault\nsettings: {{path: {repository}}}\nnamespaces: [default]\n"
    policy = '{"storage_id": "vault"}'
    text = storage + "---\n" + native("nightly", **{"kronkeep.dev/backup-policy": policy})
    await put(daemon, "shop.yaml", text)
    by_name = await eventually(lambda: files(daemon), lambda f: f["shop.yaml"].status == "applied")
    assert by_name["shop.yaml"].objects == ("storage vault", "cronjob default/nightly")
    async with daemon.client() as client:
        made = await client.cronjobs.get("default", "nightly")
        assert made.policy is not None
        assert made.policy.storage_id == "vault"
        cluster = await daemon.cluster()
        path = paths.cronjobs("default", "nightly")
        await cluster.patch(path, {"spec": {"schedule": "0 5 * * *"}})
        await eventually(
            lambda: client.cronjobs.get("default", "nightly"), lambda c: c.schedule == "0 2 * * *"
        )
        await cluster.delete(path)
        again = await eventually(lambda: there(client, "nightly", but=made.id), bool)
        assert again
        await cluster.close()


async def there(client: Client, name: str, but: str = "") -> bool:
    try:
        return (await client.cronjobs.get("default", name)).id != but
    except CronJobNotFound:
        return False


@pytest.mark.parametrize(
    ("text", "line", "code"),
    [
        (native("good") + "\n---\nkind: CronJob\nname: a\nimage: b\nschedule: [\n", 7, "InvalidRequest"),
        (
            native("good") + "\n---\nkind: CronJob\nname: a\nimage: b\nschedule: 61 * * * *\n",
            "3: cronjob default/a",
            "InvalidSchedule",
        ),
        (native("good") + "\n---\nkind: CronJob\nname: a\nimge: b\n", 5, "InvalidRequest"),
        (
            native("good") + "\n---\n" + native("b", **{"kronkeep.dev/backup-policy": "{}"}),
            "3:1: cronjob default/b",
            "InvalidPolicy",
        ),
        (native("good") + "\n---\n" + native("good"), None, "InvalidRequest"),
    ],
)
async def test_a_bad_file_is_reported_by_name_and_line_and_changes_nothing(
    daemon: Daemon, text: str, line: int | str | None, code: str
) -> None:
    status = await put(daemon, "bad.yaml", text)
    assert (status.status, status.code) == ("refused", code), status
    assert status.message is not None
    assert (f"bad.yaml:{line}: " if line else "bad.yaml: ") in status.message
    async with daemon.client() as client:
        assert (await client.cronjobs.list()).items == []
    assert "bad.yaml" in daemon.log.read_text()
    assert (await put(daemon, "bad.yaml", native("good"))).status == "applied"


async def test_a_file_that_anybody_may_write_is_refused(daemon: Daemon) -> None:
    path = daemon.state.parent / "manifests" / "open.yaml"
    path.touch()
    path.chmod(0o666)
    path.write_text(native("open"))
    by_name = await eventually(lambda: files(daemon), lambda f: f.get("open.yaml", None) is not None)
    assert by_name["open.yaml"].status == "refused"
    path.unlink()
    await eventually(lambda: files(daemon), lambda f: f == {})


async def test_what_reaches_out_of_a_container_is_denied(daemon: Daemon) -> None:
    pod = SPEC["jobTemplate"]["spec"]["template"]["spec"]
    for extra in (
        {"hostNetwork": True},
        {"serviceAccountName": "admin"},
        {"volumes": [{"name": "v", "hostPath": {"path": "/"}}]},
        {"containers": [{"name": "c", "image": "b", "securityContext": {"privileged": True}}]},
        {
            "initContainers": [
                {"name": "c", "image": "b", "securityContext": {"capabilities": {"add": ["X"]}}}
            ]
        },
    ):
        template = {"spec": pod | extra}
        spec = SPEC | {"jobTemplate": {"spec": {"template": template}}}
        manifest = CronJobManifest(api_version="batch/v1", kind="CronJob", metadata={"name": "x"}, spec=spec)
        async with daemon.client() as client:
            if "volumes" in extra:
                continue  # with --embedded folders of the node are allowed
            with pytest.raises(Denied):
                await client.cronjobs.apply(manifest)


async def test_what_a_manifest_names_no_more_goes_and_what_others_set_stays(daemon: Daemon) -> None:
    def manifest(spec: dict[str, Any], **labels: str) -> CronJobManifest:
        meta = {"name": "x", "labels": labels}
        return CronJobManifest(api_version="batch/v1", kind="CronJob", metadata=meta, spec=spec)

    full = json.loads(json.dumps(SPEC))
    (container,) = full["jobTemplate"]["spec"]["template"]["spec"]["containers"]
    container |= {"resources": {"limits": {"cpu": "1000m"}}, "env": [{"name": "A", "value": "b"}]}
    cluster = await daemon.cluster()
    path = paths.cronjobs("default", "x")
    async with daemon.client() as client:
        await client.cronjobs.apply(manifest(full | {"suspend": True}, team="a"))
        template = {"spec": {"containers": [container | {"resources": {"limits": {"cpu": "1"}}}]}}
        theirs = {"jobTemplate": {"spec": {"template": template}}}  # as a real API server writes it
        await cluster.patch(path, {"metadata": {"labels": {"its": "own"}}, "spec": theirs})
        version = (await cluster.get(path))["metadata"]["resourceVersion"]
        await eventually(lambda: client.cronjobs.get("default", "x"), lambda c: c.resource_version == version)
        again = await client.cronjobs.apply(manifest(full | {"suspend": True}, team="a"))
        assert again.outcome == "unchanged"
        assert (await client.cronjobs.apply(manifest(SPEC))).outcome == "changed"
    live = await cluster.get(path)
    await cluster.close()
    (left,) = live["spec"]["jobTemplate"]["spec"]["template"]["spec"]["containers"]
    assert "env" not in left
    assert left.get("resources", {}) == {}
    assert not live["spec"].get("suspend")
    assert live["metadata"]["labels"] == {"its": "own"}


async def test_a_manifest_is_applied_once_and_again(daemon: Daemon) -> None:
    manifest = CronJobManifest(api_version="batch/v1", kind="CronJob", metadata={"name": "x"}, spec=SPEC)
    async with daemon.client() as client:
        assert (await client.cronjobs.apply(manifest, dry_run=True)).outcome == "created"
        assert (await client.cronjobs.apply(manifest)).outcome == "created"
        assert (await client.cronjobs.apply(manifest)).outcome == "unchanged"
        changed = CronJobManifest(
            api_version="batch/v1", kind="CronJob", metadata={"name": "x"}, spec=SPEC | {"suspend": True}
        )
        assert (await client.cronjobs.apply(changed)).cronjob.suspended
        bad = {"name": "x", "annotations": {"kronkeep.dev/backup-policy": "{}"}}
        with pytest.raises(InvalidPolicy):
            await client.cronjobs.apply(
                CronJobManifest(api_version="batch/v1", kind="CronJob", metadata=bad, spec=SPEC)
            )
    transport = httpx.AsyncHTTPTransport(uds=daemon.announcement["socket"])
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as http:
        odd = {
            "apiVersion": "batch/v1",
            "kind": "CronJob",
            "metadata": {"name": "y"},
            "spec": {"jobTemplate": 1},
        }
        assert (await http.post("/v1/cronjobs/apply", json=odd)).status_code == 422
