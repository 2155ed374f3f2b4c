"""Ids of records where clusters share uids; what goes to a cluster has the uid alone."""

import json
from pathlib import Path
from typing import Any

import pytest
from tests.unit.cronjobs.replay import fake_cluster

from kronkeep_common import object_keys
from kronkeep_daemon.backups.policy_annotations import read_policy
from kronkeep_daemon.cronjobs import cronjob_manifests
from kronkeep_daemon.cronjobs.run_recorder import RunRecorder
from kronkeep_daemon.events import Bus
from kronkeep_daemon.history import History
from kronkeep_daemon.kube.claims import ClaimObject
from kronkeep_daemon.kube.objects import CronJobObject, CronJobRef, JsonObject, convert_object
from kronkeep_daemon.kube.shared_uids import SharedUids, uid_of
from kronkeep_daemon.repositories.job_manifests import owner_reference
from kronkeep_daemon.testing import FakeClock

POLICY = {object_keys.POLICY: json.dumps({"storage_id": "vault"})}
POD: JsonObject = {"spec": {"containers": []}}
JOB_TEMPLATE = {"metadata": {}, "spec": {"template": POD}}
CRONJOB = {
    "metadata": {"name": "dump", "namespace": "shop", "uid": "u-1", "annotations": POLICY},
    "spec": {"schedule": "0 2 * * *", "jobTemplate": JOB_TEMPLATE},
}


def no_records(_: str) -> None:
    return None


def are_equal(first: str, second: str) -> bool:
    return first == second


@pytest.fixture
async def recorders(tmp_path: Path) -> Any:
    """The recorders of the clusters `a` and `b`, each with the CronJob."""
    clock = FakeClock()
    history = await History.open(tmp_path, clock=clock)
    uids = SharedUids(no_records, are_equal)
    both = [
        RunRecorder(cluster=fake_cluster(name), history=history, bus=Bus(), clock=clock, uids=uids)
        for name in ("a", "b")
    ]
    for recorder in both:
        cronjob = CronJobObject.from_manifest(CRONJOB, recorder.cluster.id)
        recorder.cache.update_cronjob("ADDED", cronjob)
    yield both
    await history.close()


def policy_id(cronjob: CronJobObject) -> str:
    policy = read_policy(cronjob).policy
    assert policy is not None
    return policy.id


async def test_the_second_cluster_s_ids_name_it_and_its_own_objects_get_the_uid(recorders: Any) -> None:
    first, second = (
        recorder.cache.cronjobs[CronJobRef(name, "shop", "dump")]
        for recorder, name in zip(recorders, "ab", strict=True)
    )
    assert (first.uid, second.uid) == ("u-1", "u-1@b")
    assert policy_id(first) != policy_id(second)
    for cronjob in (first, second):
        assert owner_reference(cronjob)["uid"] == "u-1"
        (owner,) = cronjob_manifests.build_manual_job(cronjob, "now", (), None)["metadata"]["ownerReferences"]
        assert owner["uid"] == "u-1"


async def test_claims_have_ids_of_their_own_cluster_and_go_when_they_are_deleted(recorders: Any) -> None:
    meta = {"name": "data", "namespace": "shop", "uid": "c-1", "annotations": POLICY}
    claim = convert_object({"metadata": meta, "spec": {}}, ClaimObject)
    ids = []
    for recorder, name in zip(recorders, "ab", strict=True):
        ref = CronJobRef(name, "shop", "pvc/data")
        recorder.claims.update("ADDED", claim)
        ids.append(recorder.claims.get(ref).uid)
        assert owner_reference(recorder.claims.get(ref))["uid"] == "c-1"
        recorder.claims.update("DELETED", claim)
        assert ref not in recorder.claims
    assert ids == ["c-1", "c-1@b"]
    assert {uid_of(record_id) for record_id in ids} == {"c-1"}


def test_what_is_recorded_decides_after_a_restart_whoever_comes_first() -> None:
    recorded = {"u-1": "a"}.get
    uids = SharedUids(recorded, are_equal)
    assert uids.record_id("u-1", "b") == "u-1@b"
    assert uids.record_id("u-1", "a") == "u-1"
    assert SharedUids(recorded, lambda *_: True).record_id("u-1", "b") == "u-1"  # b stands in for a
