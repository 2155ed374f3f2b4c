"""The beginning of one file of a snapshot, as text or as bytes."""

from collections.abc import Sequence
from contextlib import aclosing
from datetime import datetime

from kronkeep_common.path_text import local_name
from kronkeep_common.text import clean
from kronkeep_tui import actions
from kronkeep_tui.actions import Scope, handles
from kronkeep_tui.context import Context
from kronkeep_tui.navigation import Place
from kronkeep_tui.pages import file_preview as page
from kronkeep_tui.store import Store
from kronkeep_tui.views.page_view import PageView
from kronkeep_tui.views.wait_text import waiting_lines
from kronkeep_tui.widgets.cells import Text

FETCHING = "Reading the file from the storage; that takes a while ..."


class PreviewView(PageView):
    """The file whose backup's id and path, separated by a space, are the argument."""

    SCOPES = (Scope.PREVIEW, Scope.PAGE, Scope.ANY)

    def __init__(self, context: Context, place: Place) -> None:
        super().__init__(context, place)
        self.backup_id, _, self.path = place.argument.partition(" ")
        self._data: bytes | None = None
        self._whole = 0
        self._is_hex = False

    def crumb(self, store: Store) -> str:
        return clean(local_name(self.path), 40)

    def lines(self, store: Store, now: datetime, width: int) -> Sequence[Text]:
        if self._data is None:
            return waiting_lines(self.context, width, FETCHING)
        make = page.hex_lines if self._is_hex else page.text_lines
        head = page.head_line(self.path, len(self._data), self._whole, is_hex=self._is_hex)
        return [head, (), *(make(self._data, width) if self._data else [(("The file is empty.", "quiet"),)])]

    async def load(self) -> None:
        """Read the first MOST_BYTES of the file; its size is that of the listing."""
        calls = self.context.client.backups
        folder = self.path.rpartition("/")[0] or "/"
        listed = (await calls.files(self.backup_id, folder, 1000)).items
        data = b""
        async with aclosing(calls.download(self.backup_id, self.path)) as chunks:
            async for chunk in chunks:
                data += chunk
                if len(data) >= page.MOST_BYTES:
                    break
        self._data = data[: page.MOST_BYTES]
        sizes = [entry.size for entry in listed if entry.path == self.path]
        self._whole = max([len(data), *sizes])
        self._is_hex = not page.looks_like_text(self._data)
        self.update()

    @handles(actions.HEX)
    def toggle_hex(self) -> None:
        """Show the bytes, or the text again."""
        self._is_hex = not self._is_hex
        self.update()
