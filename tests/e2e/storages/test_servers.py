"""Storages on real servers: create, archive, measure, refuse, forget; no secret gets out."""

import asyncio
import json
import os
import subprocess
from contextlib import suppress
from pathlib import Path
from secrets import token_hex

import pytest
from tests.command_line import run_kronkeep
from tests.daemon_process import Daemon
from tests.e2e.storages import servers
from tests.e2e.storages.servers import StorageServer, needs_servers
from tests.e2e.storages.storage_steps import (
    archive_claim,
    create_claim,
    create_storage,
    list_credential_copies,
    list_snapshots,
    replace_secret,
    wait_for_backup,
    write_repository,
)
from tests.quick_repository import make_key_quick, write_quick_repository
from tests.waiting import eventually

from kronkeep_common import errors
from kronkeep_common.client import Client
from kronkeep_common.models import (
    BackupPolicySpec,
    BackupStorage,
    BackupStorageCreate,
    Encryption,
    SecretKeyRef,
)
from kronkeep_common.reasons import Reason
from kronkeep_daemon.kube import paths
from kronkeep_daemon.repositories.repository import repository_of_policy

pytestmark = needs_servers
PASSWORD = "of the repository"


@pytest.mark.parametrize(
    "kind", ["s3", "rest", "sftp", "rclone", pytest.param("ceph", marks=pytest.mark.torture)]
)
async def test_a_server_s_storage_from_creation_to_its_end(
    storage_daemon: Daemon, client: Client, servers_by_kind: dict[str, StorageServer], kind: str
) -> None:
    server = servers_by_kind[kind]
    name = f"{kind}-whole"
    await replace_secret(storage_daemon, name, server.secret)
    await replace_secret(storage_daemon, f"{name}-password", {"password": PASSWORD})
    storage = await create_storage(
        client,
        BackupStorageCreate(
            layout="shared",
            id=name,
            kind=kind,
            settings=server.settings,
            credentials=name,
            password=SecretKeyRef(secret=f"{name}-password"),
            capacity_bytes=1_000_000,
            namespaces=("default",),
        ),
    )
    assert (storage.status, storage.message) == ("active", None)
    if server.folder and kind != "rclone":  # whose server still lists a key that was removed beside it
        await asyncio.to_thread(make_key_quick, server.folder, PASSWORD)
    snapshot = await archive_claim(storage_daemon, client, f"job-{kind}", name)
    where = str(server.folder) if server.folder else storage.repository
    environment = {} if server.folder else server.secret
    assert snapshot[:8] in await list_snapshots(where, PASSWORD, **environment)
    usage = (await client.storages.measure(name)).usage
    assert usage is not None
    assert 300_000 < usage.used_bytes < 400_000
    assert (usage.snapshots, usage.level, usage.capacity_bytes) == (1, "ok", 1_000_000)
    assert (await client.storages.test(name)).reached_at is not None
    with pytest.raises(errors.StorageInUse, match=f"default/job-{kind}"):
        await client.storages.delete(name, name)
    await client.cronjobs.remove_policy("default", f"job-{kind}")
    await client.storages.delete(name, name, only_here=1)
    with pytest.raises(errors.StorageNotFound):
        await client.storages.get(name)
    assert snapshot[:8] in await list_snapshots(where, PASSWORD, **environment)


async def create_refused_storage(
    *,
    daemon: Daemon,
    client: Client,
    name: str,
    kind: str,
    settings: dict[str, str | int],
    credentials: dict[str, str] | None,
) -> BackupStorage:
    if credentials is not None:
        await replace_secret(daemon, name, credentials)
    request = BackupStorageCreate(
        layout="shared",
        id=name,
        kind=kind,
        settings=settings,
        credentials=name if credentials is not None else None,
        namespaces=("default",),
    )
    storage = await create_storage(client, request)
    assert storage.status == "failed", storage
    assert storage.next_step
    assert storage.message
    await client.storages.delete(name, name)
    return storage


@pytest.mark.parametrize(
    ("kind", "change", "keys", "reason"),
    [
        ("s3", {"endpoint": "http://127.0.0.1:1"}, {}, "ServerUnreachable"),
        ("s3", {}, {"AWS_SECRET_ACCESS_KEY": "wrong"}, "CredentialsRefused"),
        ("rest", {"url": "http://127.0.0.1:1/vault"}, {}, "ServerUnreachable"),
        ("rest", {}, {"RESTIC_REST_PASSWORD": "wrong"}, "CredentialsRefused"),
        ("rest", {"url": "https"}, {}, "TlsRefused"),
        ("sftp", {"port": 1}, {}, "ServerUnreachable"),
        ("sftp", {}, {"known_hosts": "other"}, "HostKeyRefused"),
        ("sftp", {}, {"ssh-privatekey": "stranger"}, "CredentialsRefused"),
        ("sftp", {}, {"ssh-privatekey": "no key"}, "KeyUnusable"),
        ("rclone", {"remote": "nowhere"}, {}, "RemoteMissing"),
    ],
)
async def test_each_refusal_has_its_own_reason(
    storage_daemon: Daemon,
    client: Client,
    servers_by_kind: dict[str, StorageServer],
    tmp_path: Path,
    kind: str,
    change: dict[str, str | int],
    keys: dict[str, str],
    reason: str,
) -> None:
    server = servers_by_kind[kind]
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
    settings = server.settings | change
    credentials = server.secret | keys
    storage = None
    # restic may end before the words of ssh or rclone are written; its next step is to try again.
    while storage is None or storage.reason == Reason.SESSION_REFUSED:
        storage = await create_refused_storage(
            daemon=storage_daemon,
            client=client,
            name=name,
            kind=kind,
            settings=settings,
            credentials=credentials,
        )
    assert storage.reason == reason, storage


async def test_no_secret_gets_out(
    storage_daemon: Daemon, client: Client, servers_by_kind: dict[str, StorageServer]
) -> None:
    """Look for canaries in the history, the daemon's log, Jobs, pods, Events, processes and the API."""
    server = servers_by_kind["rest"]
    await replace_secret(storage_daemon, "quiet", server.secret)
    password = f"canary-{token_hex(8)}"
    await replace_secret(storage_daemon, "quiet-password", {"password": password})
    server.write_repository("quiet", password)
    url = str(server.settings["url"]).replace("/vault", "/quiet")
    lines: list[str] = []
    watching = asyncio.create_task(_watch_processes(lines))
    await create_storage(
        client,
        BackupStorageCreate(
            layout="shared",
            id="quiet",
            kind="rest",
            settings={"url": url},
            credentials="quiet",
            password=SecretKeyRef(secret="quiet-password"),
            namespaces=("default",),
        ),
    )
    await archive_claim(storage_daemon, client, "job-quiet", "quiet")
    await client.storages.check("quiet")
    watching.cancel()
    assert any("restic" in line and "backup" in line for line in lines)
    cluster = await storage_daemon.cluster()
    seen = [
        json.dumps(item)
        for kind in (paths.jobs(), paths.pods(), paths.events())
        for item in (await cluster.list(kind))[0]
    ]
    # A listing that the check has begun may still run.
    assert await eventually(lambda: list_credential_copies(cluster), lambda names: names == []) == []
    await cluster.close()
    answers = [
        await client.storages.list(),
        await client.backups.list(),
        await client.audit(),
        await client.snapshot(),
    ]
    seen += [str(answer) for answer in answers]
    files = [path for path in (storage_daemon.state / "history").rglob("*") if path.is_file()]
    seen += [path.read_bytes().decode(errors="replace") for path in [*files, storage_daemon.log]]
    assert any("job-quiet" in text for text in seen)
    canaries = (password, server.secret["RESTIC_REST_PASSWORD"].partition("%")[2])
    seen += lines
    for text in seen:
        for canary in canaries:
            assert canary not in text, text[:500]


async def test_a_policy_s_own_repository_below_is_measured_and_checked_too(
    storage_daemon: Daemon, client: Client, servers_by_kind: dict[str, StorageServer]
) -> None:
    server = servers_by_kind["rest"]
    settings: dict[str, str | int] = {"url": str(server.settings["url"]).replace("/vault", "/two")}
    await replace_secret(storage_daemon, "two", server.secret)
    await write_repository(storage_daemon, server, "two")
    await create_storage(
        client,
        BackupStorageCreate(
            layout="shared",
            id="two",
            kind="rest",
            settings=settings,
            credentials="two",
            namespaces=("default",),
        ),
    )
    await archive_claim(storage_daemon, client, "job-two", "two")
    one = (await client.storages.measure("two")).usage
    await replace_secret(storage_daemon, "own", {"password": "own key"}, "default")
    encryption = Encryption(key=SecretKeyRef(secret="own"))
    await client.cronjobs.set_policy(
        "default", "job-two", BackupPolicySpec(storage_id="two", encryption=encryption)
    )
    cronjob = await client.cronjobs.get("default", "job-two")
    stored = await client.storages.get("two")
    assert cronjob.policy is not None
    own = repository_of_policy(cronjob.policy.id, cronjob.cluster, "default", encryption, stored)
    assert server.folder is not None
    await asyncio.to_thread(write_quick_repository, server.folder.with_name("two") / own.folder, "own key")
    run = await client.cronjobs.trigger("default", "job-two")
    backup = await wait_for_backup(client, run.backup_id)
    assert backup.status == "succeeded", backup
    both = (await client.storages.measure("two")).usage
    assert one is not None
    assert both is not None
    assert (one.snapshots, both.snapshots) == (1, 2)
    assert both.used_bytes - one.used_bytes > 300_000
    assert (await client.storages.check("two")).check_ok


async def test_a_server_that_is_gone_fails_the_backup_with_that_reason(
    storage_daemon: Daemon, client: Client, tmp_path: Path
) -> None:
    with servers.serve_rest(tmp_path) as server:
        await replace_secret(storage_daemon, "away", server.secret)
        await write_repository(storage_daemon, server, "away")
        settings = server.settings | {"url": str(server.settings["url"]).replace("/vault", "/away")}
        request = BackupStorageCreate(
            layout="shared",
            id="away",
            kind="rest",
            settings=settings,
            credentials="away",
            namespaces=("default",),
        )
        assert (await create_storage(client, request)).status == "active"
        await archive_claim(storage_daemon, client, "job-away", "away")
    await client.cronjobs.set_policy("default", "job-away", BackupPolicySpec(storage_id="away", retries=0))
    backup = await wait_for_backup(client, (await client.cronjobs.back_up("default", "job-away")).id)
    assert (backup.status, backup.reason) == ("failed", "ServerUnreachable"), backup
    assert backup.next_step
    with pytest.raises(errors.StorageFailed, match="refuses the connection"):
        await client.storages.test("away")
    storage = await client.storages.get("away")
    assert (storage.status, storage.reason) == ("active", "ServerUnreachable")


def _command_lines() -> str:
    """Return the arguments of every process on this machine."""
    lines = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):
            lines.append(path.read_bytes().decode(errors="replace"))
    return "\n".join(lines)


async def _watch_processes(lines: list[str]) -> None:
    """Add all processes' arguments to `lines` twenty times a second until it is cancelled."""
    while True:
        lines.append(await asyncio.to_thread(_command_lines))
        await asyncio.sleep(0.05)


async def test_a_schedule_of_k8up_is_taken_over_with_its_repository(
    storage_daemon: Daemon, client: Client, servers_by_kind: dict[str, StorageServer], tmp_path: Path
) -> None:
    server = servers_by_kind["rest"]
    server.write_repository("k8up", PASSWORD)
    url = str(server.settings["url"]).replace("/vault", "/k8up")
    await create_claim(storage_daemon, "k8up-data")
    folder = storage_daemon.claims / "default" / "k8up-data"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "file").write_text("content")
    # What the commands do that the plan names.
    await replace_secret(storage_daemon, "k8up-default-nightly", server.secret)
    await replace_secret(storage_daemon, "k8up-default-nightly-password", {"password": PASSWORD})
    keys = "userSecretRef: {name: r, key: u}, passwordSecretReg: {name: r, key: p}"
    (tmp_path / "schedule.yaml").write_text(
        "apiVersion: k8up.io/v1\nkind: Schedule\nmetadata: {name: nightly, namespace: default}\nspec:\n"
        f"  backend: {{repoPasswordSecretRef: {{name: r, key: w}}, rest: {{url: '{url}', {keys}}}}}\n"
        "  backup: {schedule: 0 3 29 2 *}\n  prune: {retention: {keepDaily: 7}}\n"
    )
    argv = ("import", "k8up", str(tmp_path / "schedule.yaml"))
    planned = await asyncio.to_thread(run_kronkeep, storage_daemon, *argv)
    assert "would create policy default/pvc/k8up-data: 0 3 29 2 *" in planned.stdout
    assert "kubectl -n kronkeep create secret generic k8up-default-nightly" in planned.stdout
    with pytest.raises(errors.StorageNotFound):
        await client.storages.get("k8up-default-nightly")
    done = await asyncio.to_thread(run_kronkeep, storage_daemon, *argv, "--yes")
    assert "created storage k8up-default-nightly" in done.stdout, done.stdout + done.stderr
    assert "created policy default/pvc/k8up-data" in done.stdout
    storage = await client.storages.get("k8up-default-nightly")
    assert (storage.status, storage.layout) == ("active", "shared")
    backup = await client.cronjobs.back_up("default", "pvc/k8up-data")
    ended = await wait_for_backup(client, backup.id)
    assert (ended.status, ended.storage_id) == ("succeeded", storage.id), ended
    assert server.folder is not None
    await make_k8up_snapshots(server.folder.with_name("k8up"), tmp_path)
    listed = await asyncio.to_thread(run_kronkeep, storage_daemon, "import", "restic", storage.id)
    assert f"--host default --path {tmp_path}/data/k8up-data" in listed.stdout, listed.stdout + listed.stderr
    chosen = (
        "import",
        "restic",
        storage.id,
        "--path",
        f"{tmp_path}/data/k8up-data",
        "--to",
        "default/pvc/k8up-data",
    )
    planned = await asyncio.to_thread(run_kronkeep, storage_daemon, *chosen)
    assert "would record 2 snapshots as backups of default/pvc/k8up-data" in planned.stdout
    done = await asyncio.to_thread(run_kronkeep, storage_daemon, *chosen, "--yes")
    assert "2 of 2 snapshots are backups" in done.stdout, done.stdout + done.stderr
    imported = [each for each in (await client.backups.list()).items if each.recovered_at is not None]
    assert [(each.cronjob, each.snapshot_state) for each in imported] == [("pvc/k8up-data", "present")] * 2
    await client.backups.verify(imported[0].id)
    assert (await client.backups.get(imported[0].id)).status == "succeeded"
    rest = await asyncio.to_thread(run_kronkeep, storage_daemon, "import", "restic", storage.id)
    assert f"--path {tmp_path}/data/other" in rest.stdout
    assert "k8up-data" not in rest.stdout
    again = await asyncio.to_thread(run_kronkeep, storage_daemon, *argv)
    assert "k8up-data: it has a policy of its own already, which stays" in again.stdout


async def make_k8up_snapshots(repository: Path, folder: Path) -> None:
    """Make snapshots as K8up does: the namespace as the host, a path for each claim."""

    def make() -> None:
        for claim, content in (("k8up-data", "first"), ("k8up-data", "second"), ("other", "third")):
            source = folder / "data" / claim
            source.mkdir(parents=True, exist_ok=True)
            (source / "file").write_text(content)
            argv = ["restic", "-r", str(repository), "--no-cache", "backup", "--host", "default"]
            env = {**os.environ, "RESTIC_PASSWORD": PASSWORD}
            subprocess.run([*argv, str(source)], env=env, check=True, capture_output=True)

    await asyncio.to_thread(make)
