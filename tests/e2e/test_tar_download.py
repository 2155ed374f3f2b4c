"""Folders as tar archives: of any size, checked end to end, and continued after every kind of cut."""

import asyncio
import hashlib
import os
import subprocess
import tarfile
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.cluster_proxy import ClusterProxy, daemon_behind_proxy
from tests.command_line import run_process
from tests.e2e.backup_site import DEBIAN_RESTIC, BackupSite
from tests.e2e.daemon_account import create_token
from tests.e2e.restore_site import describe_folder, fill_claim
from tests.waiting import eventually

from kronkeep_common.models import BackupExecution

LARGE = 48_000_000  # bytes: more than a download of a single file may have, and than a kubelet keeps of a log
FOLDER = "/source/data"


@pytest.fixture
async def proxied(tmp_path: Path) -> AsyncIterator[tuple[BackupSite, ClusterProxy]]:
    """A daemon with the rights of systemd/kubernetes, behind a proxy."""
    async with daemon_behind_proxy(tmp_path, create_token) as (daemon, proxy, _):
        yield BackupSite(daemon, DEBIAN_RESTIC), proxy


async def prepare(site: BackupSite) -> tuple[Path, BackupExecution]:
    """Fill a claim and back it up; return its folder and the backup."""
    await site.create_storage("vault")
    data = await site.create_claim("data")
    fill_claim(data, "text")
    (data / "large").write_bytes(os.urandom(LARGE))
    async with site.client() as client:
        await site.create_cronjob(client, "job", "data", "vault")
        backup = await site.back_up(client, "job")
    assert backup.status == "succeeded", backup
    return data, backup


async def download(
    site: BackupSite, backup: BackupExecution, target: Path
) -> "subprocess.CompletedProcess[str]":
    return await asyncio.to_thread(run_process, site.daemon, "download", backup.id, FOLDER, "-o", str(target))


def extract(archive: Path, folder: Path) -> Path:
    """Extract an archive as tar(1) does; return the folder with the claim's files."""
    with tarfile.open(archive) as tar:
        assert all(member.name.lstrip("/").startswith("source/data") for member in tar.getmembers())
    folder.mkdir()
    subprocess.run(["tar", "-xpf", archive, "-C", folder], check=True)
    return folder / "source" / "data"


def describe(folder: Path) -> dict[str, list[object]]:
    """Return what a tar archive of restic keeps whole: times are rounded, hard links files of their own."""
    return {
        name: [fact for number, fact in enumerate(facts) if facts[0] == "link" or number not in (2, 3)]
        for name, facts in describe_folder(folder).items()
    }


async def test_a_folder_arrives_whole_and_is_continued_after_cuts_and_a_killed_daemon(
    proxied: tuple[BackupSite, ClusterProxy], tmp_path: Path
) -> None:
    site, proxy = proxied
    data, backup = await prepare(site)
    # The first question for the log is refused, so the parts that were sent meanwhile are asked for again.
    proxy.fail(r"GET .*/log", 0, "refused")
    target = tmp_path / "data.tar"
    done = await download(site, backup, target)
    assert done.returncode == 0, done
    assert "sha256" in done.stdout
    extracted = await asyncio.to_thread(extract, target, tmp_path / "x")
    assert describe(extracted) == describe(data)
    whole = target.read_bytes()
    assert len(whole) > LARGE
    # Continued from what there is, which need not be whole blocks; and not from something else.
    part = target.with_name("data.tar.part")
    part.write_bytes(whole[:9_000_001])
    target.unlink()
    done = await download(site, backup, target)
    assert (done.returncode, target.read_bytes() == whole) == (0, True), done
    target.unlink()
    part.write_bytes(b"x" * 9_000_001)
    done = await download(site, backup, target)
    assert done.returncode != 0
    assert "not what the archive begins with" in done.stderr
    part.unlink()
    await kill_daemon_in_the_middle(site, backup, target)
    assert target.read_bytes() == whole
    # A file is no folder, and nothing is left in the cluster.
    done = await asyncio.to_thread(
        run_process, site.daemon, "download", backup.id, f"{FOLDER}/large", "-o", str(tmp_path / "y.tar")
    )
    assert "Only a folder" in done.stderr
    assert not (tmp_path / "y.tar.part").exists()
    assert "is forbidden" not in site.daemon.log.read_text()


async def kill_daemon_in_the_middle(site: BackupSite, backup: BackupExecution, target: Path) -> None:
    """Kill the daemon during a download; the command goes on by itself, or when it is called again."""
    part = target.with_name(f"{target.name}.part")

    def size() -> int:
        return part.stat().st_size if part.exists() else 0

    downloading = asyncio.ensure_future(download(site, backup, target))
    await eventually(lambda: asyncio.to_thread(size), lambda bytes_there: bytes_there > 8_000_000)
    await site.daemon.kill()
    await site.daemon.start()
    if (await downloading).returncode != 0:
        assert (await download(site, backup, target)).returncode == 0


def memory_of(pid: int, field: str) -> int:
    """Return a field of proc(5) in bytes: VmRSS is the memory now, VmHWM the most so far."""
    line = next(
        line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith(field)
    )
    return int(line.split()[1]) * 1024


@pytest.mark.torture
@pytest.mark.timeout(3600)
async def test_five_gib_need_twenty_megabytes_of_the_daemons_memory(
    proxied: tuple[BackupSite, ClusterProxy],
) -> None:
    """TAR_GIB is another size."""
    site, _ = proxied
    wanted = int(float(os.environ.get("TAR_GIB", "5")) * 2**30)
    data, backup = await prepare(site)
    async with site.client() as client:
        async for _ in client.backups.download_tar(backup.id, FOLDER):
            pass  # what every first download brings with it
        with (data / "zeros").open("wb") as file:
            file.truncate(wanted)
        backup = await site.back_up(client, "job")
        pid = site.daemon.pid
        before = memory_of(pid, "VmRSS")
        await asyncio.to_thread(Path(f"/proc/{pid}/clear_refs").write_text, "5")  # VmHWM begins anew
        digest = hashlib.sha256()
        size = 0
        async for chunk in client.backups.download_tar(backup.id, FOLDER):
            digest.update(chunk)
            size += len(chunk)
        state = await client.backups.tar_state(backup.id, FOLDER)
    assert size > wanted
    assert state.sha256 == digest.hexdigest()
    assert abs(state.expected_bytes - size) < 100_000
    assert memory_of(pid, "VmHWM") - before < 20_000_000, (before, memory_of(pid, "VmHWM"))
