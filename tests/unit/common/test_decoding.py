"""JSON that others wrote is read or it is not; nothing else happens."""

from typing import Any

import pytest

from kronkeep_common.json_decoding import decode_or_none


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"{",
        b"[1]",
        b'{"a": "\xff"}',
        b'{"a":' * 100_000,
        '{"a": "\ud800"}',
    ],
    ids=["empty", "torn", "another shape", "no UTF-8", "too deep", "half a character"],
)
def test_what_cannot_be_read_is_nothing(text: bytes | str) -> None:
    assert decode_or_none(text, dict[str, Any]) is None


def test_what_can_be_read_is_of_the_kind_asked_for() -> None:
    assert decode_or_none(b'{"a": 1}', dict[str, int]) == {"a": 1}
    assert decode_or_none('["a"]', tuple[str, ...]) == ("a",)
