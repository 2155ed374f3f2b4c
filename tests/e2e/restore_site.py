"""What tests of restores share: a claim with odd files, what a folder contains, backups and restores."""

import os
from pathlib import Path

from tests.waiting import eventually

from kronkeep_common.client import Client
from kronkeep_common.models import BackupExecution, Restore
from kronkeep_common.states import BACKUP_TRANSITIONS, RESTORE_TRANSITIONS, is_final

LONG_NAME = "ü" * 127 + "x"  # 255 bytes


def fill_claim(claim: Path, text: str) -> None:
    """Write files with odd names, empty ones, links and modes into a claim."""
    claim.mkdir(parents=True, exist_ok=True)
    folder = claim / "odd dir"
    folder.mkdir(exist_ok=True)
    for name in ("a file", "new\nline", "*[x]?\\", LONG_NAME, "-rf", "ünïcode", "two\n\nlines "):
        (folder / name).write_text(f"{name} {text}")
    (claim / "empty").touch()
    (claim / "program").write_text(text)
    (claim / "program").chmod(0o751)
    folder.chmod(0o700)
    if not (claim / "link").is_symlink():
        (claim / "link").symlink_to("odd dir/a file")
        os.link(claim / "program", claim / "hard")


def describe_folder(folder: Path) -> dict[str, tuple[object, ...]]:
    """Return everything below a folder by its path: kind, mode, time, number of links, bytes or target."""
    described: dict[str, tuple[object, ...]] = {}
    for path in sorted(folder.rglob("*")):
        name = str(path.relative_to(folder))
        stat = path.lstat()
        if path.is_symlink():
            described[name] = ("link", str(path.readlink()))
        elif path.is_dir():
            described[name] = ("dir", stat.st_mode, stat.st_mtime_ns)
        else:
            described[name] = ("file", stat.st_mode, stat.st_mtime_ns, stat.st_nlink, path.read_bytes())
    return described


async def back_up(client: Client) -> BackupExecution:
    started = await client.cronjobs.back_up("default", "job")
    backup = await eventually(
        lambda: client.backups.get(started.id), lambda b: is_final(BACKUP_TRANSITIONS, b.status)
    )
    assert backup.status == "succeeded", backup
    return backup


async def wait_until_ended(client: Client, restore: Restore) -> Restore:
    return await eventually(
        lambda: client.restores.get(restore.id), lambda r: is_final(RESTORE_TRANSITIONS, r.status)
    )
