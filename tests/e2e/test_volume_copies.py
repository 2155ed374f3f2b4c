"""Archives of live volumes: of one moment by a snapshot or a clone, and everything made for them removed.

A pod writes a number to the file `a`, then to the file `z`, without a pause. So at every moment the number in
`a` is that in `z`, or the next one; whoever reads one file after the other sees other pairs.
"""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from tests import external_cluster
from tests.cluster_proxy import ClusterProxy, daemon_behind_proxy
from tests.e2e.backup_site import DEBIAN_RESTIC, BackupSite, wait_for_end
from tests.e2e.daemon_account import create_token
from tests.waiting import eventually

from kronkeep_common.client import Client
from kronkeep_common.errors import InvalidPolicy
from kronkeep_common.models import BackupExecution, BackupPolicySpec, ClaimSource, Source
from kronkeep_common.models.policy import Consistency
from kronkeep_daemon.kube import paths
from kronkeep_daemon.kube.client import Cluster

pytestmark = pytest.mark.skipif(
    external_cluster.KUBECONFIG is not None, reason="a CSI driver with snapshots needs an embedded cluster"
)
LARGE = 4_000_000  # bytes of each file that restic reads between the two
WRITER = """
cd /pair; n=10000000
while :; do n=$((n+1)); printf %d $n 1<>a; printf %d $n 1<>z; done
"""
CLASS = "standard"


class Scene:
    """A daemon with the rights of systemd/kubernetes, on a cluster of its own behind a proxy."""

    def __init__(self, site: BackupSite, proxy: ClusterProxy, folder: Path) -> None:
        self.site = site
        self.proxy = proxy
        self.folder = folder

    async def admin(self) -> Cluster:
        return await self.site.daemon.cluster()


@pytest.fixture
async def scene(tmp_path: Path) -> AsyncIterator[Scene]:
    async with daemon_behind_proxy(tmp_path, create_token) as (daemon, proxy, _):
        site = BackupSite(daemon, DEBIAN_RESTIC)
        yield Scene(site, proxy, await site.create_storage("vault"))


async def create_claim(site: BackupSite, name: str, mode: str) -> Path:
    spec = {"accessModes": [mode], "resources": {"requests": {"storage": "1Gi"}}}
    await site.create_object(paths.claims("default"), {"metadata": {"name": name}, "spec": spec})
    folder = site.daemon.claims / "default" / name
    folder.mkdir(parents=True)
    return folder


async def start_writer(scene: Scene, mode: str) -> None:
    """Start the pod that writes to the claim `pair`, and wait until it has written."""
    folder = await create_claim(scene.site, "pair", mode)
    for number in range(6):
        (folder / f"m{number}").write_bytes(bytes([number]) * LARGE)
    container = {
        "name": "writer",
        "image": "busybox:1.36",
        "command": ["sh", "-c", WRITER],
        "volumeMounts": [{"name": "pair", "mountPath": "/pair"}],
    }
    volume = {"name": "pair", "persistentVolumeClaim": {"claimName": "pair"}}
    pod = {"metadata": {"name": "writer"}, "spec": {"containers": [container], "volumes": [volume]}}
    await scene.site.create_object(paths.pods("default"), pod)
    await eventually(lambda: asyncio.to_thread((folder / "z").exists), bool)


def source(consistency: Consistency, claim: str = "pair", **fields: Any) -> Source:
    return Source(claims=(ClaimSource(claim=claim),), consistency=consistency, **fields)


async def read_pair(scene: Scene, backup: BackupExecution) -> tuple[int, int]:
    """Return the numbers in both files of a backup, as restic restores them."""
    assert backup.result is not None
    password = await scene.site.read_password("vault")
    snapshot_id = backup.result.snapshot_id
    texts = [
        await asyncio.to_thread(
            scene.site.run_restic, scene.folder, password, "dump", snapshot_id, f"/source/pair/{name}"
        )
        for name in ("a", "z")
    ]
    return int(texts[0]), int(texts[1])


async def count_broken_pairs(
    scene: Scene, client: Client, name: str, times: int, *, until: int = 2**31
) -> int:
    """Back up so many times, or until so many pairs are broken; return how many are."""
    broken = 0
    for _ in range(times):
        backup = await scene.site.back_up(client, name)
        assert (backup.status, backup.reason) == ("succeeded", None), backup
        first, last = await read_pair(scene, backup)
        broken += first - last not in (0, 1)
        if broken >= until:
            break
    return broken


async def list_leftovers(scene: Scene) -> list[str]:
    """Return the names of snapshots, contents and claims that archives have left."""
    cluster = await scene.admin()
    try:
        snapshots, _ = await cluster.list(paths.volume_snapshots())
        contents, _ = await cluster.list(paths.volume_snapshot_contents())
        claims, _ = await cluster.list(paths.claims("default"))
    finally:
        await cluster.close()
    folders = (scene.site.daemon.claims / "default").iterdir()
    names = [item["metadata"]["name"] for item in (*snapshots, *contents, *claims)]
    return sorted(name for name in {*names, *(folder.name for folder in folders)} - {"pair"})


async def wait_until_clean(scene: Scene) -> None:
    assert await eventually(lambda: list_leftovers(scene), lambda names: not names) == []


async def compare_consistency(scene: Scene, times: int) -> None:
    await start_writer(scene, "ReadWriteOnce")
    async with scene.site.client() as client:
        for consistency in ("snapshot", "clone", "live"):
            policy = {"source": source(consistency)}
            await scene.site.create_cronjob(client, consistency, "", "vault", **policy)
        assert await count_broken_pairs(scene, client, "snapshot", times) == 0
        assert await count_broken_pairs(scene, client, "clone", max(1, times // 10)) == 0
        assert await count_broken_pairs(scene, client, "live", max(times, 10), until=1) == 1
    await wait_until_clean(scene)
    assert "is forbidden" not in scene.site.daemon.log.read_text()


async def test_two_files_that_change_together_are_of_one_moment_in_a_snapshot(scene: Scene) -> None:
    await compare_consistency(scene, 3)


@pytest.mark.torture
async def test_a_hundred_snapshots_are_of_one_moment_each(scene: Scene) -> None:
    await compare_consistency(scene, 100)


async def change_class(scene: Scene, fields: dict[str, Any]) -> None:
    """Change the only VolumeSnapshotClass."""
    cluster = await scene.admin()
    await cluster.patch(f"{paths.volume_snapshot_classes()}/{CLASS}", fields)
    await cluster.close()


async def set_start_seconds(scene: Scene, line: str) -> None:
    """Change how long an archive waits for its volumes, and wait until the daemon knows."""
    daemon = scene.site.daemon
    file = daemon.state.parent / "kronkeepd.toml"
    before = daemon.log.read_text().count("the settings were reloaded")
    text = file.read_text().partition("[archive]")[0]
    file.write_text(f"{text}[archive]\n{line}\n")
    await eventually(
        lambda: asyncio.to_thread(daemon.log.read_text),
        lambda log: log.count("the settings were reloaded") > before,
    )


async def test_what_is_made_for_an_archive_is_removed_after_a_kill_a_failure_and_a_cancellation(
    scene: Scene,
) -> None:
    """The claim is one pod's alone (ReadWriteOncePod), and that pod runs."""
    site = scene.site
    await start_writer(scene, "ReadWriteOncePod")
    async with site.client() as client:
        fields = {"source": source("snapshot")}
        await site.create_cronjob(client, "job", "", "vault", **fields)
        # Killed while the driver does not make the snapshot, then while the archive's Job is there.
        await change_class(scene, {"parameters": {"fail": "no space for snapshots"}})
        begun = await client.cronjobs.back_up("default", "job")
        waiting = await eventually(
            lambda: client.backups.get(begun.id), lambda b: b.reason == "VolumeCopyPending"
        )
        assert "no space for snapshots" in (waiting.message or "")
    await site.daemon.kill()
    await change_class(scene, {"parameters": None})
    await site.daemon.start()
    async with site.client() as client:
        cluster = await scene.admin()
        await eventually(
            lambda: cluster.list(paths.jobs("default")),
            lambda page: any(begun.id in job["metadata"]["name"] for job in page[0]),
        )
        await cluster.close()
    await site.daemon.kill()
    await site.daemon.start()
    async with site.client() as client:
        ended = await wait_for_end(client, begun.id)
        assert (ended.status, ended.attempt) == ("succeeded", 1), ended
        assert len(await site.list_snapshots("vault", scene.folder)) == 1
        await wait_until_clean(scene)
        # A snapshot that is never ready; one that is cancelled meanwhile.
        await change_class(scene, {"parameters": {"fail": "no space for snapshots"}})
        begun = await client.cronjobs.back_up("default", "job")
        await eventually(lambda: client.backups.get(begun.id), lambda b: b.reason == "VolumeCopyPending")
        await client.backups.cancel(begun.id)
        assert (await wait_for_end(client, begun.id)).status == "cancelled"
        await wait_until_clean(scene)
        await set_start_seconds(scene, "start_seconds = 10")
        failed = await site.back_up(client, "job")
        assert (failed.status, failed.reason) == ("failed", "VolumeCopyFailed")
        assert "no space for snapshots" in (failed.message or "")
        await wait_until_clean(scene)
        await change_class(scene, {"parameters": None})
        await set_start_seconds(scene, "")
        # What could not be removed at the end is swept by the next daemon.
        scene.proxy.fail(r"DELETE .*/volumesnapshots/", 0, "refused")
        assert (await site.back_up(client, "job")).status == "succeeded"
        assert scene.proxy.failed
        left = await list_leftovers(scene)
        assert [name for name in left if name.endswith("-volume-0")], left
    await site.daemon.kill()
    await site.daemon.start()
    await wait_until_clean(scene)
    await expect_refusals(scene)


async def expect_refusals(scene: Scene) -> None:
    """What the cluster cannot do is refused when a policy is written, told by the doctor, and by a backup."""
    site = scene.site
    spec = BackupPolicySpec(storage_id="vault", source=source("snapshot"))
    async with site.client() as client:
        await change_class(scene, {"deletionPolicy": "Retain"})
        with pytest.raises(InvalidPolicy, match=r"no VolumeSnapshotClass of folder\.kronkeep\.dev"):
            await client.cronjobs.set_policy("default", "job", spec)
        cluster = await scene.admin()
        await cluster.delete(
            "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/volumesnapshotclasses.snapshot.storage.k8s.io"
        )
        await cluster.close()
        with pytest.raises(InvalidPolicy, match="does not know VolumeSnapshots") as refusal:
            await client.cronjobs.set_policy("default", "job", spec)
        assert refusal.value.details["reason"] == "VolumeCopyUnsupported"
        refused = await site.back_up(client, "job")
        assert (refused.status, refused.reason) == ("failed", "VolumeCopyUnsupported")
        checks = {check.name: check for check in (await client.doctor()).items}
        assert "does not know VolumeSnapshots" in checks["volumes of default/job"].message
