"""Bloom filters of the trigrams of a text: they show which texts cannot have a word; pure.

Three bytes in a row are a trigram, A to Z counting as a to z, so that one filter serves searches with and
without case. Each sets one bit of a power of two of bits (https://en.wikipedia.org/wiki/Bloom_filter, with
one hash function). A word of eight trigrams passes by chance where all their bits are set: 0.4 to the eighth
of the texts.
"""

import sys
from collections.abc import Iterator

TRIGRAM = 3
MOST_BITS = 1 << 17
LEAST_BITS = 1 << 9
FULLEST = 0.4  # share of the bits that are set; one with more is as large as it may be
PIECE = 64 * 1024  # bytes whose trigrams are collected in one call, in which no other thread can run
_FACTOR = 0x9E3779B1  # Knuth's multiplicative hash
_DIGITS = b"01" + bytes(254)


def _place_of(trigram: int) -> int:
    product = trigram * _FACTOR & 0xFFFFFFFF
    return (product ^ product >> 15) & (MOST_BITS - 1)


def _place_of_bytes(trigram: bytes) -> int:
    return _place_of(int.from_bytes(trigram + b"\0", sys.byteorder))


def _trigrams(text: bytes) -> Iterator[set[int]]:
    """Yield the trigrams of each piece of a text, as numbers.

    A piece is read as numbers of four bytes, at four offsets, with each fourth byte set to zero: ten times as
    fast as slices.
    """
    for start in range(0, len(text) - TRIGRAM + 1, PIECE):
        piece = text[start : start + PIECE + TRIGRAM - 1].lower() + b"\0"
        trigrams: set[int] = set()
        for offset in range(4):
            whole = (len(piece) - offset) // 4 * 4
            numbers = bytearray(piece[offset : offset + whole])
            numbers[3::4] = bytes(whole // 4)
            trigrams.update(memoryview(numbers).cast("I"))
        yield trigrams


def _first_size(text_bytes: int, most_bytes: int) -> int:
    """Return the bits from which a filter is halved: more of them would be halved whatever the text is.

    The filter of a manifest of 2.5 KB takes 0.6 ms of CPU so, and 0.9 where it begins with MOST_BITS.
    """
    bits = MOST_BITS
    while bits > LEAST_BITS and (bits > 8 * most_bytes or text_bytes <= FULLEST * (bits // 2)):
        bits //= 2
    return bits


def build_bits(text: bytes, most_bytes: int) -> bytes:
    """Return the filter of a text, of at most `most_bytes` or the least size that there is."""
    flags = bytearray(_first_size(len(text), most_bytes))
    mask = len(flags) - 1
    for trigrams in _trigrams(text):
        for trigram in trigrams:
            flags[_place_of(trigram) & mask] = 1
    while len(flags) > LEAST_BITS:
        half = len(flags) // 2
        folded = int.from_bytes(flags[:half], "little") | int.from_bytes(flags[half:], "little")
        smaller = bytearray(folded.to_bytes(half, "little"))
        if len(flags) <= 8 * most_bytes and smaller.count(1) > FULLEST * half:
            break
        flags = smaller
    return int(flags[::-1].translate(_DIGITS), 2).to_bytes(len(flags) // 8, "little")


def join_bits(left: bytes, right: bytes) -> bytes:
    """Return the filter of two texts together, as large as the larger of both."""
    size = max(len(left), len(right))
    numbers = (int.from_bytes(bits * (size // len(bits)), "little") for bits in (left, right))
    return (next(numbers) | next(numbers)).to_bytes(size, "little")


def places_of(word: bytes) -> tuple[int, ...]:
    """Return the bits that a text with the word has set; none for a word of fewer than three bytes."""
    if len(word) < TRIGRAM:
        return ()
    lower = word.lower()
    trigrams = (lower[start : start + TRIGRAM] for start in range(len(lower) - TRIGRAM + 1))
    return tuple(dict.fromkeys(map(_place_of_bytes, trigrams)))


def may_have(bits: bytes, places: tuple[int, ...]) -> bool:
    """Whether a text with this filter may have the word whose places are given."""
    mask = 8 * len(bits) - 1
    for place in places:
        bit = place & mask
        if not bits[bit >> 3] >> (bit & 7) & 1:
            return False
    return True
