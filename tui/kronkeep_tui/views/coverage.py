"""Which claims are backed up, and which are not."""

from collections.abc import Sequence
from datetime import datetime

from kronkeep_common.api import CoverageList
from kronkeep_tui import actions
from kronkeep_tui.actions import Scope, handles
from kronkeep_tui.context import Context
from kronkeep_tui.navigation import Place
from kronkeep_tui.pages import coverage as page
from kronkeep_tui.store import Store
from kronkeep_tui.views.page_view import PageView
from kronkeep_tui.views.wait_text import waiting_lines
from kronkeep_tui.widgets.cells import Text


class CoverageView(PageView):
    """The claims of the watched namespaces, those that nobody backs up first."""

    SCOPES = (Scope.COVERAGE, Scope.PAGE, Scope.ANY)

    def __init__(self, context: Context, place: Place) -> None:
        super().__init__(context, place)
        self._coverage: CoverageList | None = None

    def crumb(self, store: Store) -> str:
        return "coverage"

    def lines(self, store: Store, now: datetime, width: int) -> Sequence[Text]:
        if self._coverage is None:
            return waiting_lines(self.context, width)
        return page.lines(self._coverage, now, width)

    async def load(self) -> None:
        self._coverage = await self.context.client.coverage()
        self.update()

    @handles(actions.RESYNC)
    def reload(self) -> None:
        """List the claims again."""
        self.context.start_work(self.read(), "coverage")
