"""What tests of restores share: a claim with odd files, what a folder contains, backups and restores."""

import os
from pathlib import Path

from tests.userlands import ODD_NAMES, path_below
from tests.waiting import eventually

from kronkeep_common import path_text
from kronkeep_common.client import Client
from kronkeep_common.models import BackupExecution, Restore, RestoreRequest, RestoreTarget
from kronkeep_common.states import BACKUP_TRANSITIONS, RESTORE_TRANSITIONS, is_final
from kronkeep_common.text import clean

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


UNSHOWABLE_NAMES = [
    *ODD_NAMES,
    b"caf\xe9.txt",
    b"caf\xe8.txt",
    "caf\ufffd.txt".encode(),
    b"cafe.txt",
    "zwnj \u200c zwj \u200d".encode(),
    "rtl \u202e txt.exe".encode(),
    b"escape \x1b[2J",
    b"lat\xff\n\xfe",
    b"$(HOME) $$ $",
    b"\\x41",
]


def fill_with_unshowable_names(claim: Path) -> None:
    """Write a file of each name that cannot be shown, and folders with such names."""
    for name in UNSHOWABLE_NAMES:
        path_below(claim, name).write_bytes(b"file " + name)
        path_below(claim / "folders", name).mkdir(parents=True)
        path_below(claim / "folders", name + b"/f\xe9").write_bytes(b"inside " + name)


async def assert_each_name_can_be_selected(client: Client, backup: BackupExecution, claim: Path) -> None:
    """Restore every other file and folder by the name that a listing gives it, and download some.

    claim: what was archived; the claims of restores are beside it.
    """
    paths: dict[str, str] = {}
    for folder in ("", "folders/"):
        for entry in (await client.backups.files(backup.id, f"/source/{claim.name}/{folder}")).items:
            assert clean(entry.path) == entry.path
            assert entry.exact
            paths[path_text.unescape(entry.path).removeprefix(f"/source/{claim.name}/")] = entry.path
    files = [os.fsdecode(name) for name in UNSHOWABLE_NAMES]
    folders = [f"folders/{name}" for name in files]
    assert paths.keys() >= {*files, *folders}
    chosen = [*files[::2], *folders[1::2]]
    include = tuple(paths[name] for name in chosen)
    request = RestoreRequest(target=RestoreTarget(claim="some"), include=include)
    done = await wait_until_ended(client, await client.backups.restore(backup.id, request))
    assert (done.status, done.message) == ("completed", None)
    inside = {f"{name}/f\udce9" for name in folders[1::2]}
    assert describe_folder(claim.parent / "some").keys() == {"folders", *chosen, *inside}
    for name in (b"caf\xe9.txt", b"lat\xff\n\xfe", b"$(HOME) $$ $"):
        sent = client.backups.download(backup.id, paths[os.fsdecode(name)])
        assert b"".join([chunk async for chunk in sent]) == b"file " + name
