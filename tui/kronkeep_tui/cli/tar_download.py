"""`kronkeep download BACKUP FOLDER --to FILE.tar`: a folder as a tar archive."""

import time
from pathlib import Path
from typing import TYPE_CHECKING

from kronkeep_common.text import clean, size
from kronkeep_tui.cli.wait_for_end import ProgressLine
from kronkeep_tui.tar_file import fetch_tar

if TYPE_CHECKING:
    from kronkeep_common.client import Client

TOLD_EVERY = 1.0  # seconds between two lines about the progress


class DownloadProgress:
    """How far a download has come and how fast, on one line of a terminal."""

    def __init__(self, expected: int, had: int) -> None:
        self._line = ProgressLine()
        self._expected = expected
        self._had = had
        self._began = time.monotonic()
        self._told = 0.0

    def show(self, written: int) -> None:
        """Show it, once a second at most."""
        now = time.monotonic()
        if now - self._told < TOLD_EVERY:
            return
        self._told = now
        rate = int((written - self._had) / max(now - self._began, 0.001))
        self._line.show(
            "downloading", f"{size(written)} of about {size(self._expected)}, {size(rate)} a second"
        )

    def end(self) -> None:
        """End the line of the progress."""
        self._line.end()


def is_tar_wanted(path: str, target: str | None) -> bool:
    """Whether the file that is named is to be a tar archive of a folder."""
    return bool(target) and str(target).endswith(".tar") and not path.endswith(".tar")


async def download_tar(client: "Client", backup_id: str, path: str, target: Path) -> None:
    """Download a folder and print what came; see `fetch_tar`."""
    file = await fetch_tar(client, backup_id, path, target, DownloadProgress)
    print(f"{clean(str(target), 300)}  {size(file.size)}  sha256 {file.digest.hexdigest()}")
