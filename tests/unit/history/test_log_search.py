"""The lines of one log that have a text, with those around them, against a plain search line by line."""

import random

import pytest

from kronkeep_daemon.history.log_search import LINE_LENGTH, FoundLine, LogQuestion, find_lines

LOG = b"one\ntwo disk quota\nthree\n\nDisk Quota and disk quota\nlast disk quota"


def test_each_line_is_found_once_with_its_context() -> None:
    assert find_lines(LOG, LogQuestion("disk quota", 1), 10) == [
        FoundLine(2, "two disk quota", ("one",), ("three",)),
        FoundLine(5, "Disk Quota and disk quota", ("",), ("last disk quota",)),
        FoundLine(6, "last disk quota", ("Disk Quota and disk quota",), ()),
    ]
    assert [line.number for line in find_lines(LOG, LogQuestion("Disk Quota"), 10)] == [5]
    assert [line.number for line in find_lines(LOG, LogQuestion("dISK qUOTA", 0, True), 2)] == [2, 5]
    assert find_lines(b"", LogQuestion("x"), 10) == []
    assert find_lines(LOG, LogQuestion("disk"), 0) == []


def test_what_is_shown_is_clean_and_short() -> None:
    (line,) = find_lines(b"\x1b[31mquota\xff " + b"x" * 1_000_000, LogQuestion("quota"), 10)
    assert len(line.text) <= LINE_LENGTH
    assert "\x1b" not in line.text


@pytest.mark.parametrize("seed", range(5))
def test_any_log_gives_what_a_search_line_by_line_gives(seed: int) -> None:
    chance = random.Random(seed)
    for _ in range(300):
        log = bytes(chance.choice(b"ab\n") for _ in range(chance.randrange(60)))
        word = "".join(chance.choice("ab") for _ in range(chance.randrange(1, 4)))
        plain = [n for n, line in enumerate(log.split(b"\n"), 1) if word.encode() in line]
        assert [line.number for line in find_lines(log, LogQuestion(word), 100)] == plain


def test_case_is_ignored_beyond_ascii_too() -> None:
    log = "ok\nÄrger\nÄRGER im Straßenbahnhof\n".encode()
    assert [line.number for line in find_lines(log, LogQuestion("äRGER", 0, True), 10)] == [2, 3]
    assert [line.number for line in find_lines(log, LogQuestion("Ärger"), 10)] == [2]
    assert [line.number for line in find_lines(b"\xff\n\xc3\x84!", LogQuestion("ä", 0, True), 10)] == [2]
