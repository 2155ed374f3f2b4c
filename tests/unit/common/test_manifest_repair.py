"""A manifest without what it was refused for, so that all faults of it are found in one go."""

from typing import Any

import pytest

from kronkeep_common.errors import InvalidRequest, NothingToArchive, StorageNotFound
from kronkeep_common.manifest_repair import remove_fault
from kronkeep_common.models import BackupStorageCreate, CronJobCreate, CronJobManifest, VolumeMount
from kronkeep_common.models.policy import BackupPolicySpec

CRONJOB = CronJobCreate(
    name="three",
    image="no spaces",
    schedule="61 2 * * *",
    time_zone="Mars/X",
    policy=BackupPolicySpec(storage_id="nowhere", schedule="x y"),
)


@pytest.mark.parametrize(
    ("message", "field", "changed"),
    [
        ("The time zone 'Mars/X' is not known.", "time_zone", {"time_zone": None}),
        ("The schedule '61 2 * * *' is refused.", "minute", {"schedule": "0 0 1 1 *"}),
        ("The image 'no spaces' is not an image reference.", "image", {"image": "stand-in"}),
        ("There is no storage 'nowhere'.", "storage_id", {"policy": None}),
        ("There is nothing to archive.", "policy.source", {"policy": None}),
    ],
)
def test_what_is_refused_is_left_out_or_replaced(message: str, field: str, changed: dict[str, Any]) -> None:
    repaired = remove_fault(CRONJOB, InvalidRequest(message, field=field))
    assert repaired is not None
    for name in CronJobCreate.__struct_fields__:
        assert getattr(repaired, name) == changed.get(name, getattr(CRONJOB, name))


def test_a_backup_schedule_is_left_out_alone() -> None:
    repaired = remove_fault(CRONJOB, InvalidRequest("The schedule 'x y' is refused.", field="schedule"))
    assert repaired is not None
    assert repaired.policy == BackupPolicySpec(storage_id="nowhere")
    assert repaired.schedule == CRONJOB.schedule


def test_a_volume_is_left_out_alone() -> None:
    volumes = (VolumeMount(claim="data", mount_path="/a"), VolumeMount(claim="nope", mount_path="/b"))
    body = CronJobCreate(name="a", image="busybox", schedule="@daily", volumes=volumes)
    repaired = remove_fault(body, InvalidRequest("There is no claim 'nope'."))
    assert repaired is not None
    assert repaired.volumes == volumes[:1]
    assert remove_fault(body, InvalidRequest("No more.", field="volumes[0]")) is not None


def test_a_copy_to_a_storage_that_is_not_there_is_left_out_alone() -> None:
    spec = {"schedule": "x", "copies": [{"to": "one"}, {"to": "two"}]}
    body = CronJobManifest(api_version="batch/v1", kind="CronJob", metadata={"name": "a"}, spec=spec)
    repaired = remove_fault(body, StorageNotFound("There is no storage 'two'.", storage="two"))
    assert repaired is not None
    assert repaired.spec["copies"][1] == {}


@pytest.mark.parametrize("error", [NothingToArchive("Nothing."), InvalidRequest("x", field="colour[0].a")])
def test_where_nothing_is_named_there_is_nothing_to_repair(error: InvalidRequest) -> None:
    assert remove_fault(BackupStorageCreate(id="vault", kind="local", settings={}), error) is None
