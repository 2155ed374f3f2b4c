"""What a policy leaves out of what a CronJob mounts, and policies that are left with nothing."""

import pytest

from kronkeep_common.archive_contents import (
    CLAIM_KIND,
    MountedVolume,
    claims_to_archive,
    explain_nothing,
    find_unarchived,
    require_contents,
)
from kronkeep_common.errors import NothingToArchive
from kronkeep_common.models import BackupPolicySpec, ClaimSource, DatabaseDump, Include, Source

DATA = MountedVolume("data", CLAIM_KIND, "/data", claim="shop-data")
RAW = MountedVolume("raw", CLAIM_KIND, "/dev/raw", claim="shop-raw", is_device=True)
PART = MountedVolume("part", CLAIM_KIND, "/part", claim="shop-data", sub_paths=("app/new",))
VOLUMES_ONLY = Include()
DUMP = DatabaseDump(image="postgres:17", command=("pg_dump",))


def volume(kind: str) -> MountedVolume:
    return MountedVolume("v", kind, "/v")


def policy(*sources: ClaimSource, include: Include = VOLUMES_ONLY, enabled: bool = True) -> BackupPolicySpec:
    return BackupPolicySpec(storage_id="s", source=Source(claims=sources), include=include, enabled=enabled)


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        ("hostPath", "folder of a node"),
        ("emptyDir", "deleted with each pod"),
        ("ephemeral", "claim is deleted with each pod"),
        ("nfs", "not a PersistentVolumeClaim"),
        ("csi", "not a PersistentVolumeClaim"),
        ("iscsi", "not a PersistentVolumeClaim"),
        ("aKindOfNextYear", "not a PersistentVolumeClaim"),
    ],
)
def test_a_volume_that_is_no_claim_is_left_out_and_reported(kind: str, reason: str) -> None:
    (left_out,) = find_unarchived(policy(), (DATA, volume(kind)))
    assert (left_out.name, left_out.kind, left_out.mount_path) == ("v", kind, "/v")
    assert reason in left_out.reason
    assert left_out.sentence.startswith(f"v ({kind}) at /v is not archived: ")
    assert explain_nothing(policy(), (DATA, volume(kind))) is None


@pytest.mark.parametrize("kind", ["configMap", "secret", "projected", "downwardAPI", "image"])
def test_configuration_is_no_data(kind: str) -> None:
    assert find_unarchived(policy(), (DATA, volume(kind))) == ()


def test_what_a_policy_leaves_out_on_purpose_is_not_reported() -> None:
    other = MountedVolume("other", CLAIM_KIND, "/other", claim="other")
    assert find_unarchived(policy(ClaimSource(claim="shop-data")), (DATA, other, RAW)) == ()
    dump_only = Include(volumes=False, database=DUMP)
    assert find_unarchived(policy(include=dump_only), (DATA, volume("hostPath"))) == ()


def test_a_claim_that_is_a_device_or_outside_the_paths_is_reported() -> None:
    assert [v.name for v in find_unarchived(policy(), (DATA, RAW))] == ["raw"]
    assert claims_to_archive(policy(), (DATA, RAW)) == ("shop-data",)
    elsewhere = policy(ClaimSource(claim="shop-data", paths=("app/old", "logs")))
    assert [v.name for v in find_unarchived(elsewhere, (PART,))] == ["part"]
    for path in ("app", "app/new", "app/new/2026", "./app//new"):
        assert find_unarchived(policy(ClaimSource(claim="shop-data", paths=(path,))), (PART,)) == ()


@pytest.mark.parametrize(
    ("given", "volumes", "words"),
    [
        (policy(), (), "mounts no claim"),
        (policy(), (volume("configMap"),), "mounts no claim"),
        (policy(), (volume("hostPath"), volume("emptyDir")), "v (hostPath) at /v, v (emptyDir) at /v"),
        (policy(), (RAW,), "raw (persistentVolumeClaim) at /dev/raw"),
        (policy(include=Include(volumes=False)), (DATA,), "includes nothing"),
        (policy(ClaimSource(claim="shop-data", paths=("logs",))), (PART,), "paths leave out"),
    ],
)
def test_a_policy_with_nothing_to_archive_is_refused(
    given: BackupPolicySpec, volumes: tuple[MountedVolume, ...], words: str
) -> None:
    with pytest.raises(NothingToArchive) as refusal:
        require_contents(given, volumes)
    assert words in refusal.value.message
    assert refusal.value.next_step


@pytest.mark.parametrize(
    ("given", "volumes"),
    [
        (policy(), (DATA,)),
        (policy(ClaimSource(claim="elsewhere")), ()),
        (policy(ClaimSource(claim="elsewhere", paths=("a",))), (PART,)),
        (policy(include=Include(configuration=True)), ()),
        (policy(include=Include(volumes=False, database=DUMP)), ()),
        (policy(enabled=False), ()),
    ],
)
def test_a_policy_with_something_to_archive_or_not_in_force_is_accepted(
    given: BackupPolicySpec, volumes: tuple[MountedVolume, ...]
) -> None:
    require_contents(given, volumes)


def test_a_pod_with_a_thousand_volumes_fills_no_record() -> None:
    many = tuple(MountedVolume(f"v{n}" * 100, "hostPath", "/x" * 5000) for n in range(1000))
    left_out = find_unarchived(policy(), many)
    assert len(left_out) == 20
    assert max(len(v.sentence) for v in left_out) < 400
