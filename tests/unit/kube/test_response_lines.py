"""The lines of a watch, whatever pieces its stream arrives in."""

import random

import pytest

from kronkeep_daemon.kube.response_readers import split_lines


@pytest.mark.parametrize(
    ("text", "lines", "rest"),
    [
        (b"", [], b""),
        (b"a", [], b"a"),
        (b"a\n", [b"a"], b""),
        (b"\n\na\r\n\nb", [b"a\r"], b"b"),
        (b"a\x0bb\x0c\xe2\x80\xa8\nc\n", [b"a\x0bb\x0c\xe2\x80\xa8", b"c"], b""),
    ],
)
def test_lines_end_with_a_newline_alone(text: bytes, lines: list[bytes], rest: bytes) -> None:
    assert split_lines(text) == (lines, rest)


@pytest.mark.parametrize("seed", range(5))
def test_pieces_of_any_size_have_the_lines_of_the_whole(seed: int) -> None:
    rng = random.Random(seed)
    text = b"".join(rng.choice([b"\n", b"a", b"\r", b"long " * 20]) for _ in range(300))
    found: list[bytes] = []
    rest = b""
    start = 0
    while start < len(text):
        size = rng.randint(1, 60)
        lines, rest = split_lines(rest + text[start : start + size])
        found += lines
        start += size
    *expected, last = text.split(b"\n")
    assert (found, rest) == ([line for line in expected if line], last)
