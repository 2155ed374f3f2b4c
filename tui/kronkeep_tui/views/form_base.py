"""The base of forms: a rail of sections, the fields, a hint, and a panel that explains what they mean."""

from collections.abc import Sequence
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.css.scalar import Scalar
from textual.widget import Widget

from kronkeep_tui import actions
from kronkeep_tui.actions import Scope, handles
from kronkeep_tui.form.form_rows import FormRow
from kronkeep_tui.form.section_rail import rail_of_rows
from kronkeep_tui.views.view import View
from kronkeep_tui.widgets.cells import Text, wrap
from kronkeep_tui.widgets.form_widget import GAP, FormWidget
from kronkeep_tui.widgets.hint_lines import HintLines
from kronkeep_tui.widgets.line_widget import FormPanel, TextLine

HEIGHT_OF_RAIL = 1
LEAST_FIELDS = 5  # rows that the panel below them leaves free
HIGHEST_PANEL = 9
HIGHEST_TALL_PANEL = 16  # on a tall screen


class FormBase(View):
    """A form; a subclass gives `form_rows`, `hint`, `suggested_texts`, `accept_text` and the panel."""

    SCOPES: ClassVar[tuple[Scope, ...]] = (Scope.FORM, Scope.ANY)
    SCOPED_CSS = False  # the screen's classes are outside of the view
    DEFAULT_CSS = """
    FormBase { layout: vertical; }
    FormBase > Vertical { height: 1fr; width: 1fr; }
    FormBase > .panel { height: 1; }
    FormBase.-yaml > .panel { height: 60%; }
    .-wide FormBase { layout: horizontal; }
    .-wide FormBase > .panel { height: 1fr; width: 50%; margin: 0 0 0 2; }
    """

    def form_rows(self) -> list[FormRow]:
        """Return every row as it is now."""
        raise NotImplementedError

    def hint(self, row: FormRow) -> tuple[str, str]:
        """Return the line below the fields for the row under the cursor, and its role."""
        raise NotImplementedError

    def suggested_texts(self, key: str) -> Sequence[str]:
        """Return whole texts that may follow what is typed in a field, the best first."""
        raise NotImplementedError

    def accept_text(self, key: str, text: str) -> None:
        """Take a text that was typed."""
        raise NotImplementedError

    def create_panel(self) -> FormPanel:
        """Return the widget that explains the form."""
        raise NotImplementedError

    def show_preview(self) -> None:
        """Show in the panel what the fields mean now."""
        raise NotImplementedError

    def compose(self) -> ComposeResult:
        panel = self.create_panel()
        panel.add_class("panel")
        with Vertical():
            yield TextLine(id="rail")
            yield FormWidget()
            yield HintLines(id="hint")
        yield panel

    @property
    def form_widget(self) -> FormWidget:
        """The widget with the fields."""
        return self.query_one(FormWidget)

    @property
    def _hint_lines(self) -> HintLines:
        return self.query_one(HintLines)

    @property
    def panel(self) -> FormPanel:
        """The widget that explains the form."""
        return self.query_one(".panel", FormPanel)

    def focus_target(self) -> Widget | None:
        return self.form_widget

    def refresh_fields(self, *, at: str | None = None) -> None:
        """Show the fields as they are now, with their hint and what they mean; put the cursor `at` a key."""
        self.form_widget.show(self.form_rows(), at=at)
        self.show_hint()
        self.show_preview()

    def show_hint(self) -> None:
        """Show the hint of the row under the cursor, and its section in the rail."""
        if not self.query("#hint"):
            return  # the terminal is being left
        row = self.form_widget.row
        text, role = self.hint(row)
        self._hint_lines.say(text, role)
        rail = self.query_one("#rail", TextLine)
        rail.say(*rail_of_rows(self.form_widget.rows, row.key, rail.size.width))

    def fit_panel(self) -> None:
        """Give the panel below the fields the lines that it needs, and the fields every other one."""
        panel = self.panel
        if self.screen.has_class("-wide") or self.has_class("-yaml"):
            panel.display = True
            if panel.styles.inline.has_rule("height"):
                panel.styles.height = None  # unlike clear_rule this lays the form out again
            return
        size = self.context.view_size
        most = HIGHEST_TALL_PANEL if self.screen.has_class("-tall") else HIGHEST_PANEL
        fields = max(LEAST_FIELDS, min(len(self.form_widget.rows), size.height // 3))
        lines = panel.count_lines(size.width)
        bars = HEIGHT_OF_RAIL + self._hint_lines.count
        height = min(most, size.height - bars - fields, lines)
        panel.display = height > 1 or height == lines == 1  # one line alone would only say that more follow
        if panel.display and panel.styles.height != Scalar.from_number(height):
            panel.styles.height = height

    def fault_lines(self, width: int) -> list[Text]:
        """Return the faults that are not whole beside their fields, for a panel of a width in cells."""
        room = self.form_widget.room
        here = self.form_widget.row.key
        return [
            ((part, "bad"),)
            for row in self.form_widget.rows
            if row.fault and row.key != here and len(row.text) + len(row.fault) + GAP > room
            for part in wrap(f"{row.label}: {row.fault}", width)
        ]

    @on(FormWidget.TextChanged)
    def _on_text_changed(self, message: FormWidget.TextChanged) -> None:
        self.accept_text(message.key, message.text)

    @on(FormWidget.FieldChanged)
    def _on_field_changed(self) -> None:
        self.show_preview()  # it has the faults of fields that are left
        self.show_hint()

    @on(FormWidget.LetterRefused)
    def _on_letter_refused(self, message: FormWidget.LetterRefused) -> None:
        self.context.tell(f"Nothing is typed here: left and right choose among {', '.join(message.choices)}.")

    @on(FormWidget.SuggestionRequested)
    def _on_suggestion_requested(self, message: FormWidget.SuggestionRequested) -> None:
        texts = self.suggested_texts(message.key)
        if texts:
            self.accept_text(message.key, texts[0])
            self.refresh_fields(at=message.key)

    def on_text_line_span_clicked(self, message: TextLine.SpanClicked) -> None:
        """Go to a section that was clicked in the rail."""
        if message.line.id == "rail":
            message.stop()
            self.form_widget.go_to_section(message.number)

    @handles(actions.SECTION)
    def go_to_next_section(self) -> None:
        """Move to the next section."""
        self.form_widget.go_to_next_section()

    @handles(actions.SECTION_BEFORE)
    def go_to_previous_section(self) -> None:
        """Move to the section before."""
        self.form_widget.go_to_previous_section()

    @handles(actions.PAGE_DOWN)
    def page_down(self) -> None:
        """Scroll the panel down."""
        self.panel.page(1)

    @handles(actions.PAGE_UP)
    def page_up(self) -> None:
        """Scroll the panel up."""
        self.panel.page(-1)


def with_margin(lines: Sequence[Text]) -> list[Text]:
    """Return lines with a blank before each."""
    return [((" ", ""), *line) for line in lines]
