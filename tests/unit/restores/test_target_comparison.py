"""What a plan says of the target's files, whatever types they have."""

import pytest

from kronkeep_common import path_text
from kronkeep_common.models import RestorePlan, RestoreTarget, SnapshotFile
from kronkeep_daemon.restores.target_comparison import FileType, compare_with_target

ENTRIES = [
    SnapshotFile(name=path.rpartition("/")[2], path=path, kind=kind, size=1)
    for path, kind in (
        ("/source", "dir"),
        ("/source/c", "dir"),
        ("/source/c/d", "dir"),
        ("/source/c/d/inner", "file"),
        ("/source/c/f", "file"),
        ("/source/c/l", "symlink"),
        ("/source/c/p", "fifo"),
    )
]
SAME: dict[str, FileType] = {
    "/source/c/d": "folder",
    "/source/c/d/inner": "file",
    "/source/c/f": "file",
    "/source/c/l": "link",
    "/source/c/p": "special file",
    "/source/c/mine": "file",
}


def compare(target: dict[str, FileType], *include: str) -> RestorePlan:
    plan = RestorePlan(
        backup_id="b", snapshot_id="s", target=RestoreTarget(), files=4, folders=1, total_bytes=4
    )
    return compare_with_target(plan, include, iter(ENTRIES), target, left_out=0)


def test_the_same_types_are_overwritten() -> None:
    plan = compare(SAME)
    assert (plan.written, plan.overwritten, plan.type_changes, plan.removed, plan.left) == (0, 4, 0, 0, 1)
    assert plan.left_examples == ("/source/c/mine",)


@pytest.mark.parametrize(
    ("path", "now", "below", "words", "removed"),
    [
        ("/source/c/d", "file", (), "a file becomes a folder", 0),
        ("/source/c/d", "link", (), "a link becomes a folder", 0),
        ("/source/c/f", "folder", ("x", "y/z"), "a folder becomes a file", 2),
        ("/source/c/l", "folder", ("x",), "a folder becomes a link", 1),
        ("/source/c/l", "file", (), "a file becomes a link", 0),
        ("/source/c/f", "link", (), "a link becomes a file", 0),
        ("/source/c/p", "file", (), "a file becomes a special file", 0),
        ("/source/c/f", "special file", (), "a special file becomes a file", 0),
    ],
)
def test_what_has_another_type_is_named_with_what_goes_with_it(
    path: str, now: FileType, below: tuple[str, ...], words: str, removed: int
) -> None:
    target: dict[str, FileType] = {old: kind for old, kind in SAME.items() if not old.startswith(path)}
    target[path] = now
    target |= {f"{path}/{name}": "file" for name in below}
    plan = compare(target)
    assert plan.type_change_examples == (f"{path}: {words}",)
    assert (plan.type_changes, plan.removed) == (1, removed)
    assert plan.removed_examples == tuple(f"{path}/{name}" for name in below)
    assert plan.left_examples == ("/source/c/mine",)


def test_only_the_selection_is_compared() -> None:
    plan = compare(SAME | {"/source/c/d": "file"}, "/source/c/f")
    assert (plan.overwritten, plan.type_changes, plan.left) == (1, 0, 5)


def test_a_path_is_shown_in_the_form_that_commands_take_back() -> None:
    odd = "/source/c/a\u200cb \\ caf\udce9 "
    (shown,) = compare({odd: "file"}).left_examples
    assert path_text.unescape(shown) == odd
    assert shown.isprintable()
