"""Completion of a filter while it is typed: its keys, then a key's values with how many records have each."""

from collections.abc import Callable, Sequence

from kronkeep_common.filter_words import FilterWords

MOST_SHOWN = 8  # candidates in the line above what is typed


def complete_filter(text: str, words: FilterWords) -> list[str]:
    """Return whole texts that may follow; a key ends with its colon."""
    before, term = _split(text)
    return [before + word for word in candidates(term, words) if word != term]


def describe_filter(text: str, words: FilterWords, count: Callable[[str], int | None]) -> str:
    """Return what the last term may become: `status:failed 12  status:running 2`; nothing without a term.

    `count` returns how many records a term selects, None where counting would take long.
    """
    _, term = _split(text)
    offered = candidates(term, words)[:MOST_SHOWN]
    return "  ".join(f"{word}{_count_text(word, count)}" for word in offered)


def _count_text(word: str, count: Callable[[str], int | None]) -> str:
    number = None if word.endswith(":") else count(word)
    return "" if number is None else f" {number}"


def _split(text: str) -> tuple[str, str]:
    """Return what stands before the last term (its `!` included), and that term."""
    before, space, term = text.rpartition(" ")
    sign = "!" if term.startswith("!") else ""
    return before + space + sign, term.removeprefix("!")


def candidates(term: str, words: FilterWords) -> Sequence[str]:
    """Return keys with their colon, or values of the key that is written; nothing for an empty term."""
    key, colon, _ = term.partition(":")
    if not term:
        return []
    options = (
        [f"{key}:{value}" for value in words.values(key)] if colon else [f"{key}:" for key in words.keys]
    )
    return [option for option in options if option.startswith(term)]
