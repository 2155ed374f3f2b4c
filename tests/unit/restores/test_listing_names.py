"""Exact names from restic's plain listing, as 0.14 and 0.19 print it."""

import os

import pytest

from kronkeep_common import path_text
from kronkeep_common.models import SnapshotFile
from kronkeep_daemon.restores.listing_names import UNKNOWN, NameParser

NAMES = [
    b"/source",
    b"/source/caf\xe8",
    b"/source/caf\xe9",
    "/source/caf\ufffd".encode(),
    b"/source/new\nline",
    b"/source/\nfirst",
    b"/source/last\n",
    b"/source/last\n/in\xff",
    b"/source/two\n\n",
    b"/source/\xed\xa0\x80 back\\slash",
    b"/source/z",
]


def as_json(name: bytes) -> str:
    """A name as restic's JSON has it."""
    return "".join(UNKNOWN if "\udc80" <= char <= "\udcff" else char for char in os.fsdecode(name))


def correct(names: list[bytes], plain: bytes) -> list[SnapshotFile]:
    entries = [
        SnapshotFile(name="", path=path_text.escape(as_json(name)), kind="file", size=number)
        for number, name in enumerate(names)
    ]
    written: list[SnapshotFile] = []
    parser = NameParser(iter(entries), written.append)
    for line in plain.removesuffix(b"\n").split(b"\n"):
        parser.add_line(line)
    parser.close()
    assert [entry.size for entry in written] == list(range(len(names)))
    return written


@pytest.mark.parametrize("version", ["0.14", "0.19"])
def test_names_are_exact(version: str) -> None:
    plain = b"snapshot 12 of [/source] filtered by [] at 2026:\n"
    for name in NAMES:
        plain += name if version == "0.19" and name.endswith(b"\n") else name + b"\n"
    written = correct([*NAMES, b"/dump.sql"], plain)
    assert [os.fsencode(path_text.unescape(entry.path)) for entry in written] == [*NAMES, b"/dump.sql"]
    assert all(entry.exact for entry in written)
    assert written[2].name == r"caf\xe9"


def test_a_listing_that_differs_leaves_names_inexact_from_there_on() -> None:
    written = correct([b"/a\xe9", b"/b", b"/c\xe9", b"/d"], b"/a\xe9\n/another\n/c\xe9\n/d\n")
    assert [(entry.path, entry.exact) for entry in written] == [
        (r"/a\xe9", True),
        ("/b", True),
        (f"/c{UNKNOWN}", False),
        ("/d", True),
    ]
