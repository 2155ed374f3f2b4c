"""A change of the API that breaks callers of the last release is found."""

import copy
from collections.abc import Callable
from typing import Any

import pytest

from release.api_changes import breaking_changes, current, last_release

Change = Callable[[dict[str, Any]], object]
BREAKING: dict[str, tuple[Change, str]] = {
    "a route": (lambda api: api["paths"].pop("/v1/backups"), "GET /v1/backups is gone"),
    "a parameter": (
        lambda api: api["paths"]["/v1/executions"]["get"].update(parameters=[]),
        "GET /v1/executions takes no filter",
    ),
    "a field": (
        lambda api: api["components"]["schemas"]["CronJobExecution"]["properties"].pop("message"),
        "CronJobExecution has no field message",
    ),
    "a type": (
        lambda api: api["components"]["schemas"]["Version"]["properties"].update(version={"type": "integer"}),
        "Version.version is not string",
    ),
    "a value": (
        lambda api: api["components"]["schemas"]["BackupPolicySpec"]["properties"]["when"].update(
            enum=["always"]
        ),
        'BackupPolicySpec.when has no "success"',
    ),
    "a required field": (
        lambda api: api["components"]["schemas"]["BackupPolicySpec"]["required"].append("schedule"),
        "BackupPolicySpec requires",
    ),
}


@pytest.mark.parametrize("what", BREAKING)
def test_a_change_that_breaks_callers_is_named(what: str) -> None:
    change, sentence = BREAKING[what]
    old = current()
    if what == "a required field":
        old["components"]["schemas"]["BackupPolicySpec"]["properties"].pop("schedule")
    new = copy.deepcopy(current())
    change(new)
    assert [found for found in breaking_changes(old, new) if found.startswith(sentence)] != []


def test_what_is_added_breaks_nobody() -> None:
    old = current()
    new = copy.deepcopy(old)
    new["paths"]["/v1/new"] = {"get": {"responses": {}}}
    new["components"]["schemas"]["Version"]["properties"]["more"] = {"type": "string"}
    assert breaking_changes(old, new) == []
    assert breaking_changes(old, old) == []


def test_this_version_breaks_no_caller_of_the_last_release() -> None:
    release = last_release()
    assert release is None or breaking_changes(release[1], current()) == []
