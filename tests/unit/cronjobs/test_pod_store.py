"""Pods that are packed are the same when they are read again, and much smaller."""

import tracemalloc

import msgspec
import pytest
from tests.recordings import CRONJOB_SCENARIOS, JOB_SCENARIOS, read_watch_events

from kronkeep_daemon.cronjobs.pod_store import PODS_PER_JOB, PodStore
from kronkeep_daemon.kube.objects import ObjectMeta, Pod

RECORDED = [
    msgspec.convert(event["object"], Pod)
    for name in JOB_SCENARIOS + CRONJOB_SCENARIOS
    for event in read_watch_events(name, "pods")
    if event["type"] != "BOOKMARK"
]
ENDED = [pod for pod in RECORDED if pod.status.phase in ("Succeeded", "Failed")]


def make_pod(number: int, version: str = "7", uid: str = "") -> Pod:
    meta = ObjectMeta(
        name=f"dump-{number}", namespace="shop", uid=uid or f"uid-{number}", resource_version=version
    )
    return msgspec.structs.replace(ENDED[number % len(ENDED)], metadata=meta)


@pytest.mark.parametrize("pod", [make_pod(1), *RECORDED[:: len(RECORDED) // 40]])
def test_packed_pods_are_read_as_they_were(pod: Pod) -> None:
    store = PodStore()
    store.put("job", make_pod(0))
    store.put("job", pod)
    store.pack("job")
    assert list(store.of_job("job").values()) == [make_pod(0), pod]
    assert len(store) == 1
    assert list(store.remove("job").values()) == [make_pod(0), pod]
    assert (len(store), store.of_job("job")) == (0, {})


def test_a_newer_state_takes_its_place_among_packed_ones() -> None:
    store = PodStore()
    for number in range(3):
        store.put("job", make_pod(number))
    for _ in range(2):
        store.pack("job")
        store.pack("another")
    assert store.has_version("job", make_pod(1).metadata)
    assert not store.has_version("job", make_pod(1, version="8").metadata)
    assert not store.has_version("job", make_pod(1, uid="uid").metadata)
    assert not store.has_version("another", make_pod(1).metadata)
    store.put("job", make_pod(1, version="8"))
    assert store.has_version("job", make_pod(1, version="8").metadata)
    versions = [pod.metadata.resource_version for pod in store.of_job("job").values()]
    assert versions == ["7", "8", "7"]


def test_the_newest_pods_of_a_packed_job_are_kept_too() -> None:
    store = PodStore()
    for number in range(PODS_PER_JOB):
        store.put("job", make_pod(number))
    store.pack("job")
    store.put("job", make_pod(PODS_PER_JOB))
    names = [pod.metadata.name for pod in store.of_job("job").values()]
    assert (len(names), names[0], names[-1]) == (PODS_PER_JOB, "dump-1", f"dump-{PODS_PER_JOB}")


def test_the_pod_of_a_recorded_job_takes_few_bytes() -> None:
    store = PodStore()
    tracemalloc.start()
    for number in range(1000):
        store.put(f"job-{number}", msgspec.convert(msgspec.to_builtins(make_pod(number)), Pod))
        store.pack(f"job-{number}")
    taken, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert taken / 1000 < 800
