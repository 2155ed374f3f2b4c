"""Manifests against what is there: the server's own writing is none, what is declared no more goes."""

from decimal import Decimal
from typing import Any

import pytest

from kronkeep_common import object_keys
from kronkeep_common.models import CronJobManifest
from kronkeep_daemon.apply import build_body
from kronkeep_daemon.cronjobs import last_applied
from kronkeep_daemon.kube.objects import JsonObject


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("1000m", "1"),
        (1, "1"),
        ("0.5", "0.5"),
        (".5", "0.5"),
        ("1e3", "1000"),
        ("1E", "1e18"),
        ("1Gi", str(1024**3)),
        ("1024Mi", str(1024**3)),
        ("1G", "1000000000"),
        ("100n", "1e-7"),
        ("-2k", "-2000"),
    ],
)
def test_a_quantity_is_its_amount(text: object, number: str) -> None:
    assert last_applied.quantity_amount(text) == Decimal(number)


@pytest.mark.parametrize("text", ["", "one", "1 Gi", "1Kb", "1KiB", None, True, [], "1e9999"])
def test_what_is_no_quantity_has_none(text: object) -> None:
    assert last_applied.quantity_amount(text) is None


def pod(resources: Any, **more: Any) -> dict[str, Any]:
    return {"containers": [{"name": "c", "resources": resources, **more}]}


@pytest.mark.parametrize(
    ("live", "wanted", "same"),
    [
        (pod({"limits": {"cpu": "1", "memory": "1Gi"}}), pod({"limits": {"cpu": "1000m"}}), True),
        (pod({"limits": {"cpu": "1", "memory": "1Gi"}}), pod({"limits": {"memory": "1024Mi"}}), True),
        (pod({"limits": {"cpu": "1"}}), pod({"limits": {"cpu": 1}}), True),
        (pod({"limits": {"cpu": "1"}}), pod({"limits": {"cpu": "2"}}), False),
        (pod({"limits": {"cpu": "1"}}), pod({"requests": {"cpu": "1"}}), False),
        (pod({"limits": {"example.com/gpu": "x"}}), pod({"limits": {"example.com/gpu": "y"}}), False),
        (pod({}, image="1000m"), pod({}, image="1"), False),
        (pod({}, env=[{"name": "A"}]), pod({}, env=[{"name": "A", "value": ""}]), True),
        (pod({}, env=[{"name": "A"}]), pod({}, env=[{"name": "A", "value": "x"}]), False),
        ({}, {"hostNetwork": False}, True),
        ({"hostNetwork": True}, {"hostNetwork": False}, False),
        ({}, {"automountServiceAccountToken": False}, False),
        ({"suspend": True}, {"suspend": None}, False),
        ({}, {"labels": {"a": None}}, True),
    ],
)
def test_what_the_server_writes_in_its_own_way_is_no_difference(live: Any, wanted: Any, same: bool) -> None:
    assert last_applied.covers(live, wanted) is same


def cronjob(spec: Any, before: Any = None, **labels: str) -> dict[str, Any]:
    body: dict[str, Any] = {"metadata": {"labels": labels}, "spec": spec}
    if before is not None:
        body["metadata"]["annotations"] = {object_keys.DECLARED: last_applied.encode_field_names(before)}
    return body


def test_what_is_declared_no_more_goes_and_what_others_set_stays() -> None:
    before = cronjob({"suspend": True, "a": {"b": 1}, "c": {"d": 1}}, team="x")
    live = cronjob(
        {"suspend": True, "a": {"b": 1, "other": 2}, "c": {"d": 1}, "e": 5}, before, team="x", its="y"
    )
    wanted: JsonObject = {"metadata": {}, "spec": {}}
    patch = last_applied.build_apply_patch(live, wanted)
    assert patch["spec"] == {"suspend": None, "a": {"b": None}, "c": None}
    assert patch["metadata"] == {"labels": {"team": None}}
    assert not last_applied.covers(live, patch)


def test_a_note_in_what_kubectl_printed_is_not_declared() -> None:
    metadata = {"name": "db", "annotations": {object_keys.DECLARED: "{}", "team": "shop"}}
    manifest = CronJobManifest(api_version="batch/v1", kind="CronJob", metadata=metadata, spec={})
    assert build_body(manifest)["metadata"]["annotations"] == {"team": "shop"}


def test_values_are_not_kept() -> None:
    assert "secret" not in last_applied.encode_field_names(
        cronjob({"env": [{"name": "P", "value": "secret"}]})
    )


@pytest.mark.parametrize("text", ["{", "[]", "null", "7"])
def test_an_annotation_that_is_not_ours_drops_nothing(text: str) -> None:
    live = {"metadata": {"annotations": {object_keys.DECLARED: text}}, "spec": {"a": 1}}
    assert last_applied.build_apply_patch(live, {"metadata": {}, "spec": {}}) == {"metadata": {}, "spec": {}}
