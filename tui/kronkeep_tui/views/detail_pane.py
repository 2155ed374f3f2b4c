"""The pane with the details of the row under the cursor: beside the rows on wide screens, else below them."""

from textual.geometry import Size

from kronkeep_tui.widgets.line_widget import ScrollablePage

FEWEST_COLUMNS = 20
FEWEST_LINES = 2
COLUMNS_OF_ROWS = 40  # that are left to the rows
LINES_OF_ROWS = 5


def resize(pane: ScrollablePage, view: Size, step: int, *, is_beside: bool) -> str:
    """Make the pane of a view larger or smaller (-1), and return in words what it has now."""
    if not pane.display:
        return "There is no pane with details at this size."
    if is_beside:
        columns = min(view.width - COLUMNS_OF_ROWS, pane.outer_size.width + 8 * step)
        pane.styles.width = max(FEWEST_COLUMNS, columns)
        return f"Details have {max(FEWEST_COLUMNS, columns)} columns."
    lines = min(view.height - LINES_OF_ROWS, pane.outer_size.height + 2 * step)
    pane.styles.height = max(FEWEST_LINES, lines)
    return f"Details have {max(FEWEST_LINES, lines)} lines."
