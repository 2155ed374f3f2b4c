"""Empty restic repositories whose key opens in a millisecond.

`restic init` chooses the cost of scrypt so that each opening of the repository takes half a second of CPU,
and nothing makes it choose less. A repository of this module is written from restic's description of its
format (`doc/design.rst`, version 2) with the least cost; real restic does everything after that. Tests of
the creation itself let `restic init` make theirs.
"""

import asyncio
import base64
import hashlib
import json
import os
import secrets
import subprocess
from dataclasses import dataclass
from pathlib import Path

from kronkeep_daemon.kube import paths
from kronkeep_daemon.kube.client import Cluster
from kronkeep_daemon.storages.provisioner import password_secret_name

PRIME = (1 << 130) - 5
CLAMP = 0x0FFFFFFC0FFFFFFC0FFFFFFC0FFFFFFF
# From a repository that `restic init` made: restic refuses a polynomial that is reducible.
POLYNOMIAL = "36528ce36bd131"
FOLDERS = ("index", "keys", "locks", "snapshots")


@dataclass(frozen=True)
class Key:
    """The three keys of a repository or of a password: 32, 16 and 16 bytes."""

    encrypt: bytes
    mac_k: bytes
    mac_r: bytes


def write_quick_repository(folder: Path, password: str) -> None:
    """Write an empty repository of format version 2 with a random id into the folder."""
    for name in FOLDERS:
        (folder / name).mkdir(parents=True, exist_ok=True)
    for number in range(256):
        (folder / "data" / f"{number:02x}").mkdir(parents=True)
    master = _split_key(secrets.token_bytes(64))
    key_file = _build_key_file(master, password)
    (folder / "keys" / hashlib.sha256(key_file).hexdigest()).write_bytes(key_file)
    config = {"version": 2, "id": secrets.token_hex(32), "chunker_polynomial": POLYNOMIAL}
    (folder / "config").write_bytes(_seal(master, json.dumps(config).encode()))


def _build_key_file(master: Key, password: str) -> bytes:
    salt = secrets.token_bytes(64)
    cost = {"N": 2, "r": 1, "p": 1}
    derived = hashlib.scrypt(password.encode(), salt=salt, n=cost["N"], r=cost["r"], p=cost["p"], dklen=64)
    secret = {
        "mac": {"k": _encode(master.mac_k), "r": _encode(master.mac_r)},
        "encrypt": _encode(master.encrypt),
    }
    sealed = _seal(_split_key(derived), json.dumps(secret).encode())
    about = {"created": "2026-01-01T00:00:00Z", "username": "root", "hostname": "test", "kdf": "scrypt"}
    return json.dumps({**about, **cost, "salt": _encode(salt), "data": _encode(sealed)}).encode()


def _split_key(material: bytes) -> Key:
    return Key(encrypt=material[:32], mac_k=material[32:48], mac_r=material[48:])


def _encode(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _seal(key: Key, text: bytes) -> bytes:
    """Return nonce, AES-256-CTR of the text, and Poly1305-AES of that."""
    nonce = os.urandom(16)
    sealed = _run_aes("-aes-256-ctr", key.encrypt, text, "-iv", nonce.hex())
    pad = _run_aes("-aes-128-ecb", key.mac_k, nonce, "-nopad")
    return nonce + sealed + _poly1305(key.mac_r, pad, sealed)


def _run_aes(cipher: str, key: bytes, text: bytes, *options: str) -> bytes:
    argv = ["openssl", "enc", cipher, "-K", key.hex(), *options]
    return subprocess.run(argv, input=text, capture_output=True, check=True).stdout


def _poly1305(factor: bytes, pad: bytes, text: bytes) -> bytes:
    """Return the authenticator of a text (RFC 8439, section 2.5)."""
    r = int.from_bytes(factor, "little") & CLAMP
    total = 0
    for start in range(0, len(text), 16):
        block = text[start : start + 16] + b"\x01"
        total = (total + int.from_bytes(block, "little")) * r % PRIME
    tag = (total + int.from_bytes(pad, "little")) & ((1 << 128) - 1)
    return tag.to_bytes(16, "little")


async def prepare_storage(cluster: Cluster, name: str, folder: Path) -> None:
    """Write the repository of a storage that is about to be created, and its password's Secret.

    One that is there already, as after a lost state folder, stays as it is.
    """
    if (folder / "config").exists():
        return
    password = secrets.token_urlsafe(32)
    await asyncio.to_thread(write_quick_repository, folder, password)
    encoded = base64.b64encode(password.encode()).decode()
    body = {"metadata": {"name": password_secret_name(name)}, "data": {"password": encoded}}
    await cluster.create(paths.secrets("kronkeep"), body)
