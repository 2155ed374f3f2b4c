"""Two runs side by side, field by field."""

from collections.abc import Sequence
from datetime import datetime

from kronkeep_tui.pages.history import compare
from kronkeep_tui.store import Store
from kronkeep_tui.views.page_view import PageView
from kronkeep_tui.widgets.cells import Text


class CompareView(PageView):
    """The two runs whose ids, separated by a space, are the argument; the earlier comes first."""

    def crumb(self, store: Store) -> str:
        return "compare"

    def lines(self, store: Store, now: datetime, width: int) -> Sequence[Text]:
        early, _, late = self.argument.partition(" ")
        one = store.executions.get(early)
        two = store.executions.get(late)
        if one is None or two is None:
            return [(("One of the two runs is no longer known.", "warn"),)]
        return compare(one, two, store, now, width)
