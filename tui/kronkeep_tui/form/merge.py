"""What somebody else changed of a CronJob while its form was open, field by field; pure.

A field's rows are compared together. What does not count in the CronJob as it is now (a field of a policy
that is gone) is not compared: the field that it hangs on says it.
"""

from collections.abc import Iterable
from typing import NamedTuple

from kronkeep_tui.form.draft import Draft, counts, rows_of
from kronkeep_tui.form.fields import FIELDS, SECTIONS

Texts = tuple[str, ...]
NAMES = {field.path: f"{section.title} {field.label}" for section in SECTIONS for field in section.fields}
"""What a field is called where its section is not in sight."""


class Difference(NamedTuple):
    """A field that somebody else changed: when the form was opened, as they left it, as it stood here."""

    path: str
    was: Texts
    theirs: Texts
    mine: Texts

    @property
    def collides(self) -> bool:
        """Whether it was changed here too, to something else."""
        return self.mine not in (self.was, self.theirs)


def texts_of(draft: Draft, path: str) -> Texts:
    """A field's texts, row by row; empty ones are none."""
    texts = [text for _, text in rows_of(draft, path)] if FIELDS[path].many else [draft.get(path, "")]
    return tuple(text for text in texts if text.strip())


def put(draft: Draft, path: str, texts: Texts) -> dict[str, str]:
    """The draft with other texts in a field."""
    if not FIELDS[path].many:
        return {**draft, path: texts[0] if texts else ""}
    old = {key for key, _ in rows_of(draft, path)}
    kept = {key: text for key, text in draft.items() if key not in old}
    return kept | {f"{path}.{number}": text for number, text in enumerate(texts)}


def differences(base: Draft, mine: Draft, theirs: Draft) -> list[Difference]:
    """The fields in which `theirs` is not `base`, in the form's order."""
    found = [
        Difference(
            path=path, was=texts_of(base, path), theirs=texts_of(theirs, path), mine=texts_of(mine, path)
        )
        for path in FIELDS
        if counts(theirs, path)
    ]
    return [one for one in found if one.theirs != one.was]


def merged(mine: Draft, found: Iterable[Difference]) -> dict[str, str]:
    """`mine`, with theirs in each field that nobody has touched here."""
    draft = dict(mine)
    for one in found:
        if not one.collides:
            draft = put(draft, one.path, one.theirs)
    return draft


def said(texts: Texts) -> str:
    """A field's texts in one line."""
    return ", ".join(texts) or "nothing"
