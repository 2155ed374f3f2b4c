"""What two backups differ in."""

from collections.abc import Sequence
from datetime import datetime

from kronkeep_common.models.file_changes import BackupDiff
from kronkeep_tui.context import Context
from kronkeep_tui.navigation import Place
from kronkeep_tui.pages import diff as page
from kronkeep_tui.store import Store
from kronkeep_tui.views.page_view import PageView
from kronkeep_tui.views.wait_text import waiting_lines
from kronkeep_tui.widgets.cells import Text

MOST = 1000
LISTING = "Reading the listings; the first time that takes a while ..."


class DiffView(PageView):
    """The differences of the two backups whose ids, separated by a space, are the argument."""

    def __init__(self, context: Context, place: Place) -> None:
        super().__init__(context, place)
        self._diff: BackupDiff | None = None

    def crumb(self, store: Store) -> str:
        return "diff"

    def lines(self, store: Store, now: datetime, width: int) -> Sequence[Text]:
        if self._diff is None:
            return waiting_lines(self.context, width, LISTING)
        return page.lines(self._diff)

    async def load(self) -> None:
        older, _, newer = self.argument.partition(" ")
        self._diff = await self.context.client.backups.diff(older, newer, limit=MOST)
        self.update()
