"""A policy goes to a CronJob's annotations and comes back; a broken one is a fault, never half a policy."""

import msgspec
import pytest

from kronkeep_common import object_keys
from kronkeep_common.errors import InvalidPolicy, KronkeepError
from kronkeep_common.models import BackupPolicySpec
from kronkeep_common.models.policy import (
    ClaimSource,
    DatabaseDump,
    Encryption,
    Hook,
    Hooks,
    Include,
    SecretKeyRef,
    Source,
)
from kronkeep_daemon.backups import policy_annotations
from kronkeep_daemon.kube.objects import CronJobObject
from kronkeep_daemon.kube.subjects import PolicyClaim


def hook(name: str, image: str = "busybox:1.36", **fields: str) -> Hook:
    return Hook(name=name, image=image, command=("true",), **fields)  # type: ignore[arg-type]


def dump(image: str, file_name: str = "dump") -> DatabaseDump:
    return DatabaseDump(image=image, command=("pg_dump",), file_name=file_name)


def cronjob(annotations: dict[str, str]) -> CronJobObject:
    manifest = {"metadata": {"uid": "u-1", "name": "job", "annotations": annotations}}
    return CronJobObject.from_manifest(manifest, "c")


def test_there_and_back() -> None:
    policy = policy_annotations.new_policy(
        BackupPolicySpec(storage_id="store", schedule="5 4 * * *", time_zone="Europe/Berlin")
    )
    parsed = policy_annotations.read_policy(cronjob(policy_annotations.annotations_of(policy)))
    assert parsed == policy_annotations.ParsedPolicy(policy, None)


def test_the_revision_follows_the_content() -> None:
    policy = policy_annotations.new_policy(BackupPolicySpec(storage_id="store"), "same")
    revision = policy_annotations.revision_of(policy)
    assert policy_annotations.revision_of(msgspec.structs.replace(policy)) == revision
    assert policy_annotations.revision_of(msgspec.structs.replace(policy, retries=2)) != revision


def test_an_annotation_by_hand_needs_no_id() -> None:
    by_hand = cronjob({object_keys.POLICY: '{"storage_id": "store"}'})
    first = policy_annotations.read_policy(by_hand).policy
    second = policy_annotations.read_policy(by_hand).policy
    assert first is not None
    assert first == second
    assert first.id


def test_a_policy_that_is_written_by_hand_over_another_keeps_its_id() -> None:
    written = policy_annotations.annotations_of(
        policy_annotations.new_policy(BackupPolicySpec(storage_id="store"), "kept")
    )
    by_hand = written | {object_keys.POLICY: '{"storage_id": "store", "retries": 2}'}
    policy = policy_annotations.read_policy(cronjob(by_hand)).policy
    assert policy is not None
    assert (policy.id, policy.retries) == ("kept", 2)
    named = written | {object_keys.POLICY: '{"id": "other", "storage_id": "store"}'}
    assert policy_annotations.kept_id_of(cronjob(named)) == "other"
    impossible = by_hand | {object_keys.POLICY_ID: "../Kept"}
    assert policy_annotations.kept_id_of(cronjob(impossible)) == policy_annotations.policy_id_of("u-1")


def test_a_policy_that_somebody_broke_is_mended_under_the_same_id() -> None:
    written = policy_annotations.annotations_of(
        policy_annotations.new_policy(BackupPolicySpec(storage_id="store"), "kept")
    )
    assert policy_annotations.kept_id_of(cronjob(written | {object_keys.POLICY: "{"})) == "kept"
    by_hand = cronjob({object_keys.POLICY: '{"storage_id": "store"}'})
    broken = cronjob({object_keys.POLICY: '{"storage_id": "store"'})
    assert policy_annotations.kept_id_of(broken) == policy_annotations.kept_id_of(by_hand)
    assert policy_annotations.kept_id_of(cronjob({})) is None


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{",
        "[" * 100_000,
        '{"storage_id":"s","unknown":1}',
        '{"storage_id":"s","schedule":"99 * * * *"}',
        '{"storage_id":"s","id":"../elsewhere"}',
        '{"storage_id":"s","delay_seconds":1e300}',
        '{"storage_id":"s","rpo_seconds":1e300}',
        '{"storage_id":"s","deadline_seconds":1e300}',
        '{"storage_id":"s","expected_duration_seconds":1e300}',
        '{"storage_id":"s","id":"one,run=two"}',
        "null",
    ],
)
def test_a_broken_annotation_is_a_fault(text: str) -> None:
    found = policy_annotations.read_policy(cronjob({object_keys.POLICY: text}))
    assert found.policy is None
    assert found.fault


@pytest.mark.parametrize("path", ["/etc", "a/../b", "--exclude=x"])
def test_paths_stay_below_the_claim(path: str) -> None:
    source = Source(claims=(ClaimSource(claim="data", paths=(path,)),))
    with pytest.raises(InvalidPolicy):
        policy_annotations.check_policy(BackupPolicySpec(storage_id="s", source=source))


def test_what_cannot_be_done_is_refused() -> None:
    for spec in (
        BackupPolicySpec(storage_id="s", encryption=Encryption(enabled=False, key=SecretKeyRef(secret="k"))),
        BackupPolicySpec(storage_id="s", time_zone="UTC"),
        BackupPolicySpec(storage_id="s", include=Include(volumes=False)),
        BackupPolicySpec(storage_id="s", include=Include(database=dump("no image"))),
        BackupPolicySpec(storage_id="s", include=Include(database=dump("postgres:17", "source"))),
        BackupPolicySpec(
            storage_id="s",
            include=Include(volumes=False, configuration=True),
            source=Source(claims=(ClaimSource(claim="data"),)),
        ),
        BackupPolicySpec(storage_id="s", hooks=Hooks(pre=(hook("a"), hook("a")))),
        BackupPolicySpec(storage_id="s", hooks=Hooks(pre=(hook("a", when="success"),))),
        BackupPolicySpec(storage_id="s", hooks=Hooks(post=(hook("a", image="no image"),))),
    ):
        with pytest.raises(KronkeepError):
            policy_annotations.check_policy(spec)


def test_what_can_be_done_is_not_refused() -> None:
    for spec in (
        BackupPolicySpec(storage_id="s", encryption=Encryption(key=SecretKeyRef(secret="k"))),
        BackupPolicySpec(storage_id="s", encryption=Encryption(enabled=False)),
        BackupPolicySpec(storage_id="s", include=Include(volumes=False, configuration=True)),
        BackupPolicySpec(storage_id="s", include=Include(volumes=False, database=dump("postgres:17"))),
        BackupPolicySpec(
            storage_id="s", source=Source(claims=(ClaimSource(claim="data", paths=("a..b/c",)),))
        ),
        BackupPolicySpec(storage_id="s", hooks=Hooks(post=(hook("a", when="failure"),))),
    ):
        policy_annotations.check_policy(spec)


def test_kubectl_shows_whether_the_policy_is_on() -> None:
    for on in (True, False):
        made = policy_annotations.new_policy(BackupPolicySpec(storage_id="s", enabled=on))
        assert policy_annotations.annotations_of(made)[object_keys.POLICY_ENABLED] == str(on).lower()


def test_a_cronjob_without_the_annotation_has_no_policy_and_no_fault() -> None:
    assert policy_annotations.read_policy(cronjob({})) == policy_annotations.ParsedPolicy(None, None)


def claim(uid: str = "u-1", *, is_block: bool = False, **policy: object) -> PolicyClaim:
    text = msgspec.json.encode({"storage_id": "store", "schedule": "0 3 * * *", **policy}).decode()
    return PolicyClaim(
        cluster="c",
        namespace="n",
        claim="data",
        uid=uid,
        resource_version="1",
        created_at=None,
        policy=text,
        is_block=is_block,
    )


def test_claims_of_one_template_have_policies_of_their_own() -> None:
    policies = [policy_annotations.read_policy(claim(uid, id="copied")).policy for uid in ("u-1", "u-2")]
    assert policies[0] is not None
    assert policies[1] is not None
    assert policies[0].spec == policies[1].spec
    assert len({policies[0].id, policies[1].id, "copied"}) == 3


@pytest.mark.parametrize(
    ("subject", "words"),
    [
        (claim(schedule=None), "needs a schedule"),
        (claim(source={"claims": [{"claim": "data"}, {"claim": "other"}]}), "and not other"),
        (claim(is_block=True), "block volume"),
    ],
)
def test_a_policy_that_a_claim_cannot_have(subject: PolicyClaim, words: str) -> None:
    parsed = policy_annotations.read_policy(subject)
    assert parsed.policy is None
    assert words in (parsed.fault or "")


@pytest.mark.parametrize(
    "fields",
    [
        {"schedule": "@every 6h"},
        {"drill": {"schedule": "@every 24h"}},
        {"copies": [{"storage_id": "other", "drill": {"schedule": "@every 24h"}}]},
    ],
)
def test_a_schedule_without_slots_is_refused_instead_of_never_being_due(fields: dict[str, object]) -> None:
    spec = msgspec.convert({"storage_id": "store", **fields}, BackupPolicySpec)
    with pytest.raises(InvalidPolicy, match="nothing would ever be due"):
        policy_annotations.check_policy(spec)
