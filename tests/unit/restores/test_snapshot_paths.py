"""Where a selection is: mounts, calls of restic, patterns, and which targets are empty."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from kronkeep_common import path_text
from kronkeep_common.errors import InvalidRequest
from kronkeep_common.models import BackupResult, RestoreTarget, SnapshotFile
from kronkeep_daemon.restores import snapshot_paths
from kronkeep_daemon.restores.move_script import Move
from kronkeep_daemon.restores.snapshot_paths import RestoreCall, SnapshotSelection, TargetMount

FILES = BackupResult(snapshot_id="f1")
BOTH = BackupResult(snapshot_id="f1", database_snapshot_id="d1")
IN_PLACE = RestoreTarget(kind="in-place")
TO_CLAIM = RestoreTarget(kind="claim", claim="new", namespace="n", path="/sub/")


def selection_of(*claims: str, has_others: bool = False) -> SnapshotSelection:
    return SnapshotSelection(files=1, folders=1, total_bytes=1, claims=claims, has_others=has_others)


def test_one_claim_lands_in_the_targets_folder_and_several_keep_their_paths() -> None:
    assert snapshot_paths.target_mounts(TO_CLAIM, selection_of("data")) == [
        TargetMount("new", "/target/source/data", "sub")
    ]
    assert snapshot_paths.target_mounts(TO_CLAIM, selection_of("a", "b")) == [
        TargetMount("new", "/target", "sub")
    ]
    assert snapshot_paths.target_mounts(TO_CLAIM, selection_of("data", has_others=True)) == [
        TargetMount("new", "/target", "sub")
    ]
    assert snapshot_paths.target_mounts(IN_PLACE, selection_of("a", "b")) == [
        TargetMount("a", "/target/source/a", ""),
        TargetMount("b", "/target/source/b", ""),
    ]


def test_a_dump_has_a_snapshot_of_its_own_and_no_claim_to_go_back_to() -> None:
    whole = snapshot_paths.target_mounts(TO_CLAIM, selection_of("data", has_others=True))
    assert snapshot_paths.restore_calls(BOTH, selection_of("data", has_others=True), whole, (), None) == [
        RestoreCall(snapshot_id="f1", folder="/target", patterns=[]),
        RestoreCall(snapshot_id="d1", folder="/target", patterns=[]),
    ]
    assert snapshot_paths.restore_calls(BOTH, selection_of(has_others=True), whole, ("/dump",), None) == [
        RestoreCall(snapshot_id="d1", folder="/target", patterns=["/dump"])
    ]
    back = snapshot_paths.target_mounts(IN_PLACE, selection_of("data", has_others=True))
    stage = "/target/source/data/s"
    assert snapshot_paths.restore_calls(BOTH, selection_of("data", has_others=True), back, (), "s") == [
        RestoreCall(snapshot_id="f1", folder=stage, patterns=["/source/data"])
    ]
    assert snapshot_paths.stage_moves(back, "1") == [
        Move(
            stage="/target/source/data/.kronkeep-restore-1/source/data",
            target="/target/source/data",
            old="/target/source/data/.kronkeep-old-1",
        )
    ]


def test_in_place_each_claim_is_restored_into_its_own_stage_with_its_own_paths() -> None:
    selection = selection_of("a", "b")
    calls = snapshot_paths.restore_calls(
        FILES, selection, snapshot_paths.target_mounts(IN_PLACE, selection), ("/source/a/x", "/source/b"), "s"
    )
    assert [(call.folder, call.patterns) for call in calls] == [
        ("/target/source/a/s", ["/source/a/x"]),
        ("/target/source/b/s", ["/source/b"]),
    ]


@pytest.mark.parametrize("path", ["source", "", "/a/../b", "/a\0b", "/./a", r"/a\x00b", r"/\x2e\x2e/a"])
def test_a_path_that_no_snapshot_can_have_is_refused(path: str) -> None:
    with pytest.raises(InvalidRequest):
        snapshot_paths.normalize_include([path])


def test_chosen_paths_lose_slashes_and_repetitions_and_the_root_means_all() -> None:
    assert snapshot_paths.normalize_include(["/a/", "/a", "/b"]) == ("/a", "/b")
    assert snapshot_paths.normalize_include(["/a", "/"]) == ()


@given(st.text(min_size=1).filter(lambda name: "/" not in name and "\0" not in name))
@example("\\x41")
@example("\udce9")
def test_an_escaped_name_matches_itself_and_its_wildcards_nothing_else(name: str) -> None:
    pattern = snapshot_paths.escape_patterns((path_text.escape(f"/{name}"),))[0]
    plain = ""
    at = 0
    while at < len(pattern):
        assert pattern[at] not in "*?["
        if pattern[at] == "\\":
            at += 1
        plain += pattern[at]
        at += 1
    assert plain == f"/{name}"


def test_a_fresh_file_system_is_empty_and_a_hidden_file_is_not() -> None:
    mounts = [TargetMount("new", "/target/source/data", "")]
    assert snapshot_paths.is_empty_target(["/source/data/lost+found"], mounts)
    assert snapshot_paths.is_empty_target([], mounts)
    assert not snapshot_paths.is_empty_target(["/source/data/.x"], mounts)
    assert not snapshot_paths.is_empty_target(["/source/data/d/lost+found"], mounts)


def test_a_selection_counts_files_and_claims() -> None:
    entries = [
        SnapshotFile(name="source", path="/source", kind="dir"),
        SnapshotFile(name="a", path="/source/a", kind="dir"),
        SnapshotFile(name="f", path="/source/a/f", kind="file", size=3),
        SnapshotFile(name="l", path="/source/a/l", kind="symlink"),
        SnapshotFile(name="g", path="/source/ab", kind="file", size=9),
    ]
    assert snapshot_paths.summarize_selection(iter(entries), ("/source/a",)) == SnapshotSelection(
        files=2, folders=1, total_bytes=3, claims=("a",), has_others=False, contents=1
    )


def test_a_path_may_be_given_as_it_is_or_escaped() -> None:
    assert snapshot_paths.normalize_include(["/new\nline", r"/new\x0aline", r"/new\u000aline/"]) == (
        r"/new\x0aline",
    )
    assert snapshot_paths.normalize_include([r"/caf\xc3\xa9", "/café"]) == ("/café",)


@pytest.mark.parametrize(
    ("path", "shown"),
    [
        ("/source/data/back/now", "other:/back/back/now"),
        ("/source/dumps/a", "dumps:/a"),
        ("/elsewhere", "/elsewhere"),
    ],
)
def test_what_stays_in_a_target_is_named_as_in_its_claim(path: str, shown: str) -> None:
    mounts = [
        snapshot_paths.TargetMount("other", f"{snapshot_paths.TARGET}/source/data", "back"),
        snapshot_paths.TargetMount("dumps", f"{snapshot_paths.TARGET}/source/dumps", ""),
    ]
    assert snapshot_paths.path_in_claim(path, mounts) == shown
    whole = snapshot_paths.TargetMount("all", snapshot_paths.TARGET, "")
    assert snapshot_paths.path_in_claim("/source/x", [whole]) == "all:/source/x"
