"""The wire format of protocol buffers, as far as Kubernetes' own messages use it."""

from collections.abc import Iterator

_VARINT = 0
_LENGTH_DELIMITED = 2


def read_fields(data: bytes) -> Iterator[tuple[int, bytes | int]]:
    """Yield the number and value of each field of a message.

    A length-delimited value is bytes, a varint is an unsigned int. Raises ValueError.
    """
    position = 0
    while position < len(data):
        tag, position = _read_varint(data, position)
        wire_type = tag & 7
        if wire_type == _VARINT:
            value, position = _read_varint(data, position)
            yield tag >> 3, value
        elif wire_type == _LENGTH_DELIMITED:
            size, position = _read_varint(data, position)
            if position + size > len(data):
                raise ValueError("a field is longer than its message")
            yield tag >> 3, data[position : position + size]
            position += size
        else:
            raise ValueError(f"wire type {wire_type}")


def _read_varint(data: bytes, position: int) -> tuple[int, int]:
    """Return the number at `position` and the position after it."""
    value = 0
    shift = 0
    while position < len(data) and shift < 64:
        byte = data[position]
        value |= (byte & 0x7F) << shift
        position += 1
        shift += 7
        if byte < 0x80:
            return value, position
    raise ValueError("a number has no end")


def decode_signed(value: int) -> int:
    """Return the signed number of a varint: int32 and int64 are sent as 64 bits in two's complement."""
    return value - (1 << 64) if value >= 1 << 63 else value


def encode_message(*parts: tuple[int, bytes | str | bool]) -> bytes:
    """Return a message of fields by number: texts, bytes and flags."""
    return b"".join(_encode_field(number, value) for number, value in parts)


def _encode_field(number: int, value: bytes | str | bool) -> bytes:
    if isinstance(value, bool):
        return _encode_varint(number << 3 | _VARINT) + _encode_varint(value)
    data = value.encode() if isinstance(value, str) else value
    return _encode_varint(number << 3 | _LENGTH_DELIMITED) + _encode_varint(len(data)) + data


def _encode_varint(value: int) -> bytes:
    encoded = bytearray()
    while value > 0x7F:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*encoded, value])
