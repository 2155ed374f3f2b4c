"""What somebody probably meant who wrote a name that does not exist."""

from collections.abc import Iterable

MOST_NAMED = 16
MOST_COMPARED = 20_000
_LIKENESS = 0.6  # of 1; two exchanged letters in a word of four are 0.75


def closest_name(word: str, names: Iterable[str]) -> str | None:
    """Return the name most like a word, in any case of letters; None where none is alike."""
    by_lower_case: dict[str, str] = {}
    for name in names:
        if len(by_lower_case) == MOST_COMPARED:
            break
        by_lower_case.setdefault(name.lower(), name)
    if not word:
        return None
    from difflib import get_close_matches

    near = get_close_matches(word.lower()[:200], by_lower_case, n=1, cutoff=_LIKENESS)
    return by_lower_case[near[0]] if near else None


def suggest_name(word: str, names: Iterable[str], see_all: str = "") -> str:
    """Return `Did you mean X?`, followed or replaced by the names that there are, where they are few.

    see_all: the command that lists names of which there may be very many; others are not cut.
    """
    known = sorted(set(names))
    near = closest_name(word, known)
    question = f"Did you mean {near}?" if near else ""
    if not known:
        return "There is none yet."
    if len(known) > MOST_NAMED and near:
        return question
    is_cut = bool(see_all) and len(known) > MOST_NAMED + 1  # no "1 more"
    shown = ", ".join(known[:MOST_NAMED] if is_cut else known)
    more = f" and {len(known) - MOST_NAMED} more ({see_all})" if is_cut else ""
    return f"{question} There are: {shown}{more}.".strip()
