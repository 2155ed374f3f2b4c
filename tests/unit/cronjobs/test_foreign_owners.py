"""An owner, and the subject of an Event, count only in their own namespace."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from tests.unit.cronjobs.replay import fake_cluster, feed
from tests.unit.cronjobs.slot_scene import NOON, UID, Scene, cronjob, job, stamp

from kronkeep_daemon.cronjobs.run_recorder import RunRecorder
from kronkeep_daemon.events import Bus
from kronkeep_daemon.kube.objects import JsonObject

HOLD = {"finalizers": ["evil.example/hold"]}


def forge(manifest: JsonObject) -> JsonObject:
    """The same object as a tenant of another namespace writes it, under a uid of its own."""
    meta = manifest["metadata"]
    return {
        **manifest,
        "metadata": {**meta, **HOLD, "namespace": "evil", "name": "forged", "uid": f"forged-{meta['uid']}"},
    }


def pod_of(job_uid: str, exit_code: int) -> JsonObject:
    terminated = {"exitCode": exit_code, "reason": "Error"}
    return {
        "metadata": {
            "name": "victim",
            "namespace": "shop",
            "uid": f"pod-of-{job_uid}",
            "creationTimestamp": stamp(NOON),
            "ownerReferences": [{"kind": "Job", "name": "dump", "uid": job_uid, "controller": True}],
        },
        "status": {
            "phase": "Failed",
            "containerStatuses": [{"name": "main", "state": {"terminated": terminated}}],
        },
    }


def event_about(uid: str, *, namespace: str, subject_namespace: str) -> JsonObject:
    return {
        "metadata": {"name": "e", "namespace": namespace, "uid": f"event-{namespace}"},
        "involvedObject": {"kind": "Job", "namespace": subject_namespace, "name": "x", "uid": uid},
        "reason": "FailedCreate",
        "message": "Error creating: call +1-555",
        "lastTimestamp": stamp(NOON),
    }


@pytest.fixture
async def scene(tmp_path: Path) -> Any:
    shown = Scene(tmp_path)
    await shown.open()
    yield shown
    await shown.close()


async def test_a_job_of_another_namespace_is_no_run_of_the_cronjob_that_it_names(scene: Scene) -> None:
    await scene.show(cronjob(last=NOON))
    await scene.show(forge(job(NOON, ended=NOON + timedelta(minutes=1))), kind="jobs")
    assert scene.history.executions.newest(limit=10, cronjob_id=UID).items == []
    await scene.show(job(NOON), kind="jobs")
    assert [run.namespace for run in scene.history.executions.all()] == ["shop"]


@pytest.mark.parametrize("known_by", ["a cache of deleted CronJobs", "the history"])
async def test_nor_of_a_cronjob_that_is_deleted(scene: Scene, known_by: str) -> None:
    shown = cronjob(last=NOON)
    if known_by == "the history":
        await scene.show(job(NOON - timedelta(minutes=10)), kind="jobs")
    else:
        await scene.show(shown)
        feed(scene.recorder, "cronjobs", "DELETED", shown)
    await scene.show(forge(job(NOON)), kind="jobs")
    assert "evil" not in [run.namespace for run in scene.history.executions.all()]


async def test_a_forged_job_that_is_listed_before_the_cronjobs_waits_for_them(scene: Scene) -> None:
    fresh = RunRecorder(cluster=fake_cluster(), history=scene.history, bus=Bus(), clock=scene.clock)
    feed(fresh, "jobs", "ADDED", forge(job(NOON)))
    feed(fresh, "jobs", "ADDED", job(NOON))
    await fresh.flush()
    assert list(scene.history.executions.all()) == []
    feed(fresh, "cronjobs", "ADDED", cronjob(last=NOON))
    await fresh.flush()
    assert [run.namespace for run in scene.history.executions.all()] == ["shop"]


async def test_a_pod_of_another_namespace_is_no_pod_of_the_run(scene: Scene) -> None:
    await scene.show(cronjob(last=NOON))
    shown = job(NOON)
    uid = shown["metadata"]["uid"]
    await scene.show(shown, kind="jobs")
    await scene.show(pod_of(uid, 5), kind="pods")
    await scene.show(forge(pod_of(uid, 77)), kind="pods")
    (run,) = scene.history.executions.all()
    assert [(pod.name, pod.exit_code) for pod in run.pods] == [("victim", 5)]
    assert [pod.metadata.name for pod in scene.recorder.cache.pods_of("shop", uid)] == ["victim"]


@pytest.mark.parametrize(
    ("namespace", "subject_namespace"), [("evil", "evil"), ("evil", "shop"), ("default", "")]
)
async def test_an_event_of_another_namespace_explains_nothing(
    scene: Scene, namespace: str, subject_namespace: str
) -> None:
    await scene.show(cronjob(last=NOON))
    shown = job(NOON)
    await scene.show(shown, kind="jobs")
    uid = shown["metadata"]["uid"]
    forged = event_about(uid, namespace=namespace, subject_namespace=subject_namespace)
    await scene.show(forged, kind="events")
    (run,) = scene.history.executions.all()
    assert run.message is None
    await scene.show(event_about(uid, namespace="shop", subject_namespace="shop"), kind="events")
    (run,) = scene.history.executions.all()
    assert run.reason == "CannotCreatePod"
