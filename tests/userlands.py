"""The programs of busybox and of GNU, and names of files as people have them."""

import os
import subprocess
from pathlib import Path

USERLANDS = ("busybox", "gnu")
ODD_NAMES = [
    b"new\nline",
    b"\nfirst",
    b"last\n",
    b"back\\slash",
    b"-dash",
    b"--",
    b"latin-\xe9\xff",
    b" space ",
    b"{}",
    b"%s\\0",
    b"*",
    "日本\u200c".encode(),
    b"x" * 255,
]


def programs_of(userland: str, folder: Path) -> str:
    """The PATH of a userland's programs; busybox's get links in a new folder below `folder`."""
    if userland == "gnu":
        return os.environ["PATH"]
    applets = folder / "applets"
    applets.mkdir()
    subprocess.run(["busybox", "--install", "-s", applets], check=True)
    return str(applets)


def path_below(folder: Path, name: bytes) -> Path:
    """The path of a name that need not be UTF-8."""
    return folder / os.fsdecode(name)
