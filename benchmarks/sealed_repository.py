"""A restic repository with as many snapshots as one likes, written without restic, which would take hours.

Snapshots and index are sealed as restic seals them (doc/design.rst); the packs that the index names are not
there, as an archive does not look for them. The index is as a prune leaves it: some large files.
"""

import ctypes
import ctypes.util
import hashlib
import json
import os
import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from secrets import token_bytes, token_hex
from typing import Any

from tests import quick_repository
from tests.quick_repository import CLAMP, PRIME, Key

BLOBS_PER_INDEX = 50_000
BLOBS_PER_ARCHIVE = 3  # its data, its folder, the root
_LIBRARY = ctypes.CDLL(ctypes.util.find_library("crypto"))
for _name in ("EVP_CIPHER_CTX_new", "EVP_aes_256_ctr", "EVP_aes_128_ecb"):
    getattr(_LIBRARY, _name).restype = ctypes.c_void_p


def encrypt(cipher: str, key: bytes, text: bytes, nonce: bytes | None) -> bytes:
    """Return the text, encrypted by OpenSSL's library: 10,000 processes would take minutes."""
    context = ctypes.c_void_p(_LIBRARY.EVP_CIPHER_CTX_new())
    chosen = ctypes.c_void_p(getattr(_LIBRARY, cipher)())
    _LIBRARY.EVP_EncryptInit_ex(context, chosen, None, key, nonce)
    output = ctypes.create_string_buffer(len(text) + 32)
    length = ctypes.c_int(0)
    _LIBRARY.EVP_EncryptUpdate(context, output, ctypes.byref(length), text, len(text))
    _LIBRARY.EVP_CIPHER_CTX_free(context)
    return output.raw[: len(text)]


def seal(key: Key, text: bytes) -> bytes:
    """Return nonce, AES-256-CTR of the text, and Poly1305-AES of that."""
    nonce = os.urandom(16)
    sealed = encrypt("EVP_aes_256_ctr", key.encrypt, text, nonce)
    pad = encrypt("EVP_aes_128_ecb", key.mac_k, nonce, None)
    r = int.from_bytes(key.mac_r, "little") & CLAMP
    total = 0
    for start in range(0, len(sealed), 16):
        block = sealed[start : start + 16] + b"\x01"
        total = (total + int.from_bytes(block, "little")) * r % PRIME
    tag = (total + int.from_bytes(pad, "little")) & ((1 << 128) - 1)
    return nonce + sealed + tag.to_bytes(16, "little")


def write_repository(folder: Path, password: str, archives: int) -> None:
    """Write a repository with so many snapshots, and the index that archives of a megabyte leave."""
    master = token_bytes(64)
    quick_repository.write_quick_repository(folder, password, master)
    key = quick_repository.split_key(master)
    begin = datetime(2026, 1, 1, tzinfo=UTC)
    for number in range(archives):
        _write(folder / "snapshots", key, _snapshot(number, begin + timedelta(minutes=number)))
    for index in _indexes(archives):
        _write(folder / "index", key, index)


def _write(folder: Path, key: Key, content: dict[str, Any]) -> None:
    sealed = seal(key, json.dumps(content).encode())
    (folder / hashlib.sha256(sealed).hexdigest()).write_bytes(sealed)


def _snapshot(number: int, time: datetime) -> dict[str, Any]:
    tags = [f"policy={number % 20}", f"backup={token_hex(16)}", "namespace=shop", "cronjob=dump"]
    return {
        "time": time.isoformat(),
        "tree": token_hex(32),
        "paths": [f"/source/claim-{number % 20}"],
        "hostname": f"kronkeep.shop.job-{number % 20}",
        "username": "root",
        "tags": tags,
    }


def _indexes(archives: int) -> Iterator[dict[str, Any]]:
    packs: list[dict[str, Any]] = []
    chance = random.Random(archives)
    for _ in range(archives):
        length = 1_000_000 + chance.randrange(100_000)
        data = {
            "id": token_hex(32),
            "type": "data",
            "offset": 0,
            "length": length,
            "uncompressed_length": length,
        }
        trees = [
            {
                "id": token_hex(32),
                "type": "tree",
                "offset": 400 * place,
                "length": 400,
                "uncompressed_length": 900,
            }
            for place in range(BLOBS_PER_ARCHIVE - 1)
        ]
        packs += [{"id": token_hex(32), "blobs": [data]}, {"id": token_hex(32), "blobs": trees}]
        if len(packs) // 2 * BLOBS_PER_ARCHIVE >= BLOBS_PER_INDEX:
            yield {"packs": packs}
            packs = []
    if packs:
        yield {"packs": packs}
