"""What can be wrong with a repository, its server, or what is archived: each has a reason and a next step."""

import asyncio
import os
import socket
import stat
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from tests.e2e.backup_room import MACHINES, NEWER, Room, room
from tests.e2e.conftest import eventually

from kronkeep_common import errors
from kronkeep_common.client import Client
from kronkeep_common.models import BackupExecution, BackupStorageCreate, ClaimSource, Source
from kronkeep_daemon.kube import paths

PROGRAMS = [MACHINES, *([str(NEWER)] if NEWER.exists() else [])]


@pytest.fixture(scope="module", params=PROGRAMS, ids=lambda program: Path(program).parent.parent.name)
def place(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Room]:
    with room(tmp_path_factory.mktemp("faults"), request.param) as found:
        yield found


def told(backup: BackupExecution) -> tuple[str, str | None]:
    """Status and reason; what is not green says what to do."""
    if backup.status != "succeeded":
        assert backup.message
        assert backup.next_step
        assert backup.next_step.endswith(".")
    return str(backup.status), backup.reason


async def made(place: Room, client: Client, name: str, **policy: object) -> tuple[Path, Path]:
    """(repository, claim) with 2 MB in it and a policy."""
    repository = await place.storage(name)
    data = await place.claim(name)
    (data / "file").write_bytes(os.urandom(2_000_000))
    await place.cronjob(client, name, name, name, **policy)
    return repository, data


async def test_a_wrong_password(place: Room) -> None:
    async with place.client() as client:
        await made(place, client, "password")
        cluster = await place.daemon.cluster()
        body = {"data": {"password": "d3Jvbmc="}}
        await cluster.patch(paths.secrets("kronkeep", "kronkeep-storage-password"), body)
        await cluster.close()
        assert told(await place.backup(client, "password")) == ("failed", "WrongPassword")


async def test_a_password_that_was_taken_away(place: Room) -> None:
    async with place.client() as client:
        await made(place, client, "keyless")
        cluster = await place.daemon.cluster()
        secret = paths.secrets("kronkeep", "kronkeep-storage-keyless")
        await cluster.patch(secret, {"data": {"password": None}})
        assert told(await place.backup(client, "keyless")) == ("failed", "PasswordMissing")
        await cluster.delete(secret)
        await cluster.close()
        gone = await place.backup(client, "keyless")
    assert told(gone) == ("failed", "SecretMissing")
    assert "kronkeep-storage-keyless" in (gone.message or "")


@pytest.mark.torture  # restic tries for the minute that the probe gives it
@pytest.mark.skipif(os.geteuid() != 0, reason="a file system that can only be read needs a mount")
async def test_a_repository_that_can_only_be_read(place: Room) -> None:
    async with place.client() as client:
        repository, _ = await made(place, client, "frozen")
        for argv in (
            ["--bind", str(repository), str(repository)],
            ["-o", "remount,bind,ro", str(repository)],
        ):
            await asyncio.to_thread(subprocess.run, ["mount", *argv], check=True)
        try:
            assert told(await place.backup(client, "frozen")) == ("failed", "StorageReadOnly")
        finally:
            await asyncio.to_thread(subprocess.run, ["umount", "--lazy", str(repository)], check=True)
        assert told(await place.backup(client, "frozen")) == ("succeeded", None)


async def test_a_repository_that_is_gone(place: Room) -> None:
    async with place.client() as client:
        repository, _ = await made(place, client, "gone")
        repository.rename(repository.with_name("elsewhere"))
        assert told(await place.backup(client, "gone")) == ("failed", "RepositoryMissing")


async def test_a_byte_flipped_in_a_pack_and_a_deleted_index(place: Room) -> None:
    async with place.client() as client:
        repository, _ = await made(place, client, "flipped")
        assert told(await place.backup(client, "flipped"))[0] == "succeeded"
        password = await place.password("flipped")
        pack = max(
            (p for p in (repository / "data").rglob("*") if p.is_file()), key=lambda p: p.stat().st_size
        )
        index = next((repository / "index").iterdir())
        kept = index.read_bytes()
        index.unlink()
        with pytest.raises(errors.KronkeepError) as damage:
            await client.check_storage("flipped")
        assert damage.value.next_step
        found = await client.storage("flipped")
        assert (found.check_ok, found.reason) == (False, "RepositoryDamaged")
        index.write_bytes(kept)
        assert (await client.check_storage("flipped")).check_ok is True
        body = bytearray(pack.read_bytes())
        body[len(body) // 2] ^= 0xFF
        pack.chmod(stat.S_IRUSR | stat.S_IWUSR)
        pack.write_bytes(bytes(body))
        place.restic(repository, password, "check", "--read-data", code=1)


async def test_a_missing_path_and_an_empty_source(place: Room) -> None:
    async with place.client() as client:
        _, data = await made(place, client, "sources")
        two = Source(claims=(ClaimSource(claim="sources", paths=("file", "not there")),))
        await client.set_policy("default", "sources", spec("sources", two))
        assert told(await place.backup(client, "sources")) == ("failed", "SourceMissing")
        (data / "empty").mkdir()
        nothing = Source(claims=(ClaimSource(claim="sources", paths=("empty",)),))
        await client.set_policy("default", "sources", spec("sources", nothing))
        assert told(await place.backup(client, "sources")) == ("partial", "SourceEmpty")


@pytest.mark.skipif(os.geteuid() != 0, reason="root reads every file: one that it may not needs a mount")
async def test_a_file_that_cannot_be_read(place: Room) -> None:
    async with place.client() as client:
        _, data = await made(place, client, "locked")
        locked = data / "locked"
        locked.write_text("")
        with unreadable(locked):
            backup = await place.backup(client, "locked")
        assert told(backup) == ("partial", "Incomplete")
        assert any("locked" in warning for warning in backup.warnings)
        assert backup.result is not None
        assert (await client.cronjob("default", "locked")).last_good_backup_at is None


@contextmanager
def unreadable(path: Path) -> Iterator[None]:
    """Nobody may read this file of procfs (mode 0200, and sysctls ask root too)."""
    subprocess.run(["mount", "--bind", "/proc/sys/vm/compact_memory", str(path)], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", str(path)], check=True)


@pytest.mark.skipif(os.geteuid() != 0, reason="a small file system needs a mount")
async def test_a_full_disk(place: Room) -> None:
    folder = place.daemon.state.parent / "storage-full"
    with small(folder):
        async with place.client() as client:
            await made(place, client, "full")
            assert told(await place.backup(client, "full")) == ("failed", "StorageFull")
            larger = ["mount", "-o", "remount,size=64m", str(folder)]
            await asyncio.to_thread(subprocess.run, larger, check=True)
            room_again = await place.backup(client, "full")
            assert told(room_again) == ("succeeded", None)
            password = await place.password("full")
            place.restic(folder, password, "check", "--read-data")


@contextmanager
def small(folder: Path) -> Iterator[None]:
    """A file system of one MiB."""
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


@pytest.mark.torture  # restic tries for the minute that the probe gives it
async def test_a_server_that_went_away(place: Room) -> None:
    """A REST server that made the repository and is gone at the archive."""
    folder = place.daemon.state.parent / "served"
    data = await place.claim("away")
    (data / "file").write_text("x")
    server = Server(folder)
    server.start()
    try:
        async with place.client() as client:
            wanted = BackupStorageCreate(id="away", kind="rest", settings={"url": server.url})
            await client.create_storage(wanted)
            found = await eventually(
                lambda: client.storage("away"), lambda s: s.status not in ("pending", "creating")
            )
            assert found.status == "active", found
            await place.cronjob(client, "away", "away", "away")
            assert told(await place.backup(client, "away"))[0] == "succeeded"
            server.stop()
            away = await place.backup(client, "away")
            assert told(away) == ("failed", "ServerUnreachable")
    finally:
        server.stop()


class Server:
    """`rclone serve restic` on a free port."""

    def __init__(self, folder: Path) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{port}/"
        self._address = f"127.0.0.1:{port}"
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        line = ["rclone", "serve", "restic", "--addr", self._address, str(self._folder)]
        self._process = subprocess.Popen(line, stderr=subprocess.PIPE)
        assert self._process.stderr is not None
        for said in self._process.stderr:
            if b"Serving" in said:
                return
        raise AssertionError("rclone did not serve")

    def stop(self) -> None:
        if self._process is not None:
            self._process.terminate()
            self._process.communicate()
            self._process = None


def spec(storage: str, source: Source):  # type: ignore[no-untyped-def]
    from kronkeep_common.models import BackupPolicySpec

    return BackupPolicySpec(storage_id=storage, source=source, retries=0)
