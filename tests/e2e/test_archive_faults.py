"""Faults of a repository, of its server and of what is archived: each has a reason and a next step."""

import asyncio
import os
import re
import shutil
import socket
import stat
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

import msgspec
import pytest
from tests.e2e.backup_site import DEBIAN_RESTIC, NEWER_RESTIC, BackupSite, backup_site
from tests.external_cluster import find_server_address
from tests.waiting import eventually

from kronkeep_common import errors
from kronkeep_common.client import Client
from kronkeep_common.models import (
    BackupExecution,
    BackupPolicySpec,
    BackupStorageCreate,
    ClaimSource,
    Retention,
    Source,
)
from kronkeep_daemon.kube import paths

# Each fault takes seconds of restic's key derivation; with Debian's restic they run in `make torture`.
PROGRAMS = (
    [pytest.param(DEBIAN_RESTIC, marks=pytest.mark.torture), str(NEWER_RESTIC)]
    if NEWER_RESTIC.exists()
    else [DEBIAN_RESTIC]
)


@pytest.fixture(scope="module", params=PROGRAMS, ids=lambda program: Path(program).parent.parent.name)
def site(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[BackupSite]:
    with backup_site(tmp_path_factory.mktemp("faults"), request.param) as running:
        yield running


def outcome_of(backup: BackupExecution) -> tuple[str, str | None]:
    """Return status and reason; check that any other end than success has a message and a next step."""
    if backup.status != "succeeded":
        assert backup.message
        assert backup.next_step
        assert backup.next_step.endswith(".")
    return str(backup.status), backup.reason


async def create_sources(site: BackupSite, client: Client, name: str, **policy: object) -> tuple[Path, Path]:
    """Create a storage, a claim with 2 MB and a CronJob with a policy; return repository and claim."""
    repository = await site.create_storage(name)
    data = await site.create_claim(name)
    (data / "file").write_bytes(os.urandom(2_000_000))
    await site.create_cronjob(client, name, name, name, **policy)
    return repository, data


async def test_a_wrong_password(site: BackupSite) -> None:
    async with site.client() as client:
        await create_sources(site, client, "password")
        cluster = await site.daemon.cluster()
        body = {"data": {"password": "d3Jvbmc="}}
        await cluster.patch(paths.secrets("kronkeep", "kronkeep-storage-password"), body)
        await cluster.close()
        assert outcome_of(await site.back_up(client, "password")) == ("failed", "WrongPassword")


async def test_a_password_that_was_taken_away(site: BackupSite) -> None:
    async with site.client() as client:
        await create_sources(site, client, "keyless")
        cluster = await site.daemon.cluster()
        secret = paths.secrets("kronkeep", "kronkeep-storage-keyless")
        await cluster.patch(secret, {"data": {"password": None}})
        assert outcome_of(await site.back_up(client, "keyless")) == ("failed", "PasswordMissing")
        await cluster.delete(secret)
        await cluster.close()
        gone = await site.back_up(client, "keyless")
    assert outcome_of(gone) == ("failed", "SecretMissing")
    assert "kronkeep-storage-keyless" in (gone.message or "")


@pytest.mark.torture  # restic tries for the minute that the probe gives it
@pytest.mark.skipif(os.geteuid() != 0, reason="a file system that can only be read needs a mount")
async def test_a_repository_that_can_only_be_read(site: BackupSite) -> None:
    async with site.client() as client:
        repository, _ = await create_sources(site, client, "frozen")
        for argv in (
            ["--bind", str(repository), str(repository)],
            ["-o", "remount,bind,ro", str(repository)],
        ):
            await asyncio.to_thread(subprocess.run, ["mount", *argv], check=True)
        try:
            assert outcome_of(await site.back_up(client, "frozen")) == ("failed", "StorageReadOnly")
            checked = await client.storages.check("frozen")
            assert (checked.check_ok, checked.checked_without_lock) == (True, True)
            assert checked.reason == "StorageReadOnly"
        finally:
            await asyncio.to_thread(subprocess.run, ["umount", "--lazy", str(repository)], check=True)
        assert outcome_of(await site.back_up(client, "frozen")) == ("succeeded", None)


async def test_a_repository_that_is_gone(site: BackupSite) -> None:
    async with site.client() as client:
        repository, _ = await create_sources(site, client, "gone")
        away = repository.rename(repository.with_name("elsewhere"))
        assert outcome_of(await site.back_up(client, "gone")) == ("failed", "RepositoryMissing")
        await wait_for_reason(client, "gone", "RepositoryMissing")
        line = next(check for check in (await client.doctor()).items if check.name == "storage gone")
        assert line.status == "fail"
        assert "Put it back" in (line.next_step or "")
        shutil.rmtree(repository, ignore_errors=True)
        away.rename(repository)
        assert outcome_of(await site.back_up(client, "gone")) == ("succeeded", None)
        await wait_for_reason(client, "gone", None)


async def wait_for_measurement(client: Client, storage: str, *, after: datetime | None) -> None:
    """Wait until the storage's figures are newer than the start of a backup."""

    async def read_moment() -> datetime | None:
        usage = (await client.storages.get(storage)).usage
        return usage.measured_at if usage is not None else None

    await eventually(read_moment, lambda found: found is not None and after is not None and found > after)


async def wait_for_reason(client: Client, storage: str, reason: str | None) -> None:
    """Wait until the storage's record has that reason, which other work has asked for."""

    async def read_reason() -> str | None:
        return (await client.storages.get(storage)).reason

    await eventually(read_reason, lambda found: found == reason)


async def test_a_byte_flipped_in_a_pack_and_a_deleted_index(site: BackupSite) -> None:
    async with site.client() as client:
        repository, _ = await create_sources(site, client, "flipped")
        assert outcome_of(await site.back_up(client, "flipped"))[0] == "succeeded"
        password = await site.read_password("flipped")
        pack = max(
            (p for p in (repository / "data").rglob("*") if p.is_file()), key=lambda p: p.stat().st_size
        )
        index = next((repository / "index").iterdir())
        kept = index.read_bytes()
        index.unlink()
        with pytest.raises(errors.KronkeepError) as damage:
            await client.storages.check("flipped")
        assert damage.value.next_step
        storage = await client.storages.get("flipped")
        assert (storage.check_ok, storage.reason) == (False, "RepositoryDamaged")
        index.write_bytes(kept)
        assert (await client.storages.check("flipped")).check_ok is True
        body = bytearray(pack.read_bytes())
        body[len(body) // 2] ^= 0xFF
        pack.chmod(stat.S_IRUSR | stat.S_IWUSR)
        pack.write_bytes(bytes(body))
        site.run_restic(repository, password, "check", "--read-data", code=1)


async def test_a_missing_path_and_an_empty_source(site: BackupSite) -> None:
    async with site.client() as client:
        _, data = await create_sources(site, client, "sources")
        two = Source(claims=(ClaimSource(claim="sources", paths=("file", "not there")),))
        await client.cronjobs.set_policy("default", "sources", spec("sources", two))
        assert outcome_of(await site.back_up(client, "sources")) == ("failed", "SourceMissing")
        (data / "empty").mkdir()
        nothing = Source(claims=(ClaimSource(claim="sources", paths=("empty",)),))
        await client.cronjobs.set_policy("default", "sources", spec("sources", nothing))
        assert outcome_of(await site.back_up(client, "sources")) == ("partial", "SourceEmpty")


async def test_a_file_that_cannot_be_read(site: BackupSite) -> None:
    """Its path is too long, for every user and on every node; what nobody may read needs a mount."""
    async with site.client() as client:
        _, data = await create_sources(site, client, "deep")
        write_below_long_path(data, "unreachable")
        backup = await site.back_up(client, "deep")
        assert outcome_of(backup) == ("partial", "Incomplete")
        assert [warning.rpartition(": ")[2] for warning in backup.warnings] == ["file name too long"]
        assert backup.result is not None
        assert backup.result.files_total == 1
        assert (await client.cronjobs.get("default", "deep")).last_good_backup_at is None


def write_below_long_path(folder: Path, name: str) -> None:
    """Write a file to whose path from the root no program can refer at once (PATH_MAX, 4,096 bytes)."""
    parent = os.open(folder, os.O_RDONLY)
    for _ in range(os.pathconf(folder, "PC_PATH_MAX") // 250 + 1):
        os.mkdir("x" * 250, dir_fd=parent)
        child = os.open("x" * 250, os.O_RDONLY, dir_fd=parent)
        os.close(parent)
        parent = child
    os.close(os.open(name, os.O_CREAT | os.O_WRONLY, dir_fd=parent))
    os.close(parent)


@pytest.mark.skipif(os.geteuid() != 0, reason="a small file system needs a mount")
async def test_a_full_disk_and_the_way_out_that_is_named(site: BackupSite) -> None:
    """Each archive adds 1.4 of 4 MiB; the third finds the disk full, and forget and prune need little."""
    folder = site.daemon.state.parent / "storage-full"
    with small_file_system(folder):
        async with site.client() as client:
            _, data = await create_sources(site, client, "full", retention=Retention(keep_last=9))
            outcomes = []
            for _ in range(3):
                (data / "file").write_bytes(os.urandom(1_400_000))
                backup = await site.back_up(client, "full")
                outcomes.append(outcome_of(backup))
            assert outcomes == [("succeeded", None), ("succeeded", None), ("failed", "StorageFull")]
            assert "/repository/data/" in (backup.message or "")
            step = backup.next_step or ""
            assert re.match(
                r"\d+\.\d [KM]iB are free there, and forgetting and pruning need [\d.]+ KiB", step
            )
            assert "kronkeep retention" in step
            assert "kronkeep storage prune full" in step
            await wait_for_reason(client, "full", "StorageFull")
            await wait_for_measurement(client, "full", after=backup.started_at)
            with filled(folder):
                checked = await client.storages.check("full")
            assert (checked.check_ok, checked.checked_without_lock) == (True, True)
            assert checked.reason == "StorageFull"
            policy = (await client.cronjobs.get("default", "full")).policy
            assert policy is not None
            shorter = msgspec.structs.replace(policy.spec, retention=Retention(keep_last=1))
            await client.cronjobs.set_policy("default", "full", shorter)
            await client.policies.apply_retention(policy.id)
            await client.storages.prune("full")
            (data / "file").write_bytes(os.urandom(1_400_000))
            assert outcome_of(await site.back_up(client, "full")) == ("succeeded", None)
            checked = await client.storages.check("full")
            assert (checked.check_ok, checked.checked_without_lock, checked.reason) == (True, False, None)
            password = await site.read_password("full")
            await site.check_repository(folder, password)


@contextmanager
def filled(folder: Path) -> Iterator[None]:
    """Leave not even room for a lock."""
    filler = folder / "filler"
    space = os.statvfs(folder)
    filler.write_bytes(b"x" * space.f_bavail * space.f_bsize)
    try:
        yield
    finally:
        filler.unlink()


@contextmanager
def small_file_system(folder: Path) -> Iterator[None]:
    """Mount a file system of 4 MiB."""
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(folder)], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


@pytest.mark.torture  # restic tries for the minute that the probe gives it
async def test_a_server_that_went_away(site: BackupSite) -> None:
    """A REST server made the repository and is stopped before the archive."""
    folder = site.daemon.state.parent / "served"
    data = await site.create_claim("away")
    (data / "file").write_text("x")
    server = RestServer(folder)
    server.start()
    try:
        async with site.client() as client:
            await client.storages.create(
                BackupStorageCreate(
                    layout="shared",
                    id="away",
                    kind="rest",
                    settings={"url": server.url},
                    namespaces=("default",),
                )
            )
            storage = await eventually(
                lambda: client.storages.get("away"), lambda s: s.status not in ("pending", "creating")
            )
            assert storage.status == "active", storage
            await site.create_cronjob(client, "away", "away", "away")
            assert outcome_of(await site.back_up(client, "away"))[0] == "succeeded"
            server.stop()
            away = await site.back_up(client, "away")
            assert outcome_of(away) == ("failed", "ServerUnreachable")
    finally:
        server.stop()


class RestServer:
    """`rclone serve restic` on a free port."""

    def __init__(self, folder: Path) -> None:
        with socket.socket() as free:
            free.bind((find_server_address(), 0))
            port = free.getsockname()[1]
        self.url = f"http://{find_server_address()}:{port}/"
        self._address = f"{find_server_address()}:{port}"
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        command = ["rclone", "serve", "restic", "--addr", self._address, str(self._folder)]
        self._process = subprocess.Popen(command, stderr=subprocess.PIPE)
        assert self._process.stderr is not None
        for line in self._process.stderr:
            if b"Serving" in line:
                return
        raise AssertionError("rclone did not serve")

    def stop(self) -> None:
        if self._process is not None:
            self._process.terminate()
            self._process.communicate()
            self._process = None


def spec(storage: str, source: Source) -> BackupPolicySpec:
    return BackupPolicySpec(storage_id=storage, source=source, retries=0)
