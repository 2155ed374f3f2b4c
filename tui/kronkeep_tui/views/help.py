"""The keys of a view, with a search."""

from collections.abc import Sequence
from datetime import datetime

from kronkeep_tui.store import Store
from kronkeep_tui.views.page_view import PageView
from kronkeep_tui.widgets.cells import Text, wrap_anywhere

FILTERS = (
    "Filters, here and in the API: status:failed ns:pay storage:s3 trigger:manual age:<24h !name:test text",
    "All terms must match, and ! negates one. Commands take filters too, as in :runs status:failed",
)


class HelpView(PageView):
    """The keys of the kind of view that the argument names, then the grammar of filters."""

    def crumb(self, store: Store) -> str:
        return "help"

    def lines(self, store: Store, now: datetime, width: int) -> Sequence[Text]:
        lines: list[Text] = [
            ((f"Keys in {self.argument}", "title"), ("   / searches, esc goes back", "quiet")),
            (),
        ]
        for binding, why in self.context.actions_below():
            keys = " ".join(binding.key_labels)
            action = binding.action
            lines.append(
                (
                    (f"  {keys:17} ", "accent"),
                    (action.label, "quiet" if why else ""),
                    (f"   :{_command(action.name)}", "quiet"),
                    (f"   not now: {why}" if why else "", "warn"),
                )
            )
        shell: list[Text] = [(), (("In a shell (C copies it):", "title"),)]
        shell += [((part, ""),) for part in wrap_anywhere(self.context.shell_line, width)]
        return [*lines, (), *(((line, "quiet"),) for line in FILTERS), *shell]


def _command(name: str) -> str:
    return name.removeprefix("view-").replace("_", "-")
