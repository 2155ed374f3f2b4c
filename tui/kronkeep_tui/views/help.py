"""The keys of a view, with a search."""

from collections.abc import Sequence
from datetime import datetime

from kronkeep_tui.context import AvailableAction
from kronkeep_tui.store import Store
from kronkeep_tui.views.page_view import PageView
from kronkeep_tui.widgets.cells import Text, put_side_by_side, wrap, wrap_anywhere

COLUMN_CELLS = 62  # a key, what it does, its command
FILTERS = (
    "Filters, here and in the API: status:failed ns:pay storage:s3 trigger:manual age:<24h !name:test text",
    "All terms must match, and ! negates one. Commands take filters too, as in :runs status:failed",
)
FIGURES = (
    "row 3/27 of 40 and older: the third of 27 rows, which filter or namespace left of 40; "
    "older ones are read as you go down. 2 alerts +1 ack: one more is acknowledged.",
)


NIGHT = (
    "A block is a run, as long as it took; ▄ an archive; ─ its wait in the queue; ░ what is planned, as long "
    "as usual; ○ (or o) a slot without a run; ▒ several runs in one cell, 37× how many they are. At its end: "
    "x failed, c cancelled, ? unknown, p partial. │ is now, [ ] the run that is chosen, 12 × a row of 12 "
    "CronJobs. Times are of the zone in the header, which Z changes.",
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
        lines += put_in_columns([_key_line(each) for each in self.context.actions_below()], width)
        shell: list[Text] = [
            (),
            (("In a shell (C has this and more lines):", "title"),),
        ]
        shell += [((part, ""),) for part in wrap_anywhere(self.context.shell_line, width)]
        notes = [((part, "quiet"),) for line in self._notes() for part in wrap(line, width)]
        return [*lines, (), *notes, *shell]

    def _notes(self) -> Sequence[str]:
        return (*NIGHT, *FILTERS, *FIGURES) if self.argument == "night" else (*FILTERS, *FIGURES)


def _key_line(available: AvailableAction) -> Text:
    keys = " ".join(available.binding.key_labels)
    action = available.binding.action
    return (
        (f"  {keys:17} ", "accent"),
        (action.label, "quiet" if available.why_not else ""),
        (f"   :{_command(action.name)}", "quiet"),
        (f"   not now: {available.why_not}" if available.why_not else "", "warn"),
    )


def put_in_columns(lines: Sequence[Text], width: int) -> list[Text]:
    """Return lines in as many columns of COLUMN_CELLS as there is space for, read from the top down."""
    count = max(1, width // COLUMN_CELLS)
    height = -(-len(lines) // count)
    wide = width // count
    columns = [lines[number * height : (number + 1) * height] for number in range(count)]
    joined = list(columns[0])
    for number, column in enumerate(columns[1:], 1):
        joined = put_side_by_side(joined, column, number * wide - 2, gap=2)
    return joined


def _command(name: str) -> str:
    return name.removeprefix("view-").replace("_", "-")
