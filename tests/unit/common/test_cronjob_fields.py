"""What was meant by a field of a CronJob that does not exist."""

from collections.abc import Iterator
from typing import Any

import pytest
from kubernetes.client import models

from kronkeep_common.cronjob_fields import explain_unknown_fields, find_unknown_fields

PREFIX = "spec.jobTemplate.spec.template.spec."


@pytest.mark.parametrize(
    ("path", "meant"),
    [
        ("spec.schedul", "schedule"),
        ("spec.timezone", "timeZone"),
        ("spec.jobTemplate.spec.backofLimit", "backoffLimit"),
        (PREFIX + "restartpolicy", "restartPolicy"),
        (PREFIX + "containers[1].comand", "command"),
        (PREFIX + "initContainers[0].volumeMount", "volumeMounts"),
        (PREFIX + "volumes[0].persistentVolumeClaim.claim", "claimName"),
        ("metadata.label", "labels"),
    ],
)
def test_what_was_probably_meant(path: str, meant: str) -> None:
    refusal = f'strict decoding error: unknown field "{path}", unknown field "spec.zzzzz"'
    assert explain_unknown_fields(refusal) == [
        f"{path}: there is no such field. Did you mean {meant}?",
        "spec.zzzzz: there is no such field.",
    ]


def test_a_hostile_refusal_is_no_fault() -> None:
    for path in ("", "[0]", "a[99999999999]", "spec.affinity.nodeAffinity.x", "spec\x1b[31m.x"):
        (sentence,) = explain_unknown_fields(f'unknown field "{path}"')
        assert "\x1b" not in sentence


def example_of(model: str, depth: int = 0) -> Any:
    """Return a value of a type of the Kubernetes client, with every field down to the containers."""
    if depth > 6 or not hasattr(models, model):
        return {}
    kind = getattr(models, model)
    return {kind.attribute_map[name]: _value(type_, depth) for name, type_ in kind.openapi_types.items()}


def _value(type_: str, depth: int) -> Any:
    if type_.startswith("list["):
        return [example_of(type_[5:-1], depth + 1)]
    return example_of(type_, depth + 1)


def fields_below(kind: str) -> Iterator[str]:
    yield from find_unknown_fields(kind, example_of(f"V1{kind}"))


@pytest.mark.parametrize("kind", ["CronJob", "Job"])
def test_every_field_of_the_installed_client_is_known(kind: str) -> None:
    assert list(fields_below(kind)) == []
