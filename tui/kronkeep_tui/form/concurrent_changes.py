"""Changes that somebody else made to a CronJob while its form was open, field by field; pure.

All rows of a field are compared together. Fields that are not used in the CronJob as it is now (those of a
policy that was removed) are not compared: the difference is in the field that they depend on.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from kronkeep_tui.form.draft import Draft, entries_of, is_used
from kronkeep_tui.form.fields import FIELDS, SECTIONS
from kronkeep_tui.widgets.cells import Text, wrap

Texts = tuple[str, ...]
MOST_DESCRIBED = 4
FULL_LABELS = {
    field.path: f"{section.title} {field.label}" for section in SECTIONS for field in section.fields
}
"""The name of each field by its path, for use outside of its section."""


class ConcurrentChange(NamedTuple):
    """A field that somebody else changed: its texts when the form was opened, theirs now, and those here."""

    path: str
    before: Texts
    theirs: Texts
    mine: Texts

    @property
    def collides(self) -> bool:
        """Whether it was changed here, too, to something else."""
        return self.mine not in (self.before, self.theirs)


def texts_of(draft: Draft, path: str) -> Texts:
    """Return the texts of a field, row by row, without empty ones."""
    texts = [text for _, text in entries_of(draft, path)] if FIELDS[path].many else [draft.get(path, "")]
    return tuple(text for text in texts if text.strip())


def replace_texts(draft: Draft, path: str, texts: Texts) -> dict[str, str]:
    """Return the draft with other texts in a field."""
    if not FIELDS[path].many:
        return {**draft, path: texts[0] if texts else ""}
    old = {key for key, _ in entries_of(draft, path)}
    others = {key: text for key, text in draft.items() if key not in old}
    return others | {f"{path}.{number}": text for number, text in enumerate(texts)}


def find_changes(base: Draft, mine: Draft, theirs: Draft) -> list[ConcurrentChange]:
    """Return the fields in which `theirs` differs from `base`, in the form's order."""
    changes = [
        ConcurrentChange(
            path=path, before=texts_of(base, path), theirs=texts_of(theirs, path), mine=texts_of(mine, path)
        )
        for path in FIELDS
        if is_used(theirs, path)
    ]
    return [change for change in changes if change.theirs != change.before]


def merge_changes(mine: Draft, changes: Iterable[ConcurrentChange]) -> dict[str, str]:
    """Return `mine` with their texts in each field that was not changed here."""
    draft = dict(mine)
    for change in changes:
        if not change.collides:
            draft = replace_texts(draft, change.path, change.theirs)
    return draft


def describe_texts(texts: Texts) -> str:
    """Write the texts of a field in one line."""
    return ", ".join(texts) or "nothing"


def describe_changes(changes: Sequence[ConcurrentChange]) -> str:
    """Write which fields were changed from what to what, the first MOST_DESCRIBED of them."""
    parts = [
        f"{FULL_LABELS[change.path]} {describe_texts(change.before)} → {describe_texts(change.theirs)}"
        for change in changes[:MOST_DESCRIBED]
    ]
    more = len(changes) - len(parts)
    return ", ".join([*parts, *([f"and {more} more"] if more else [])])


def change_hint(change: ConcurrentChange, draft: Draft) -> str:
    """Write the line below a field that somebody else changed."""
    is_taken = texts_of(draft, change.path) == change.theirs
    before = change.before if change.mine == change.theirs else change.mine
    if is_taken:
        return f"somebody else wrote this; ctrl+t puts back {describe_texts(before)}"
    return f"ctrl+t takes what somebody else wrote: {describe_texts(change.theirs)}"


def change_lines(changes: Iterable[ConcurrentChange], draft: Draft, width: int) -> list[Text]:
    """Write what somebody else changed, and what the form has in those fields now."""
    lines: list[Text] = []
    for change in changes:
        here = texts_of(draft, change.path)
        is_taken = here == change.theirs
        texts = f"{describe_texts(change.before)} → {describe_texts(change.theirs)}"
        end = ", as here" if is_taken else f"; here {describe_texts(here)}"
        text = f"{FULL_LABELS[change.path]}: {texts}{end}"
        lines += [((part, "" if is_taken else "warn"),) for part in wrap(text, width)]
    return [(("SOMEBODY ELSE CHANGED", "title"),), *lines, ()] if lines else []
