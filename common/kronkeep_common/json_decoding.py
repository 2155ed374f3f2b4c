"""JSON that others wrote: read as what it should be, or not at all."""

from typing import Any, TypeVar

import msgspec

T = TypeVar("T")
JsonObject = dict[str, Any]
# What msgspec raises: its own errors and that of a text which is no UTF-8 are ValueErrors, and nesting that
# is deeper than Python's stack is a RecursionError.
DECODING_ERRORS = (ValueError, RecursionError)


def decode_or_none(text: bytes | str, kind: type[T]) -> T | None:
    """The JSON as `kind`; None where it is none, or of another shape, or too deep to be read."""
    try:
        return msgspec.json.decode(text, type=kind)
    except DECODING_ERRORS:
        return None
