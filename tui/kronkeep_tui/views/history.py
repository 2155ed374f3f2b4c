"""A CronJob's past on one page."""

from collections.abc import Sequence
from datetime import datetime

from kronkeep_tui.pages import history as page
from kronkeep_tui.store import Store
from kronkeep_tui.views.page_view import PageView
from kronkeep_tui.widgets.cells import Text


class HistoryView(PageView):
    """The past of the CronJob whose id is the argument."""

    def crumb(self, store: Store) -> str:
        return "history"

    def lines(self, store: Store, now: datetime, width: int) -> Sequence[Text]:
        cronjob = store.cronjob(self.argument)
        if cronjob is None:
            return [(("The CronJob no longer exists; its runs are in Runs.", "warn"),)]
        return page.page(cronjob, store, now, width, plain=self.context.settings.plain)

    async def load(self) -> None:
        await self.context.reader.read_older_runs(cronjob_id=self.argument)
        await self.read_backups()

    async def read_backups(self) -> None:
        await self.context.reader.read_older_backups(cronjob_id=self.argument)
