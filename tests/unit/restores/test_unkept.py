"""What restic cannot restore is told in words, and is no damage."""

from datetime import UTC, datetime

import pytest

from kronkeep_common.models import SnapshotFile
from kronkeep_daemon.restic import restore
from kronkeep_daemon.restic.version import UNKNOWN, ResticVersion
from kronkeep_daemon.restores import snapshot_paths, unkept


def entry(path: str, kind: str = "file", year: int = 2026) -> SnapshotFile:
    return SnapshotFile(name=path[1:], path=path, kind=kind, modified_at=datetime(year, 1, 1, tzinfo=UTC))


def test_times_and_sockets_of_the_selection_are_counted() -> None:
    entries = [entry("/a/x"), entry("/a/y", year=2300), entry("/a/z", year=1600), entry("/b", "socket", 2300)]
    counts = snapshot_paths.summarize_selection(entries, ("/a",)).unkept
    assert unkept.describe_counts(counts) == [
        "2 files have times before 1678 or after 2262: restic sets another; the content is whole."
    ]
    assert len(unkept.describe_counts(snapshot_paths.summarize_selection(entries, ()).unkept)) == 2
    assert unkept.describe_counts(snapshot_paths.summarize_selection(entries[:1], ()).unkept) == []


@pytest.mark.parametrize(("user", "sentences"), [(None, 0), (0, 0), (1000, 1)])
def test_another_user_than_root_restores_no_owners(user: int | None, sentences: int) -> None:
    assert len(unkept.describe_user(user)) == sentences
    assert len(unkept.describe_rights(user, has_stage=True)) == sentences


@pytest.mark.parametrize(("has_stage", "end"), [(True, "nothing is changed."), (False, "the restore fails.")])
def test_what_a_plan_cannot_tell_of_another_user_is_said(has_stage: bool, end: str) -> None:
    (sentence,) = unkept.describe_rights(1000, has_stage=has_stage)
    assert "user 1000 may write to each folder" in sentence
    assert sentence.endswith(end)


@pytest.mark.parametrize(
    ("version", "is_sparse"),
    [
        (UNKNOWN, False),
        (ResticVersion(0, 14, 0), False),
        (ResticVersion(0, 15, 0), True),
        (ResticVersion(0, 19, 1), True),
    ],
)
def test_sparse_is_asked_of_a_restic_that_has_it(version: ResticVersion, is_sparse: bool) -> None:
    assert ("--sparse" in restore.argv("1", "/t", verify=True, restic_version=version)) == is_sparse
    assert ("--sparse" in restore.argv("1", "/t", restic_version=version)) == is_sparse
