"""Objects of a cluster in few bytes: MessagePack, compressed with a typical object as the dictionary.

What an object shares with others (field names, conditions, labels) then costs nothing.
"""

import zlib
from typing import Generic, TypeVar

import msgspec

WINDOW_BITS = -12  # raw deflate over 4 KiB: an object and the dictionary fit
T = TypeVar("T")


class Packer(Generic[T]):
    """Packs objects of one kind; any text that they share with the typical one makes them smaller."""

    def __init__(self, kind: type[T], typical: T) -> None:
        self._encoder = msgspec.msgpack.Encoder()
        self._decoder = msgspec.msgpack.Decoder(kind)
        self._dictionary = self._encoder.encode(typical)
        # One that has taken in the dictionary; each object gets a copy of it.
        self._compressor = zlib.compressobj(level=1, wbits=WINDOW_BITS, memLevel=4, zdict=self._dictionary)

    def pack(self, value: T) -> bytes:
        """Return an object in few bytes."""
        compressor = self._compressor.copy()
        return compressor.compress(self._encoder.encode(value)) + compressor.flush()

    def unpack(self, packed: bytes) -> T:
        """Return the object that was packed."""
        return self._decoder.decode(zlib.decompressobj(WINDOW_BITS, self._dictionary).decompress(packed))
