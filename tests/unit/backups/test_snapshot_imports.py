"""The tags by which snapshots of another tool become backups: the same at each try, and ours alone."""

from kronkeep_daemon.backups.snapshot_imports import tags_of_import
from kronkeep_daemon.kube.subjects import PolicyClaim
from kronkeep_daemon.restic import tag

CLAIM = PolicyClaim(
    cluster="cluster-1",
    namespace="shop",
    claim="data",
    uid="uid-1",
    resource_version="1",
    created_at=None,
    policy="",
)


def test_a_snapshot_gets_one_backup_however_often_it_is_tried() -> None:
    first = tags_of_import("vault", CLAIM, "p", "a" * 64)
    assert first == tags_of_import("vault", CLAIM, "p", "a" * 64)
    assert first.backup == first.run
    others = [
        tags_of_import("vault", CLAIM, "p", "b" * 64),
        tags_of_import("other", CLAIM, "p", "a" * 64),
    ]
    assert len({first.backup, *(each.backup for each in others)}) == 3


def test_tags_are_added_to_one_snapshot_and_take_none_away() -> None:
    argv = tag.argv("a" * 64, tags_of_import("vault", CLAIM, "p", "a" * 64))
    assert argv[:3] == ["restic", "tag", "--add"]
    assert "cronjob=pvc/data" in argv[3].split(",")
    assert "namespace=shop" in argv[3].split(",")
    assert argv[4] == "a" * 63
