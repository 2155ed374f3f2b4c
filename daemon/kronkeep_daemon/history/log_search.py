"""Search for a text in one kept log: the lines that have it, with those around them."""

from bisect import bisect_right
from typing import NamedTuple

from kronkeep_common.text import clean

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
    searched = log.lower() if question.ignore_case else log
    word = (question.text.lower() if question.ignore_case else question.text).encode()
    place = searched.find(word)
    if place < 0:  # of most logs no line is split off
        return []
    lines = log.split(b"\n")
    starts = [0]
    for line in lines[:-1]:
        starts.append(starts[-1] + len(line) + 1)
    numbers: list[int] = []
    while place >= 0 and len(numbers) < most:
        number = bisect_right(starts, place) - 1
        numbers.append(number)
        place = searched.find(word, starts[number] + len(lines[number]))
    return [_found_line(lines, number, question.context) for number in numbers]


def _found_line(lines: list[bytes], number: int, context: int) -> FoundLine:
    before = lines[max(0, number - context) : number]
    after = lines[number + 1 : number + 1 + context]
    return FoundLine(
        number=number + 1,
        text=_shown(lines[number]),
        before=tuple(map(_shown, before)),
        after=tuple(map(_shown, after)),
    )


def _shown(line: bytes) -> str:
    return clean(line[: 4 * LINE_LENGTH].decode(errors="replace"), LINE_LENGTH)
