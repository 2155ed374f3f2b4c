"""A folder of a snapshot is saved as a tar archive from the browse view, also where the connection breaks."""

import hashlib
import io
import tarfile
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.ui.canned import BACKUPS, BROKEN, CannedBackups, CannedClient
from tests.ui.driving import app_of, screen, until

from kronkeep_common.errors import DaemonUnreachable
from kronkeep_common.models.tar_download import TarDownload


def archive() -> bytes:
    """More than two blocks of 64 KiB, so that a download can be continued in the middle."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        entry = tarfile.TarInfo("dir/only/dump.sql")
        entry.size = 150_000
        tar.addfile(entry, io.BytesIO(bytes(range(250)) * 600))
    return buffer.getvalue()


class TarBackups(CannedBackups):
    """`client.backups` whose first answer breaks off; `offsets` are those that were asked for."""

    def __init__(self, canned: CannedClient) -> None:
        super().__init__(canned)
        self.whole = archive()
        self.offsets: list[int] = []

    async def tar_state(self, backup_id: str, path: str) -> TarDownload:
        digest = hashlib.sha256(self.whole).hexdigest()
        return TarDownload(backup_id=backup_id, path=path, expected_bytes=len(self.whole), sha256=digest)

    async def download_tar(
        self, backup_id: str, path: str, offset: int = 0, sha256: str = ""
    ) -> AsyncIterator[bytes]:
        self.offsets.append(offset)
        assert sha256 == hashlib.sha256(self.whole[:offset]).hexdigest()
        if len(self.offsets) == 1:
            yield self.whole[:100_000]
            raise DaemonUnreachable(BROKEN)
        yield self.whole[offset:]


class TarClient(CannedClient):
    """A daemon with one snapshot, whose archive breaks off once."""

    async def pause(self, seconds: float) -> None:
        """Not wait: nobody is there who could come back."""


async def test_a_folder_is_saved_as_a_tar_archive_from_the_browse_view(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    client = TarClient(backups=BACKUPS)
    backups = TarBackups(client)
    client.backups = backups
    async with app_of(client, start="restore").run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: "bb11eaba" in screen(pilot))
        await pilot.press("enter")
        await until(pilot, lambda: "dir/only/" in screen(pilot))
        await pilot.press("d")
        await until(pilot, lambda: ".tar" in screen(pilot).splitlines()[-2])
        await pilot.press("ctrl+u", *"shop", "full_stop", *"tar", "enter")
        await until(pilot, lambda: "Saved 150.0 KiB to" in screen(pilot))
        assert (tmp_path / "shop.tar").read_bytes() == backups.whole
        assert backups.offsets == [0, 65_536], "it goes on where it broke, from a whole block"
        assert [path.name for path in tmp_path.iterdir()] == ["shop.tar"]
        await pilot.press("d", "ctrl+u", *"shop", "full_stop", *"tar", "enter")
        await until(pilot, lambda: "shop.tar exists already. Name another file." in screen(pilot))
