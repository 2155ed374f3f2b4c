"""Exactly what a maintenance suspended is resumed, whatever people and other maintenances do meanwhile."""

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.cronjobs.slot_scene import cronjob, slot

from kronkeep_common import object_keys
from kronkeep_daemon.cronjobs import resume
from kronkeep_daemon.cronjobs.maintenance_marks import (
    MOST_MARKS,
    read_marks,
    release_patch,
    suspend_patch,
    without_marks,
)
from kronkeep_daemon.embedded.apiserver.patches import apply_merge_patch
from kronkeep_daemon.embedded.controllers.cronjob_plan import plan_cronjob
from kronkeep_daemon.kube.objects import CronJobObject
from kronkeep_daemon.kube.timestamps import parse_timestamp

IDS = tuple(f"{number:032x}" for number in range(1, 4))


def read(raw: dict[str, Any]) -> CronJobObject:
    return CronJobObject.from_manifest(raw, "c")


def apply(raw: dict[str, Any], patch: dict[str, Any] | None) -> dict[str, Any]:
    return raw if patch is None else apply_merge_patch(raw, patch)


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("start"), st.sampled_from(IDS)),
        st.tuples(st.just("end"), st.sampled_from(IDS)),
        st.tuples(st.sampled_from(("suspend", "resume")), st.just("")),
    ),
    max_size=12,
)


@given(st.booleans(), STEPS)
def test_after_all_maintenances_only_what_people_suspended_stays_so(
    was_suspended: bool, steps: list[tuple[str, str]]
) -> None:
    raw = cronjob(last=slot(10), suspend=was_suspended)
    by_person = was_suspended
    for kind, maintenance_id in steps:
        if kind == "start":
            raw = apply(raw, suspend_patch(read(raw), maintenance_id))
            assert raw["spec"]["suspend"]
        elif kind == "end":
            raw = apply(raw, release_patch(read(raw), {maintenance_id}, None, slot(14)))
        else:
            by_person = kind == "suspend"
            raw = apply(raw, without_marks({"spec": {"suspend": by_person}}))
    raw = apply(raw, release_patch(read(raw), set(IDS), None, slot(14)))
    assert raw["spec"]["suspend"] == by_person
    assert read_marks(read(raw)) == ()
    assert not raw["metadata"].get("annotations")


def test_the_last_of_two_maintenances_resumes() -> None:
    raw = cronjob(last=slot(10))
    for maintenance_id in IDS[:2]:
        raw = apply(raw, suspend_patch(read(raw), maintenance_id))
    raw = apply(raw, release_patch(read(raw), {IDS[0]}, None, slot(14)))
    assert (raw["spec"]["suspend"], read_marks(read(raw))) == (True, (IDS[1],))
    assert apply(raw, release_patch(read(raw), {IDS[1]}, None, slot(14)))["spec"]["suspend"] is False


def test_one_that_somebody_resumed_with_kubectl_only_loses_its_mark() -> None:
    raw = apply(cronjob(last=slot(10)), suspend_patch(read(cronjob()), IDS[0]))
    raw["spec"]["suspend"] = False
    patch = release_patch(read(raw), {IDS[0]}, slot(10), slot(14))
    assert patch is not None
    assert "spec" not in patch
    raw = apply(raw, suspend_patch(read(raw), IDS[1]))
    assert read_marks(read(raw)) == (IDS[1],)


@pytest.mark.parametrize("deadline", [None, 3600])
def test_the_backlog_is_not_started(deadline: int | None) -> None:
    now = slot(47)
    raw = cronjob(last=slot(10), suspend=False)
    if deadline:
        raw["spec"]["startingDeadlineSeconds"] = deadline
    raw = apply(raw, suspend_patch(read(raw), IDS[0]))
    at_once = apply_merge_patch(raw, {"spec": {"suspend": False}})
    assert plan_cronjob(at_once, [], now).create is not None  # what Kubernetes would do
    raw = apply(raw, release_patch(read(raw), {IDS[0]}, slot(40), now))
    assert plan_cronjob(raw, [], now).create is None
    assert plan_cronjob(raw, [], now + timedelta(minutes=2)).create is None
    planned = plan_cronjob(raw, [], slot(50))
    assert planned.create is not None
    raw["status"] = planned.status
    assert parse_timestamp(raw["status"]["lastScheduleTime"]) == slot(50)
    raw = apply(raw, resume.deadline_patch(read(raw)))
    assert raw["spec"].get("startingDeadlineSeconds") == deadline


def test_a_patch_names_the_version_that_was_read() -> None:
    raw = cronjob(version=7)
    patch = suspend_patch(read(raw), IDS[0])
    assert patch is not None
    assert patch["metadata"]["resourceVersion"] == "7"


def test_what_tenants_write_there_is_bounded() -> None:
    raw = cronjob(suspend=True)
    raw["metadata"]["annotations"] = {object_keys.MAINTENANCE: "x" * 9 + f"{IDS[0]} " * 100_000 + IDS[1]}
    assert read_marks(read(raw)) == (IDS[0],)
    many = " ".join(f"{number:032x}" for number in range(MOST_MARKS))
    raw["metadata"]["annotations"] = {object_keys.MAINTENANCE: many}
    assert suspend_patch(read(raw), "f" * 32) is None
