"""The last lines of a log, however it comes in chunks."""

from collections.abc import AsyncIterator

from hypothesis import given
from hypothesis import strategies as st

from kronkeep_daemon.http.streams import TAIL_BYTES, tail_lines


async def in_chunks(text: bytes, size: int) -> AsyncIterator[bytes]:
    for start in range(0, len(text), size):
        yield text[start : start + size]


async def tail_of(text: bytes, count: int, size: int) -> bytes:
    return b"".join([chunk async for chunk in tail_lines(in_chunks(text, size), count)])


@given(
    st.lists(st.binary(max_size=9).filter(lambda line: not line.split() or b"\n" not in line), max_size=20)
)
def test_any_chunks_give_the_same_last_lines(lines: list[bytes]) -> None:
    import asyncio

    text = b"".join(bytes(letter for letter in line if letter > 31) + b"\n" for line in lines)
    expected = b"".join(text.splitlines(keepends=True)[-3:])
    for size in (1, 4, 1000):
        assert asyncio.run(tail_of(text, 3, size)) == expected


async def test_a_long_log_takes_little_memory() -> None:
    text = b"x" * 99 + b"\n"
    tail = await tail_of(text * 100_000, 1000, 65536)
    assert tail == text * 1000
    endless = await tail_of(b"y" * (3 * TAIL_BYTES), 5, 65536)
    assert endless == b"y" * TAIL_BYTES
