"""Folders that contain nothing but one folder are folded."""

import pytest

from kronkeep_common.models import SnapshotFile
from kronkeep_daemon.restores.folder_chain import FolderChain


def entry(path: str) -> SnapshotFile:
    kind = "dir" if path.endswith("/") else "file"
    path = path.rstrip("/")
    return SnapshotFile(name=path.rpartition("/")[2], path=path, kind=kind)


@pytest.mark.parametrize(
    ("below", "end"),
    [
        ([], ""),
        (["/s/file"], ""),
        (["/s/dumps/"], "/s/dumps"),
        (["/s/dumps/", "/s/dumps/shop.sql"], "/s/dumps"),
        (["/s/a/", "/s/a/b/", "/s/a/b/c/", "/s/a/b/c/x", "/s/a/b/c/y"], "/s/a/b/c"),
        (["/s/a/", "/s/a/b/", "/s/a/b/x", "/s/a/late"], "/s/a"),
        (["/s/a/", "/s/a/x", "/s/b/"], ""),
        (["/s/a/", "/s/a/b/", "/s/z"], ""),
    ],
)
def test_a_chain_ends_where_something_else_is(below: list[str], end: str) -> None:
    chain = FolderChain("/s")
    for path in below:
        chain.add(entry(path))
    assert chain.end == end
