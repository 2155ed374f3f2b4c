"""Protocol buffers on the wire, both ways: as much of the encoding as Kubernetes' own messages use."""

from collections.abc import Iterator

Field = tuple[int, bytes | int]


def fields(data: bytes) -> Iterator[Field]:
    """(field number, value) pairs; a length-delimited value is bytes, a varint int. Raises ValueError."""
    at = 0
    while at < len(data):
        tag, at = _varint(data, at)
        if tag & 7 == 0:
            value, at = _varint(data, at)
            yield tag >> 3, value
        elif tag & 7 == 2:
            size, at = _varint(data, at)
            if at + size > len(data):
                raise ValueError("a field is longer than its message")
            yield tag >> 3, data[at : at + size]
            at += size
        else:
            raise ValueError(f"wire type {tag & 7}")


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while at < len(data) and shift < 64:
        byte = data[at]
        value |= (byte & 0x7F) << shift
        at = at + 1
        shift = shift + 7
        if byte < 0x80:
            return value, at
    raise ValueError("a number has no end")


def signed(value: int) -> int:
    """int32 and int64 travel as 64 bits in two's complement."""
    return value - (1 << 64) if value >= 1 << 63 else value


def message(*parts: tuple[int, bytes | str | bool]) -> bytes:
    """The length-delimited fields and flags of one message."""
    return b"".join(_field(number, value) for number, value in parts)


def _field(number: int, value: bytes | str | bool) -> bytes:
    if isinstance(value, bool):
        return _number(number << 3) + _number(value)
    raw = value.encode() if isinstance(value, str) else value
    return _number(number << 3 | 2) + _number(len(raw)) + raw


def _number(value: int) -> bytes:
    found = bytearray()
    while value > 0x7F:
        found.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*found, value])
