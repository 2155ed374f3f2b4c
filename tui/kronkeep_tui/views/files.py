"""One folder of a snapshot: its files and folders, to open, mark, restore and download."""

from collections.abc import Sequence
from datetime import UTC, datetime
from functools import partial
from operator import attrgetter
from pathlib import Path, PurePosixPath
from typing import IO, Any, NamedTuple

import msgspec

from kronkeep_common.errors import InvalidRequest
from kronkeep_common.models import SnapshotFile
from kronkeep_common.path_text import local_name
from kronkeep_common.text import clean, size
from kronkeep_tui import actions
from kronkeep_tui.actions import Action, Scope, handles
from kronkeep_tui.context import Context
from kronkeep_tui.navigation import Place
from kronkeep_tui.pages.moments import age_cell
from kronkeep_tui.prompt import LinePrompt
from kronkeep_tui.store import Store
from kronkeep_tui.tar_file import fetch_tar
from kronkeep_tui.views.sort_orders import SortOrder, moment_key, name_key
from kronkeep_tui.views.table_view import TableView
from kronkeep_tui.widgets.cells import Text, wrap
from kronkeep_tui.widgets.row_table import Column, TableRow

MOST_ENTRIES = 20_000  # rows of one folder
PROGRESS_BYTES = 8 * 1024 * 1024  # between two messages about a download


class FileFacts(NamedTuple):
    """What a filter may ask of an entry; `created_at` is when it was last modified."""

    name: str
    created_at: datetime


class FilesView(TableView[SnapshotFile]):
    """A folder of a snapshot; the argument is the backup's id, a space and the folder's path."""

    SCOPES = (Scope.FILES, Scope.TABLE, Scope.ANY)
    FILTER_KIND = "files"
    COLUMNS = (
        Column(title="KIND", width=7, drop=2),
        Column(title="NAME", width=24, grow=4, letter="n"),
        Column(title="SIZE", width=10, right=True, letter="z"),
        Column(title="FILES", width=8, right=True, drop=3),
        Column(title="CHANGED", width=8, right=True, drop=1, letter="a", is_moment=True),
        Column(title="MODE", width=5, drop=4),
    )
    EMPTY_LINES = ("Reading the snapshot: a Job lists its files once.",)
    SORT_ORDERS = {
        "n": SortOrder("name", name_key("name")),
        "z": SortOrder("size", attrgetter("size"), True),
        "a": SortOrder("changed", moment_key("modified_at"), True),
    }

    def __init__(self, context: Context, place: Place) -> None:
        super().__init__(context, place)
        self.backup_id, _, folder = place.argument.partition(" ")
        self.folder = folder or "/"
        self._files: Sequence[SnapshotFile] = ()

    def crumb(self, store: Store) -> str:
        backup = store.backups.get(self.backup_id)
        snapshot = backup.result.snapshot_id[:8] if backup and backup.result else "snapshot"
        return clean(PurePosixPath(self.folder).name or f"{snapshot} /", 40)

    def key_of(self, record: SnapshotFile) -> str:
        return record.path

    def records(self, store: Store) -> Sequence[SnapshotFile]:
        return self._files

    def version(self, store: Store) -> object:
        return self._files

    def filter_facts(self, record: SnapshotFile) -> Any:
        return FileFacts(record.name, record.modified_at or datetime.fromtimestamp(0, UTC))

    def row_of(self, record: SnapshotFile, store: Store, now: datetime) -> TableRow:
        kind = "strong" if record.kind == "dir" else ""
        cells = (
            record.kind,
            f"{self._shown_name(record)}/" if record.kind == "dir" else record.name,
            size(record.size),
            str(record.files) if record.kind == "dir" else "",
            age_cell(record.modified_at, now),
            f"{record.mode:04o}",
        )
        return TableRow(record.path, cells, kind)

    def _shown_name(self, folder: SnapshotFile) -> str:
        """Return a folder's name with those below it that are alone in theirs: source/shop-dumps."""
        return folder.folds_to.removeprefix(f"{self.folder.rstrip('/')}/") or folder.name

    def detail_lines(self, record: SnapshotFile, store: Store, now: datetime, width: int) -> list[Text]:
        return [((part, ""),) for part in wrap(clean(record.path, 4096), width)]

    def copy_text(self, record: SnapshotFile) -> str:
        return record.path

    async def load(self) -> None:
        """Read the folder page by page, up to MOST_ENTRIES."""
        client = self.context.client
        cursor = None
        entries: list[SnapshotFile] = []
        while len(entries) < MOST_ENTRIES:
            page = await client.backups.files(self.backup_id, self.folder, 1000, cursor)
            entries += page.items
            cursor = page.next_cursor
            if cursor is None:
                break
        self._files = entries
        self.update()
        if cursor is not None:
            self.context.tell(f"The folder has {page.total} entries; the first {len(entries)} are shown.")

    @handles(actions.CHOOSE)
    def open_entry(self) -> None:
        """Open a folder; of a file, say what can be done with it."""
        entry = self.subject()
        if entry is not None and entry.kind == "dir":
            self.context.enter("files", f"{self.backup_id} {entry.folds_to or entry.path}")
        elif entry is not None:
            self.context.tell(
                f"{entry.path}: {size(entry.size)}. p looks into it, r restores it, d downloads it.", "quiet"
            )

    def refusal(self, action: Action) -> str:
        entry = self.subject()
        if action == actions.DOWNLOAD and entry is not None and entry.kind not in ("file", "dir"):
            return "Only a regular file or a folder can be downloaded; r restores it."
        if action == actions.PREVIEW and entry is not None and entry.kind != "file":
            return "Only into a regular file can be looked; enter opens a folder."
        return ""

    @handles(actions.PREVIEW)
    def show_preview(self) -> None:
        """Show the beginning of a file."""
        if (entry := self.subject()) is not None:
            self.context.enter("preview", f"{self.backup_id} {entry.path}")

    @handles(actions.RESTORE)
    def ask_restore(self) -> None:
        """Ask where to restore the marked entries, or the one under the cursor."""
        paths = [entry.path for entry in self.targets()]
        if paths:
            open_restore_form(self.context, self.backup_id, paths)

    @handles(actions.DOWNLOAD)
    def ask_download(self) -> None:
        """Ask where on the terminal's machine to save a file, or a folder as a tar archive."""
        entry = self.subject()
        if entry is None:
            return
        name = local_name(entry.path) + (".tar" if entry.kind == "dir" else "")
        question = f"Download {size(entry.size)} to: "
        self.context.ask(LinePrompt(question, partial(self._start_download, entry), text=name))

    def _start_download(self, entry: SnapshotFile, text: str) -> None:
        download = self._download_folder if entry.kind == "dir" else self._download
        self.context.start_work(download(entry, Path(text)), f"download {entry.path}")

    async def _download_folder(self, entry: SnapshotFile, target: Path) -> None:
        """Save a folder as a tar archive; what was saved of it before is continued."""
        progress = partial(MessageProgress, self.context)
        file = await fetch_tar(self.context.client, self.backup_id, entry.path, target, progress)
        self.context.tell(f"Saved {size(file.size)} to {Path.cwd() / target}.", "ok")

    async def _download(self, entry: SnapshotFile, target: Path) -> None:
        file = _create_file(target)
        try:
            with file:
                async for chunk in self.context.client.backups.download(self.backup_id, entry.path):
                    file.write(chunk)
        except BaseException:
            target.unlink(missing_ok=True)  # noqa: ASYNC240 - one name on a local disk
            raise
        self.context.tell(f"Saved {size(entry.size)} to {Path.cwd() / target}.", "ok")


class MessageProgress:
    """How far a download has come, in the message line."""

    def __init__(self, context: Context, expected: int, had: int) -> None:
        self._context = context
        self._expected = expected
        self._next = had

    def show(self, written: int) -> None:
        """Say it for each PROGRESS_BYTES."""
        if written >= self._next:
            self._next = written + PROGRESS_BYTES
            self._context.tell(f"{size(written)} of about {size(self._expected)} ...", "quiet")

    def end(self) -> None:
        """Leave the message, which another one replaces."""


def _create_file(target: Path) -> IO[bytes]:
    try:
        return target.open("xb")
    except OSError as fault:
        raise InvalidRequest(f"{target} cannot be written: {fault.strerror}.") from fault


def open_restore_form(context: Context, backup_id: str, paths: Sequence[str]) -> None:
    """Open the form of a restore; `paths` are what to restore, nothing for the whole snapshot."""
    context.enter("restore_form", f"{backup_id} {msgspec.json.encode(paths).decode()}")
