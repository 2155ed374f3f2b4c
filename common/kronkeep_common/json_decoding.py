"""Decoding of JSON from outside, which may be anything."""

from typing import Any, TypeVar

import msgspec

T = TypeVar("T")
JsonObject = dict[str, Any]
# What msgspec raises: ValueErrors for wrong JSON, wrong types and texts that are not UTF-8, and
# RecursionError for nesting that is deeper than Python's stack.
DECODING_ERRORS = (ValueError, RecursionError)


def decode_or_none(text: bytes | str, kind: type[T]) -> T | None:
    """Decode JSON as `kind`; return None where it is not JSON, has another shape, or is nested too deep."""
    try:
        return msgspec.json.decode(text, type=kind)
    except DECODING_ERRORS:
        return None
