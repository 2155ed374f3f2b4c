"""Search for a text in one kept log: the lines that have it, with those around them."""

from bisect import bisect_right
from collections.abc import Iterator
from itertools import accumulate, chain
from typing import NamedTuple

from kronkeep_common.text import clean
from kronkeep_daemon.history import trigram_bits

LINE_LENGTH = 1000  # characters of a line that are returned


class FoundLine(NamedTuple):
    """A line with the text: its number from 1, and the lines around it."""

    number: int
    text: str
    before: tuple[str, ...]
    after: tuple[str, ...]


class LogQuestion(NamedTuple):
    """What is looked for: a text within one line, and how many lines around it are wanted."""

    text: str
    context: int = 0
    ignore_case: bool = False


def find_lines(log: bytes, question: LogQuestion, most: int) -> list[FoundLine]:
    """Return at most `most` lines that have the text, in order."""
    places = _find_places(log, question)
    first = next(places, None)
    if first is None or most < 1:  # of most logs no line is split off
        return []
    lines = log.split(b"\n")
    starts = list(accumulate((len(line) + 1 for line in lines[:-1]), initial=0))
    numbers: dict[int, None] = {}
    for place in chain((first,), places):
        numbers[bisect_right(starts, place) - 1] = None
        if len(numbers) >= most:
            break
    return [_make_line(lines, number, question.context) for number in numbers]


def _find_places(log: bytes, question: LogQuestion) -> Iterator[int]:
    """Yield places of the text, one at least in each line that has it."""
    if question.ignore_case and not question.text.isascii():
        return _find_folded(log, question.text.lower())
    if question.ignore_case:
        return _find_bytes(log.lower(), question.text.lower().encode())
    return _find_bytes(log, question.text.encode())


def _find_bytes(log: bytes, word: bytes) -> Iterator[int]:
    place = log.find(word)
    while place >= 0:
        yield place
        end = log.find(b"\n", place)
        place = log.find(word, end) if end >= 0 else -1


def _find_folded(log: bytes, word: str) -> Iterator[int]:
    """Yield the starts of lines whose lower case has a word, which bytes cannot tell beyond ASCII."""
    start = 0
    for line in log.split(b"\n"):
        if word in line.decode(errors="replace").lower():
            yield start
        start += len(line) + 1


def places_in_sieve(question: LogQuestion) -> tuple[int, ...]:
    """Return what LogSieve.candidates needs for a question; nothing where each log has to be read.

    That is so for a text of one or two bytes, and beyond ASCII where case is ignored: there a letter may have
    forms of other bytes, such as the Kelvin sign for k.
    """
    if question.ignore_case and not question.text.isascii():
        return ()
    return trigram_bits.places_of(question.text.encode())


def _make_line(lines: list[bytes], number: int, context: int) -> FoundLine:
    before = lines[max(0, number - context) : number]
    after = lines[number + 1 : number + 1 + context]
    return FoundLine(
        number=number + 1,
        text=_decode(lines[number]),
        before=tuple(map(_decode, before)),
        after=tuple(map(_decode, after)),
    )


def _decode(line: bytes) -> str:
    return clean(line[: 4 * LINE_LENGTH].decode(errors="replace"), LINE_LENGTH)
