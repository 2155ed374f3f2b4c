"""Empty restic repositories whose key opens in a millisecond.

`restic init` chooses the cost of scrypt so that each opening of the repository takes half a second of CPU,
and nothing makes it choose less. A repository of this module is written from restic's description of its
format (`doc/design.rst`, version 2) with the least cost; real restic does everything after that. Tests of
the creation itself let `restic init` make theirs, and may write its key anew for what comes after.
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
from kronkeep_daemon.repositories.job_manifests import build_secret
from kronkeep_daemon.storages.provisioner import password_secret_name

PRIME = (1 << 130) - 5
CLAMP = 0x0FFFFFFC0FFFFFFC0FFFFFFC0FFFFFFF
# From a repository that `restic init` made: restic refuses a polynomial that is reducible.
POLYNOMIAL = "36528ce36bd131"
NONCE = 16  # bytes before what is sealed
MAC = 16  # bytes after it
MOST_MEMORY = 2**28  # bytes of scrypt; restic takes at most 60 MiB
FOLDERS = ("index", "keys", "locks", "snapshots")


@dataclass(frozen=True)
class Key:
    """The three keys of a repository or of a password: 32, 16 and 16 bytes."""

    encrypt: bytes
    mac_k: bytes
    mac_r: bytes


def write_quick_repository(folder: Path, password: str, material: bytes | None = None) -> None:
    """Write an empty repository of format version 2 with a random id into the folder.

    material: the 64 bytes of its own keys; None for random ones.
    """
    for name in FOLDERS:
        (folder / name).mkdir(parents=True, exist_ok=True)
    for number in range(256):
        (folder / "data" / f"{number:02x}").mkdir(parents=True)
    master = split_key(material or secrets.token_bytes(64))
    secret = {
        "mac": {"k": _encode(master.mac_k), "r": _encode(master.mac_r)},
        "encrypt": _encode(master.encrypt),
    }
    _write_key_file(folder, json.dumps(secret).encode(), password)
    config = {"version": 2, "id": secrets.token_hex(32), "chunker_polynomial": POLYNOMIAL}
    (folder / "config").write_bytes(_seal(master, json.dumps(config).encode()))


def make_key_quick(folder: Path, password: str) -> None:
    """Replace the only key of a repository by one of the same password that opens in a millisecond.

    No restic may be opening the repository meanwhile.
    """
    (path,) = (folder / "keys").iterdir()
    slow = json.loads(path.read_bytes())
    derived = hashlib.scrypt(
        password.encode(),
        salt=base64.b64decode(slow["salt"]),
        n=slow["N"],
        r=slow["r"],
        p=slow["p"],
        maxmem=MOST_MEMORY,
        dklen=64,
    )
    sealed = base64.b64decode(slow["data"])
    key = split_key(derived).encrypt
    secret = _run_aes("-aes-256-ctr", key, sealed[NONCE:-MAC], "-iv", sealed[:NONCE].hex())
    assert json.loads(secret), "the password is another one"
    _write_key_file(folder, secret, password)
    path.unlink()


def _write_key_file(folder: Path, secret: bytes, password: str) -> None:
    """Write a key that gives the secret, the JSON of the repository's keys, to whoever has the password."""
    salt = secrets.token_bytes(64)
    cost = {"N": 2, "r": 1, "p": 1}
    derived = hashlib.scrypt(password.encode(), salt=salt, n=cost["N"], r=cost["r"], p=cost["p"], dklen=64)
    sealed = _seal(split_key(derived), secret)
    about = {"created": "2026-01-01T00:00:00Z", "username": "root", "hostname": "test", "kdf": "scrypt"}
    key_file = json.dumps({**about, **cost, "salt": _encode(salt), "data": _encode(sealed)}).encode()
    (folder / "keys" / hashlib.sha256(key_file).hexdigest()).write_bytes(key_file)


def split_key(material: bytes) -> Key:
    """Return the three keys in 64 bytes."""
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
    password = await create_password(cluster, name)
    await asyncio.to_thread(write_quick_repository, folder, password)


async def create_password(cluster: Cluster, name: str) -> str:
    """Create the Secret with the password of a storage that is about to be created; return the password."""
    password = secrets.token_urlsafe(32)
    body = build_secret(password_secret_name(name), "kronkeep", {"password": password.encode()}, None)
    await cluster.create(paths.secrets("kronkeep"), body)
    return password
