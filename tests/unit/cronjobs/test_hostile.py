"""What anybody may write on a CronJob or a Job of theirs stops the recording of nobody's runs."""

from datetime import timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from tests.unit.cronjobs.slot_scene import NOON, UID, Scene, cronjob, job

from kronkeep_common import object_keys
from kronkeep_common.states import Trigger
from kronkeep_daemon.cronjobs import job_to_run, resume
from kronkeep_daemon.kube.objects import CronJobObject, JobAnnotations
from kronkeep_daemon.kube.timestamps import parse_timestamp

NOTES = (
    object_keys.SCHEDULED_TIMESTAMP,
    object_keys.OVERRIDES_ANNOTATION,
    object_keys.POLICY_REVISION,
    object_keys.INSTANTIATE,
    object_keys.STARTING_DEADLINE,
)
TEXTS = (
    "",
    "garbage",
    "\x00",
    "-1",
    "0001-01-01T00:00:00Z",
    "9999-12-31T23:59:59Z",
    "2026-01-15T12:00:00",
    "2026-01-15T12:00:00+14:00",
    "\N{SUPERSCRIPT TWO} 2026-01-15T12:00:00Z",
    "9" * 5000 + " 2026-01-15T12:00:00Z",
    "[" * 100_000,
    '[{"name": "A", "value": 1}]',
)


async def record_run(folder: Path, spec: dict[str, Any], notes: dict[str, str]) -> list[tuple[Any, ...]]:
    """The records of a run that came and ended, half an hour later."""
    scene = Scene(folder)
    await scene.open()
    shown = cronjob(last=NOON - timedelta(minutes=10), **spec)
    begun = job(NOON)
    shown["metadata"]["annotations"] = notes
    begun["metadata"]["annotations"] |= notes
    await scene.show(shown)
    await scene.show(begun, kind="jobs")
    ended = job(NOON, ended=NOON + timedelta(minutes=1))
    ended["metadata"]["annotations"] |= notes
    await scene.show(ended, kind="jobs")
    await scene.at(30)
    resume.deadline_patch(CronJobObject.from_manifest(shown, "c"))
    rows = scene.rows()
    await scene.close()
    return rows


@pytest.mark.parametrize("text", TEXTS, ids=range(len(TEXTS)))
@pytest.mark.parametrize("note", NOTES)
async def test_annotations(tmp_path: Path, note: str, text: str) -> None:
    assert (0.0, "succeeded", None) in await record_run(tmp_path, {}, {note: text})


@pytest.mark.parametrize(
    "spec",
    [
        {"schedule": ""},
        {"schedule": "* " * 300},
        {"schedule": "@every 1s"},
        {"schedule": "0 0 31 2 *"},
        {"schedule": "TZ=No/Where * * * * *"},
        {"timeZone": "No/Where"},
        {"startingDeadlineSeconds": 0},
        {"startingDeadlineSeconds": 2**63 - 1},
    ],
)
async def test_specs(tmp_path: Path, spec: dict[str, Any]) -> None:
    assert (0.0, "succeeded", None) in await record_run(tmp_path, spec, {})


@pytest.mark.parametrize("text", ["0000-01-01T00:00:00Z", "10000-01-01T13:59:59Z", "2026-01-15T12:21:00"])
async def test_an_event_s_time_that_is_none_stops_no_judgement(tmp_path: Path, text: str) -> None:
    """Kubernetes takes years that Python does not know, and gives them back as they are."""
    scene = Scene(tmp_path)
    await scene.open()
    await scene.show(cronjob())
    await scene.tracker.update()
    event = {
        "metadata": {"name": "e", "namespace": "shop", "uid": "e"},
        "involvedObject": {"kind": "CronJob", "namespace": "shop", "name": "dump", "uid": UID},
        "reason": "FailedCreate",
        "message": "so it says",
        "lastTimestamp": text,
    }
    await scene.show(event, kind="events")
    await scene.at(22.5)
    assert scene.rows() == [(10, "missed", "NotStarted")]
    await scene.close()


@pytest.mark.parametrize(
    "text", ["0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z", "0001-01-01T00:00:00+14:00"]
)
def test_every_time_that_is_read_can_be_shown_in_every_zone(text: str) -> None:
    for moment in (
        parse_timestamp(text),
        job_to_run.slot_of("dump-1", JobAnnotations(scheduled=text), Trigger.SCHEDULED),
    ):
        for hours in (-14, 14):
            assert moment is None or moment.astimezone(timezone(timedelta(hours=hours)))
