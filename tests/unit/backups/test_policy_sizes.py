"""What a tenant writes into a policy's annotation is bounded before it is decoded, and kept once."""

import json
import re
from collections.abc import Iterator

import pytest
from msgspec import inspect

from kronkeep_common import object_keys
from kronkeep_common.errors import InvalidPolicy
from kronkeep_common.models import BackupPolicySpec
from kronkeep_common.models.policy import Hook, Hooks
from kronkeep_daemon.backups import policy_annotations
from kronkeep_daemon.backups.policy_annotations import MOST_POLICY_BYTES, PolicyCache, PolicyText
from kronkeep_daemon.kube.objects import CronJobObject


def cronjob(text: str, uid: str = "u-1") -> CronJobObject:
    meta = {"uid": uid, "name": "job", "annotations": {object_keys.POLICY: text}}
    return CronJobObject.from_manifest({"metadata": meta}, "c")


def policy_of(size: int, letter: str = "x") -> str:
    """Return a valid annotation of that many bytes."""
    hook = {"name": "a", "image": "busybox", "command": [""]}
    text = json.dumps({"storage_id": "s", "hooks": {"pre": [hook]}})
    return text.replace('[""]', json.dumps([letter * (size - len(text.encode()))]))


@pytest.mark.parametrize("size", [MOST_POLICY_BYTES + 1, 250_000])
@pytest.mark.parametrize("kind", ["valid", "unreadable"])
def test_an_annotation_that_is_too_long_is_a_fault_in_few_words(size: int, kind: str) -> None:
    text = policy_of(size) if kind == "valid" else "{" * size
    parsed = policy_annotations.read_policy(cronjob(text))
    assert parsed.policy is None
    assert str(MOST_POLICY_BYTES) in (parsed.fault or "")
    assert len(parsed.fault or "") < 200


def test_bytes_count_and_not_characters() -> None:
    text = json.dumps({"storage_id": "s"})[:-1] + ', "x": "' + "ü" * (MOST_POLICY_BYTES // 2) + '"}'
    assert str(MOST_POLICY_BYTES) in (policy_annotations.read_policy(cronjob(text)).fault or "")


def test_the_longest_policy_is_read() -> None:
    assert policy_annotations.read_policy(cronjob(policy_of(MOST_POLICY_BYTES - 200))).policy is not None


def test_a_policy_of_the_api_has_the_same_limit() -> None:
    """Else its annotation could be written and not be read."""
    command = ("x" * MOST_POLICY_BYTES,)
    spec = BackupPolicySpec(storage_id="s", hooks=Hooks(pre=(Hook(name="a", image="b", command=command),)))
    with pytest.raises(InvalidPolicy, match="are the most"):
        policy_annotations.check_policy(spec)


def places_without_limit(kind: inspect.Type, place: str) -> Iterator[str]:
    """Yield where a text may have any length, or a list any number of items."""
    if isinstance(kind, inspect.StructType):
        for field in kind.fields:
            yield from places_without_limit(field.type, f"{place}.{field.encode_name}")
    elif isinstance(kind, inspect.UnionType):
        for each in kind.types:
            yield from places_without_limit(each, place)
    elif isinstance(kind, inspect.CollectionType):
        if kind.max_length is None:
            yield f"{place}[]"
        yield from places_without_limit(kind.item_type, f"{place}[]")
    elif isinstance(kind, inspect.DictType):
        if kind.max_length is None:
            yield f"{place}{{}}"
        yield from places_without_limit(kind.key_type, f"{place} key")
        yield from places_without_limit(kind.value_type, f"{place} value")
    elif isinstance(kind, inspect.StrType):
        repeats = kind.pattern is None or set(re.sub(r"\[[^]]*\]", "", kind.pattern)) & set("*+")
        if kind.max_length is None and repeats:
            yield place
    else:
        assert not isinstance(kind, inspect.AnyType | inspect.RawType | inspect.BytesType), place


def test_every_text_and_list_of_a_policy_has_a_limit() -> None:
    """Words of commands may be scripts: the limit of all bytes is theirs."""
    without = set(places_without_limit(inspect.type_info(BackupPolicySpec), ""))
    assert {place for place in without if not place.endswith(".command[]")} == set()
    assert len(without) == 6


def test_a_thousand_texts_of_one_cronjob_are_kept_once() -> None:
    cache = PolicyCache(most_bytes=10**9)
    for number in range(1000):
        cache.read(PolicyText(policy_of(30_000 + number), "p"), "u-1")
    assert cache.bytes < 2 * MOST_POLICY_BYTES


def test_the_texts_of_many_cronjobs_are_bounded_in_bytes() -> None:
    cache = PolicyCache(most_bytes=1_000_000)
    for number in range(200):
        cache.read(PolicyText(policy_of(30_000), "p"), f"u-{number}")
        cache.read(PolicyText("{" * 30_000, "p"), f"u-{number}")
    assert cache.bytes <= 1_000_000
    assert cache.read(PolicyText(policy_of(30_000), "p"), "u-1").policy is not None


def test_a_text_is_parsed_once() -> None:
    cache = PolicyCache(most_bytes=1_000_000)
    text = PolicyText(policy_of(1000), "p")
    assert cache.read(text, "u-1") is cache.read(text, "u-1")
    assert cache.read(text, "u-1") is not cache.read(text, "u-2")
