"""Filters of trigrams: a text that has a word passes, always; most others do not."""

import random
import string

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kronkeep_daemon.history.trigram_bits import (
    LEAST_BITS,
    MOST_BITS,
    PIECE,
    build_bits,
    join_bits,
    may_have,
    places_of,
)

TEXTS = st.text(alphabet="abAB01 \n\x00äÄK", max_size=80).map(str.encode)


@settings(max_examples=300, deadline=None)
@given(TEXTS, TEXTS, st.data())
def test_a_text_that_has_a_word_passes_alone_and_joined(
    text: bytes, other: bytes, data: st.DataObject
) -> None:
    start = data.draw(st.integers(0, len(text)))
    word = text[start : data.draw(st.integers(start, len(text)))]
    filters = [build_bits(text, 64), build_bits(text, 16384), build_bits(text + other, 0)]
    filters += [join_bits(build_bits(other, 16384), bits) for bits in filters[:2]]
    for spelling in (word, word.upper(), word.lower()):
        assert all(may_have(bits, places_of(spelling)) for bits in filters)


@settings(max_examples=200, deadline=None)
@given(TEXTS, st.sampled_from([0, 10, 64, 16384]))
def test_a_filter_that_begins_small_has_the_bits_of_one_that_was_halved(text: bytes, most_bytes: int) -> None:
    bits = build_bits(text, most_bytes)
    whole = {place & (8 * len(bits) - 1) for place in places_of(text)}
    assert {place for place in range(8 * len(bits)) if bits[place >> 3] >> (place & 7) & 1} == whole


def test_words_at_the_edges_of_pieces_and_in_long_texts_pass() -> None:
    chance = random.Random(1)
    text = bytes(chance.randrange(256) for _ in range(3 * PIECE))
    bits = build_bits(text, 16384)
    assert len(bits) == MOST_BITS // 8
    for start in [PIECE - 9 + n for n in range(12)] + [2 * PIECE - 3, len(text) - 9]:
        assert may_have(bits, places_of(text[start : start + 9]))


def test_other_words_do_not_pass_and_the_size_follows_the_text() -> None:
    chance = random.Random(2)
    lines = [f"2026-01-15T10:00:00Z worker-{n % 16} copied table orders in {n} ms" for n in range(4000)]
    bits = build_bits("\n".join(lines).encode(), 16384)
    words = ["".join(chance.choices(string.ascii_lowercase, k=9)).encode() for _ in range(2000)]
    assert sum(may_have(bits, places_of(word)) for word in words) < 10
    assert len(bits) <= 1024
    assert len(build_bits(b"", 16384)) == LEAST_BITS // 8
    assert len(build_bits(bytes(chance.randrange(256) for _ in range(50_000)), 500)) == 256


@pytest.mark.parametrize("word", [b"", b"a", b"ab"])
def test_short_words_cannot_be_searched(word: bytes) -> None:
    assert places_of(word) == ()
