"""The line of a form's sections: where the cursor is, and which have a fault; pure."""

from collections.abc import Sequence

from kronkeep_tui.form.form_rows import FormRow
from kronkeep_tui.widgets.cells import Text


def rail_of_rows(rows: Sequence[FormRow], key: str, width: int) -> Text:
    """Return the titles of the sections, the one with the key in brackets, those with a fault with `!`.

    Where they do not fit into a width in cells, they stand closer to each other.
    """
    spans = _titles(rows, key, " ")
    is_fitting = sum(len(words) for words, _ in spans) <= width
    return spans if is_fitting or not width else _titles(rows, key, "")


def _titles(rows: Sequence[FormRow], key: str, margin: str) -> Text:
    spans: list[tuple[str, str]] = []
    for title, fields in sections_of_rows(rows):
        has_fault = any(row.fault for row in fields)
        words = f"{title.partition(':')[0]}{'!' if has_fault else ''}"
        is_here = any(row.key == key for row in fields)
        role = "bad" if has_fault else "chosen" if is_here else "quiet"
        space = "" if margin else " "
        spans.append((f"[{words}]{space}" if is_here else f"{margin}{words} ", role))
    return tuple(spans)


def sections_of_rows(rows: Sequence[FormRow]) -> list[tuple[str, list[FormRow]]]:
    """Return each heading with the rows below it."""
    sections: list[tuple[str, list[FormRow]]] = []
    for row in rows:
        if not row.key:
            sections.append((row.label, []))
        elif sections:
            sections[-1][1].append(row)
    return sections
