"""Jobs that are packed are the same when they are read again, and much smaller."""

import tracemalloc

import msgspec
import pytest
from tests.recordings import CRONJOB_SCENARIOS, JOB_SCENARIOS, read_watch_events

from kronkeep_daemon.cronjobs.job_store import JobStore
from kronkeep_daemon.kube.objects import Condition, Job, JobSpec, JobStatus, ObjectMeta

RECORDED = [
    msgspec.convert(event["object"], Job)
    for name in JOB_SCENARIOS + CRONJOB_SCENARIOS
    for event in read_watch_events(name, "jobs")
    if event["type"] != "BOOKMARK"
]


def make_job(number: int, namespace: str = "shop", version: str = "7") -> Job:
    meta = ObjectMeta(
        name=f"dump-{number}", namespace=namespace, uid=f"uid-{number}", resource_version=version
    )
    condition = Condition(type="Complete", status="True", message="é\0 \U0001f600" * 3)
    return Job(metadata=meta, spec=JobSpec(backoff_limit=0), status=JobStatus(conditions=(condition,)))


@pytest.mark.parametrize("job", [make_job(1), *RECORDED])
def test_a_packed_job_is_read_as_it_was(job: Job) -> None:
    store = JobStore()
    store.put(job)
    store.pack(job.metadata.uid)
    assert store.get(job.metadata.uid) == job
    assert (job.metadata.uid in store, len(store), list(store.list_unpacked())) == (True, 1, [])
    assert store.remove(job.metadata.uid) == job
    assert (job.metadata.uid in store, len(store)) == (False, 0)


def test_a_newer_state_takes_the_place_of_a_packed_one() -> None:
    store = JobStore()
    store.put(make_job(1))
    store.pack("uid-1")
    assert store.has_version(make_job(1).metadata)
    assert not store.has_version(make_job(1, version="8").metadata)
    assert not store.has_version(make_job(1, version="").metadata)
    store.put(make_job(1, version="8"))
    assert store.has_version(make_job(1, version="8").metadata)
    assert [job.metadata.resource_version for job in store.list_unpacked()] == ["8"]


def test_namespaces_are_known_without_unpacking() -> None:
    store = JobStore()
    for number, namespace in enumerate(("shop", "shop", "shopping", "a")):
        store.put(make_job(number, namespace))
    for number in (1, 2):
        store.pack(f"uid-{number}")
    assert sorted(store.uids_in("shop")) == ["uid-0", "uid-1"]
    assert sorted(store.uids_in("shopping")) == ["uid-2"]
    assert len(store.uids_in(None)) == 4


def test_what_is_packed_or_missing_can_be_packed_again() -> None:
    store = JobStore()
    store.put(make_job(1))
    store.pack("uid-1")
    store.pack("uid-1")
    store.pack("uid-2")
    assert store.get("uid-1") == make_job(1)
    assert store.get("uid-2") is None


def test_a_recorded_job_takes_few_bytes() -> None:
    store = JobStore()
    tracemalloc.start()
    for number in range(1000):
        store.put(make_job(number))
        store.pack(f"uid-{number}")
    taken, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert taken / 1000 < 600
