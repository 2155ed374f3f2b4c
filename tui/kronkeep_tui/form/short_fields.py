"""The rows and texts of a short form, whose sections depend on what is chosen in it; pure."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from kronkeep_common.errors import InvalidRequest, KronkeepError
from kronkeep_tui.form.fields import FormField, FormSection
from kronkeep_tui.form.form_rows import LISTED, FormRow

Texts = Mapping[str, str]
Sections = Sequence[FormSection]


class Suggestion(NamedTuple):
    """A text that fits a field, and a few words about what it names."""

    text: str
    words: str = ""


class ParsedTexts(NamedTuple):
    """The values of the fields that are filled, and why a text is refused, both by the field's path."""

    values: dict[str, Any]
    faults: dict[str, str]


def find_field(sections: Sections, path: str) -> FormField | None:
    """Return the field of a path; None where the form has none now."""
    return next((field for section in sections for field in section.fields if field.path == path), None)


def rows_of_sections(
    sections: Sections, texts: Texts, faults: Mapping[str, str], locked: frozenset[str] = frozenset()
) -> list[FormRow]:
    """Return a heading for each section and a row for each of its fields."""
    rows = []
    for section in sections:
        rows.append(FormRow(key="", label=section.title))
        for field in section.fields:
            row = FormRow(
                key=field.path,
                label=field.label,
                text=texts.get(field.path, ""),
                choices=field.choices,
                fault=faults.get(field.path, ""),
                locked=field.path in locked,
            )
            rows.append(row)
    return rows


def read_texts(sections: Sections, texts: Texts) -> ParsedTexts:
    """Read every text of the form's fields; an empty one has no value."""
    values: dict[str, Any] = {}
    faults: dict[str, str] = {}
    for section in sections:
        for field in section.fields:
            text = texts.get(field.path, "").strip()
            if not text:
                continue
            try:
                values[field.path] = _read_text(field, text)
            except KronkeepError as error:
                faults[field.path] = error.message
    return ParsedTexts(values, faults)


def _read_text(field: FormField, text: str) -> Any:
    if field.choices and text not in field.choices:
        raise InvalidRequest(f"It is one of {', '.join(field.choices)}.")
    return field.format.read(text)


def fitting_suggestions(suggestions: Sequence[Suggestion], text: str) -> list[Suggestion]:
    """Return the suggestions that begin with what is typed, but for the text itself."""
    return [each for each in suggestions if each.text.startswith(text) and each.text != text]


def hint_of_row(row: FormRow, sections: Sections, suggestions: Sequence[Suggestion]) -> str:
    """Return the line below the fields: what is wrong, what may be typed, and what exists."""
    field = find_field(sections, row.key)
    if row.locked:
        return "This stays as it was made."
    if row.choices:
        return (field.help if field else "") or "left and right choose"
    fitting = fitting_suggestions(suggestions, row.text)[:LISTED]
    names = ", ".join(f"{each.text} {each.words}".strip() for each in fitting)
    parts = [row.fault or (field.help if field else ""), f"right completes: {names}" if names else ""]
    return "  ".join(part for part in parts if part)
