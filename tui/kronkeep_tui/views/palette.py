"""The palette: the actions of the view it was opened from, and every CronJob, with a search."""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from kronkeep_tui import actions
from kronkeep_tui.actions import Action, Scope, handles, place_words
from kronkeep_tui.context import Context
from kronkeep_tui.keymap import Binding
from kronkeep_tui.navigation import Place
from kronkeep_tui.prompt import LinePrompt
from kronkeep_tui.store import Store
from kronkeep_tui.views.table_view import TableView
from kronkeep_tui.widgets.cells import Text, wrap
from kronkeep_tui.widgets.row_table import Column, TableRow


class PaletteEntry(NamedTuple):
    """Something that can be done: an action, or without one a visit to the CronJob with the uid `id`."""

    id: str
    label: str
    key: str = ""
    why_not: str = ""
    action: Action | None = None


def _entry_of(binding: Binding, why_not: str) -> PaletteEntry:
    return PaletteEntry(
        id=binding.action.name,
        label=binding.action.label,
        key=binding.key_labels[0],
        why_not=why_not,
        action=binding.action,
    )


class PaletteView(TableView[PaletteEntry]):
    """What can be done in the kind of view that the argument names."""

    SCOPES = (Scope.PALETTE, Scope.TABLE, Scope.ANY)
    EMPTY_LINES = ("Nothing matches.",)
    COLUMNS = (
        Column(title="DO", width=34, grow=3),
        Column(title="KEY", width=10),
        Column(title="WHY NOT", width=20, drop=1, grow=2),
    )

    def __init__(self, context: Context, place: Place) -> None:
        super().__init__(context, place)
        self._search_text = ""

    def crumb(self, store: Store) -> str:
        return "palette"

    def on_mount(self) -> None:
        """Open the search at once: keys that came meanwhile, and are pressed again after this, go into it."""
        if not self.is_in_front:
            return
        self.context.ask(
            LinePrompt(
                "> ",
                self._accept,
                on_change=self._set_search_text,
                on_cancel=self.context.leave,
                on_arrow=self.table.move,
            )
        )

    def _set_search_text(self, text: str) -> None:
        if not self.is_in_front:
            return  # the prompt is still open, and something else has come to the front
        self._search_text = text.lower()
        self.table.edge(0)
        self.update()

    def version(self, store: Store) -> object:
        return self._search_text

    def records(self, store: Store) -> Sequence[PaletteEntry]:
        """Return the entries that contain every typed word, in any order."""
        words = self._search_text.split()
        return [o for o in self._entries(store) if all(word in o.label.lower() for word in words)]

    def _entries(self, store: Store) -> list[PaletteEntry]:
        below = [each for each in self.context.actions_below() if each.binding.action != actions.PALETTE]
        here = {each.binding.action.name for each in below} | {actions.PALETTE.name}
        entries = [_entry_of(binding, why_not) for binding, why_not in below]
        entries += [
            _entry_of(binding, f"for {place_words(binding.action.scopes)}")
            for binding in self.context.keymap.bindings
            if binding.action.name not in here
        ]
        return entries + [
            PaletteEntry(id=cronjob.id, label=f"go to {cronjob.namespace}/{cronjob.name}")
            for cronjob in store.cronjobs
        ]

    def row_of(self, record: PaletteEntry, store: Store, now: datetime) -> TableRow:
        return TableRow(record.id, (record.label, ((record.key, "accent"),), ((record.why_not, "quiet"),)))

    def detail_lines(self, record: PaletteEntry, store: Store, now: datetime, width: int) -> list[Text]:
        return [((part, "warn"),) for part in wrap(record.why_not, width)]

    def _accept(self, _: str) -> None:
        entry = self.subject()
        self.context.leave()
        if entry is None:
            return
        if entry.action is None:
            self.context.go((Place("jobs"), Place("runs", entry.id)))
        else:
            self.context.perform(entry.action)

    @handles(actions.CHOOSE)
    def perform_entry(self) -> None:
        """Do what the entry says."""
        self._accept("")
