"""Storages of every kind that can be served here: create, archive, measure, refuse, forget; real servers."""

import asyncio
import base64
import json
import os
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path

import pytest
from tests.e2e import servers
from tests.e2e.conftest import Daemon, eventually
from tests.e2e.servers import Served, needs_servers
from tests.integration.storages import proxmox

from kronkeep_common import errors
from kronkeep_common.client import Client
from kronkeep_common.models import (
    BackupPolicySpec,
    BackupStorage,
    BackupStorageChange,
    BackupStorageCreate,
    CronJobCreate,
    SecretKeyRef,
    VolumeMount,
)
from kronkeep_common.states import BACKUP_TRANSITIONS, is_final
from kronkeep_daemon.kube import paths
from kronkeep_daemon.kube.client import Cluster

pytestmark = needs_servers
SETTLED = ("active", "failed")
CLAIM = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
PASSWORD = "canary-password"


@contextmanager
def running(folder: Path, create_seconds: int) -> Iterator[Daemon]:
    found = Daemon(folder / "s")
    (folder / "kronkeepd.toml").write_text(f"[storages]\ncreate_seconds = {create_seconds}\n")
    found.arguments = ("--config", str(folder / "kronkeepd.toml"))
    asyncio.run(found.start())
    try:
        yield found
    finally:
        asyncio.run(found.stop())


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    """One daemon for all tests here; each makes what it looks at."""
    with running(tmp_path_factory.mktemp("st", numbered=True), 120) as found:
        yield found


@pytest.fixture
def late(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    """A daemon that gives the making of a storage four seconds."""
    with running(tmp_path_factory.mktemp("late", numbered=True), 4) as found:
        yield found


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Served]]:
    """The servers, by the kind that they are for."""
    folder = tmp_path_factory.mktemp("servers", numbered=True)
    with ExitStack() as stack:
        makers = {"s3": servers.s3, "rest": servers.rest, "sftp": servers.sftp, "rclone": servers.rclone}
        yield {kind: stack.enter_context(make(folder)) for kind, make in makers.items()}


@pytest.fixture
async def there(shared: Daemon) -> AsyncIterator[Client]:
    async with shared.client() as found:
        yield found


async def secret(daemon: Daemon, name: str, data: dict[str, str]) -> None:
    encoded = {key: base64.b64encode(value.encode()).decode() for key, value in data.items()}
    cluster = await daemon.cluster()
    await cluster.delete(paths.secrets("kronkeep", name))
    await cluster.create(paths.secrets("kronkeep"), {"metadata": {"name": name}, "data": encoded})
    await cluster.close()


async def claim(daemon: Daemon, name: str, namespace: str = "default") -> None:
    cluster = await daemon.cluster()
    await cluster.create(paths.claims(namespace), {"metadata": {"name": name}, "spec": CLAIM})
    await cluster.close()


async def made(client: Client, wanted: BackupStorageCreate) -> BackupStorage:
    await client.create_storage(wanted)
    return await eventually(lambda: client.storage(wanted.id), lambda s: s.status in SETTLED)


async def archived(daemon: Daemon, client: Client, name: str, storage: str) -> str:
    """One archive of a claim of `name` to the storage; its snapshot's id."""
    await claim(daemon, name)
    script = "head -c 300000 /dev/urandom > /data/blob; echo done"
    wanted = CronJobCreate(
        name=name,
        image="busybox:1.36",
        command=("sh", "-c", script),
        schedule="0 2 29 2 *",
        volumes=(VolumeMount(claim=name, mount_path="/data"),),
        policy=BackupPolicySpec(storage_id=storage),
    )
    await client.create_cronjob(wanted)
    run = await client.trigger("default", name)
    backup = await eventually(
        lambda: client.backup(run.backup_id or ""), lambda b: is_final(BACKUP_TRANSITIONS, b.status)
    )
    assert (backup.status, backup.reason) == ("succeeded", None), backup
    assert backup.result is not None
    return backup.result.snapshot_id


async def snapshots(repository: str, password: str, **env: str) -> list[str]:
    """The short ids that the machine's own restic sees."""
    done = await asyncio.to_thread(
        subprocess.run,
        ["restic", "-r", repository, "--no-cache", "--no-lock", "snapshots", "--json"],
        env={**os.environ, "RESTIC_PASSWORD": password, **env},
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return [snapshot["short_id"] for snapshot in json.loads(done.stdout) or []]


@pytest.mark.parametrize("kind", ["s3", "rest", "sftp", "rclone"])
async def test_a_server_s_storage_from_creation_to_its_end(
    shared: Daemon, there: Client, served: dict[str, Served], kind: str
) -> None:
    server, name = served[kind], f"{kind}-whole"
    await secret(shared, name, server.secret)
    await secret(shared, f"{name}-password", {"password": PASSWORD})
    storage = await made(
        there,
        BackupStorageCreate(
            id=name,
            kind=kind,
            settings=server.settings,
            credentials=name,
            password=SecretKeyRef(secret=f"{name}-password"),
            capacity_bytes=1_000_000,
        ),
    )
    assert (storage.status, storage.message) == ("active", None)
    snapshot = await archived(shared, there, f"job-{kind}", name)
    where = str(server.folder) if server.folder else storage.repository
    environment = server.secret if kind == "s3" else {}
    assert snapshot[:8] in await snapshots(where, PASSWORD, **environment)
    usage = (await there.measure_storage(name)).usage
    assert usage is not None
    assert 300_000 < usage.used_bytes < 400_000
    assert (usage.snapshots, usage.level, usage.capacity_bytes) == (1, "ok", 1_000_000)
    assert (await there.test_storage(name)).reached_at is not None
    with pytest.raises(errors.StorageInUse, match=f"default/job-{kind}"):
        await there.delete_storage(name, name)
    await there.remove_policy("default", f"job-{kind}")
    await there.delete_storage(name, name)
    with pytest.raises(errors.StorageNotFound):
        await there.storage(name)
    assert snapshot[:8] in await snapshots(where, PASSWORD, **environment)


async def refused(
    daemon: Daemon,
    client: Client,
    name: str,
    kind: str,
    settings: dict[str, str | int],
    credentials: dict[str, str] | None,
) -> BackupStorage:
    if credentials is not None:
        await secret(daemon, name, credentials)
    wanted = BackupStorageCreate(
        id=name, kind=kind, settings=settings, credentials=name if credentials is not None else None
    )
    storage = await made(client, wanted)
    assert storage.status == "failed", storage
    assert storage.next_step
    assert storage.message
    await client.delete_storage(name, name)
    return storage


@pytest.mark.parametrize(
    ("kind", "change", "keys", "reason"),
    [
        ("s3", {"endpoint": "http://127.0.0.1:1"}, {}, "ServerUnreachable"),
        ("s3", {}, {"AWS_SECRET_ACCESS_KEY": "wrong"}, "CredentialsRefused"),
        ("rest", {"url": "http://127.0.0.1:1/vault"}, {}, "ServerUnreachable"),
        ("rest", {}, {"RESTIC_REST_PASSWORD": "wrong"}, "CredentialsRefused"),
        ("rest", {"url": "https"}, {}, "CertificateRefused"),
        ("sftp", {"port": 1}, {}, "ServerUnreachable"),
        ("sftp", {}, {"known_hosts": "other"}, "HostKeyRefused"),
        ("sftp", {}, {"ssh-privatekey": "stranger"}, "CredentialsRefused"),
        ("sftp", {}, {"ssh-privatekey": "no key"}, "KeyUnusable"),
        ("rclone", {"remote": "nowhere"}, {}, "RemoteMissing"),
    ],
)
async def test_each_refusal_has_its_own_reason(
    shared: Daemon,
    there: Client,
    served: dict[str, Served],
    tmp_path: Path,
    kind: str,
    change: dict[str, str | int],
    keys: dict[str, str],
    reason: str,
) -> None:
    server = served[kind]
    if change.get("url") == "https":
        change = {"url": str(server.settings["url"]).replace("http:", "https:")}
    if keys.get("known_hosts") == "other" or keys.get("ssh-privatekey") == "stranger":
        argv = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(tmp_path / "key")]
        await asyncio.to_thread(subprocess.run, argv, check=True)
        public = (tmp_path / "key.pub").read_text()
        host = server.secret["known_hosts"].split(" ")[0]
        new = {"known_hosts": f"{host} {public}", "ssh-privatekey": (tmp_path / "key").read_text()}
        keys = {key: new[key] for key in keys}
    name = f"no-{kind}-{reason.lower()}"
    settings, credentials = server.settings | change, server.secret | keys
    storage = await refused(shared, there, name, kind, settings, credentials)
    assert storage.reason == reason, storage


async def test_an_existing_repository_is_adopted_and_never_written_over(
    shared: Daemon, there: Client, tmp_path: Path
) -> None:
    folder = str(tmp_path / "vault")
    environment = {**os.environ, "RESTIC_PASSWORD": "first"}
    for argv in (["init"], ["backup", "/etc/hostname"]):
        command = ["restic", "-r", folder, "--no-cache", *argv]
        await asyncio.to_thread(
            subprocess.run, command, env=environment, check=True, stdout=subprocess.DEVNULL
        )
    before = await snapshots(folder, "first")
    await secret(shared, "right", {"password": "first"})
    wanted = BackupStorageCreate(id="adopt-wrong", kind="local", settings={"path": folder})
    storage = await made(there, wanted)
    assert (storage.status, storage.reason) == ("failed", "WrongPassword"), storage
    assert await snapshots(folder, "first") == before
    storage = await made(
        there,
        BackupStorageCreate(
            id="adopt-right", kind="local", settings={"path": folder}, password=SecretKeyRef(secret="right")
        ),
    )
    assert storage.status == "active", storage
    usage = (await there.measure_storage("adopt-right")).usage
    assert usage is not None
    assert usage.snapshots == len(before) == 1
    cluster = await shared.cluster()
    data = {"data": {"password": base64.b64encode(b"first").decode()}}
    await cluster.patch(paths.secrets("kronkeep", "kronkeep-storage-adopt-wrong"), data)
    await cluster.close()
    assert (await there.retry_storage("adopt-wrong")).status == "creating"
    storage = await eventually(lambda: there.storage("adopt-wrong"), lambda s: s.status in SETTLED)
    assert (storage.status, storage.reason) == ("active", None)


async def test_a_claim_s_storage_serves_its_own_namespace_only(shared: Daemon, there: Client) -> None:
    await claim(shared, "shelf")
    settings: dict[str, str | int] = {"claim": "shelf", "namespace": "default"}
    with pytest.raises(errors.InvalidRequest, match="Only pods of the namespace default"):
        await there.create_storage(
            BackupStorageCreate(id="shelf", kind="pvc", settings=settings, namespaces=("kronkeep",))
        )
    storage = await made(there, BackupStorageCreate(id="shelf", kind="pvc", settings=settings))
    assert (storage.status, storage.namespaces) == ("active", ("default",))
    await archived(shared, there, "job-pvc", "shelf")
    usage = (await there.measure_storage("shelf")).usage
    assert usage is not None
    assert usage.capacity_bytes is not None
    assert usage.available_bytes is not None
    assert usage.used_bytes + usage.available_bytes <= usage.capacity_bytes
    assert len((await there.storage_usage("shelf")).items) == 1
    gone = await made(
        there,
        BackupStorageCreate(id="gone", kind="pvc", settings={"claim": "none", "namespace": "default"}),
    )
    assert (gone.status, gone.reason) == ("failed", "ClaimMissing")


async def test_a_claim_of_a_ceph_class_is_made_and_kept(shared: Daemon, there: Client) -> None:
    settings: dict[str, str | int] = {"storage_class": "cephfs", "namespace": "default", "size": "5Gi"}
    storage = await made(there, BackupStorageCreate(id="reef", kind="ceph", settings=settings))
    assert storage.status == "active", storage
    cluster = await shared.cluster()
    spec = (await cluster.get(paths.claims("default", "kronkeep-storage-reef")))["spec"]
    assert (spec["storageClassName"], spec["accessModes"]) == ("cephfs", ["ReadWriteMany"])
    await there.delete_storage("reef", "reef")
    assert await cluster.get(paths.claims("default", "kronkeep-storage-reef"))
    await cluster.close()


async def test_proxmox_tells_what_there_is_and_when_it_is_not_active(
    shared: Daemon, there: Client, tmp_path: Path
) -> None:
    file, fingerprint = proxmox.certificate(tmp_path, "pve")
    token_id, token = proxmox.TOKEN.split("=")
    await secret(shared, "pve", {"PROXMOX_TOKEN_ID": token_id, "PROXMOX_TOKEN_SECRET": token})
    with proxmox.serving(file) as api:
        settings: dict[str, str | int] = {
            "url": f"https://127.0.0.1:{api.server_address[1]}",
            "node": "pve1",
            "storage": "tank",
            "fingerprint": fingerprint,
            "storage_class": "proxmox-tank",
            "namespace": "default",
            "size": "5Gi",
        }
        wanted = BackupStorageCreate(id="pve", kind="proxmox", settings=settings, credentials="pve")
        storage = await made(there, wanted)
        assert storage.status == "active", storage
        usage = (await there.measure_storage("pve")).usage
        assert usage is not None
        assert (usage.capacity_bytes, usage.available_bytes) == (
            proxmox.STATUS["total"],
            proxmox.STATUS["avail"],
        )
        api.status["active"] = 0
        with pytest.raises(errors.StorageFailed, match="is not active"):
            await there.test_storage("pve")
        assert (await there.storage("pve")).reason == "StorageInactive"
        api.status["active"] = 1
        assert (await there.test_storage("pve")).reason is None


async def test_who_may_use_a_storage_is_asked_when_the_archive_runs(
    shared: Daemon, there: Client, tmp_path: Path
) -> None:
    settings: dict[str, str | int] = {"path": str(tmp_path / "closed")}
    await made(there, BackupStorageCreate(id="closed", kind="local", settings=settings))
    await archived(shared, there, "job-closed", "closed")
    await there.change_storage("closed", BackupStorageChange(namespaces=("elsewhere",)))
    backup = await there.back_up("default", "job-closed")
    ended = await eventually(
        lambda: there.backup(backup.id), lambda b: is_final(BACKUP_TRANSITIONS, b.status)
    )
    assert (ended.status, ended.reason) == ("failed", "Denied")
    with pytest.raises(errors.Denied):
        await there.set_policy("default", "job-closed", BackupPolicySpec(storage_id="closed"))


async def test_a_lost_pack_is_told_by_the_check(shared: Daemon, there: Client, tmp_path: Path) -> None:
    folder = tmp_path / "holed"
    await made(there, BackupStorageCreate(id="holed", kind="local", settings={"path": str(folder)}))
    await archived(shared, there, "job-holed", "holed")
    packs = [path for path in (folder / "data").rglob("*") if path.is_file()]
    max(packs, key=lambda path: path.stat().st_size).unlink()
    with pytest.raises(errors.StorageFailed, match="damaged"):
        await there.check_storage("holed")
    found = await there.storage("holed")
    assert (found.reason, found.check_ok, found.status) == ("RepositoryDamaged", False, "active")


async def test_killed_while_a_repository_is_made_and_started_again(daemon: Daemon) -> None:
    """At three moments: recorded, its first Job there, its repository there."""
    folder = daemon.state.parent / "vaults"

    def begun(number: int) -> Callable[[], Awaitable[bool]]:
        async def look() -> bool:
            cluster = await daemon.cluster()
            jobs, _ = await cluster.list(paths.jobs("kronkeep"))
            await cluster.close()
            names = [job["metadata"]["name"] for job in jobs]
            whole = (folder / "vault-2/config").exists()
            return number == 0 or (number == 1 and any("vault-1" in name for name in names)) or whole

        return look

    for number in range(3):
        async with daemon.client() as client:
            settings: dict[str, str | int] = {"path": str(folder / f"vault-{number}")}
            await client.create_storage(
                BackupStorageCreate(id=f"vault-{number}", kind="local", settings=settings)
            )
            await eventually(begun(number), bool)
        await daemon.kill()
        await daemon.start()
    async with daemon.client() as client:
        for number in range(3):
            name = f"vault-{number}"
            storage = await eventually(partial(client.storage, name), lambda s: s.status in SETTLED)
            assert storage.status == "active", storage
            assert len(list((folder / name / "keys").iterdir())) == 1
        cluster = await daemon.cluster()
        await eventually(partial(_copies, cluster), lambda names: names == [])
        await cluster.close()


async def _copies(cluster: Cluster) -> list[str]:
    """The names of the copies of credentials in the whole cluster."""
    secrets, _ = await cluster.list(paths.secrets())
    return [s["metadata"]["name"] for s in secrets if s["metadata"]["name"].endswith("-key")]


async def test_a_volume_that_no_node_can_mount_fails_at_the_deadline_with_the_reason(
    late: Daemon,
) -> None:
    async with late.client() as client:
        settings: dict[str, str | int] = {"server": "nfs.example", "path": "/export"}
        storage = await made(client, BackupStorageCreate(id="far", kind="nfs", settings=settings))
    cluster = await late.cluster()
    jobs, _ = await cluster.list(paths.jobs("kronkeep"))
    await cluster.close()
    assert (storage.status, storage.reason) == ("failed", "DeadlineExceeded")
    assert "cannot mount a volume of the type nfs" in (storage.message or "")
    assert jobs == []


async def test_no_secret_is_told_anywhere(shared: Daemon, there: Client, served: dict[str, Served]) -> None:
    """Canaries: everything that the daemon wrote but the cluster's own store, every Job and pod, the API."""
    server = served["rest"]
    await secret(shared, "quiet", server.secret)
    await secret(shared, "quiet-password", {"password": "canary-quiet-password"})
    url = str(server.settings["url"]).replace("/vault", "/quiet")
    await made(
        there,
        BackupStorageCreate(
            id="quiet",
            kind="rest",
            settings={"url": url},
            credentials="quiet",
            password=SecretKeyRef(secret="quiet-password"),
        ),
    )
    await archived(shared, there, "job-quiet", "quiet")
    await there.check_storage("quiet")
    cluster = await shared.cluster()
    seen = [
        json.dumps(item)
        for kind in (paths.jobs(), paths.pods(), paths.events())
        for item in (await cluster.list(kind))[0]
    ]
    assert await _copies(cluster) == []
    await cluster.close()
    answers = [await there.storages(), await there.backups(), await there.audit(), await there.snapshot()]
    seen += [str(answer) for answer in answers]
    files = [path for path in (shared.state / "history").rglob("*") if path.is_file()]
    seen += [
        path.read_bytes().decode(errors="replace") for path in [*files, shared.state.parent / "kronkeepd.log"]
    ]
    assert any("job-quiet" in text for text in seen)
    for text in seen:
        for canary in ("canary", "p%40ss", "p@ss"):
            assert canary not in text, text[:500]
