"""The queue before the repositories."""

from collections.abc import Sequence
from datetime import datetime

from kronkeep_common.models import QueueEntry
from kronkeep_tui import actions
from kronkeep_tui.actions import Scope, handles
from kronkeep_tui.context import Context
from kronkeep_tui.navigation import Place
from kronkeep_tui.pages import queue as page
from kronkeep_tui.store import Store
from kronkeep_tui.views.page_view import PageView
from kronkeep_tui.views.wait_text import waiting_lines
from kronkeep_tui.widgets.cells import Text


class QueueView(PageView):
    """What works on repositories, and what waits for them."""

    SCOPES = (Scope.QUEUE, Scope.PAGE, Scope.ANY)

    def __init__(self, context: Context, place: Place) -> None:
        super().__init__(context, place)
        self._entries: Sequence[QueueEntry] | None = None

    def crumb(self, store: Store) -> str:
        return "queue"

    def lines(self, store: Store, now: datetime, width: int) -> Sequence[Text]:
        if self._entries is None:
            return waiting_lines(self.context, width)
        if not self._entries:
            return [(("Nothing works on a repository, and nothing waits for one.", "quiet"),)]
        return page.lines(self._entries, now, width)

    async def load(self) -> None:
        self._entries = (await self.context.client.queue()).items
        self.update()

    @handles(actions.RESYNC)
    def reload(self) -> None:
        """Read the queue again."""
        self.context.start_work(self.read(), "queue")
