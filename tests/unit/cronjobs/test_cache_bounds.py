"""What tenants write is cached in bounded number and bytes, and pushes out nobody else's."""

import pytest

from kronkeep_common import object_keys
from kronkeep_daemon.cronjobs.cluster_cache import UNKNOWN_JOBS, ClusterCache
from kronkeep_daemon.cronjobs.event_cache import MOST_NAMESPACE_BYTES, EventCache
from kronkeep_daemon.cronjobs.pod_store import PODS_PER_JOB
from kronkeep_daemon.kube.objects import Event, Job, Pod, convert_object


def event(namespace: str, uid: str, **fields: object) -> Event:
    subject = {"uid": uid, "namespace": namespace, "kind": "Job", "name": "x"}
    body = {"metadata": {"namespace": namespace}, "involvedObject": subject, "reason": "FailedCreate"}
    return convert_object({**body, "message": "quota", **fields}, Event)


def pod(name: str, job_uid: str) -> Pod:
    owner = {"kind": "Job", "uid": job_uid}
    meta = {
        "name": name,
        "namespace": "evil",
        "uid": name,
        "resourceVersion": "1",
        "ownerReferences": [owner],
    }
    return convert_object({"metadata": meta}, Pod)


def job(uid: str, annotations: dict[str, str]) -> Job:
    meta = {"name": uid, "namespace": "evil", "uid": uid, "resourceVersion": "1", "annotations": annotations}
    return convert_object({"metadata": meta}, Job)


@pytest.fixture
def cache() -> ClusterCache:
    return ClusterCache(on_job_change=lambda _: None, on_cronjob_change=lambda *_: None)


def test_a_flood_of_events_pushes_out_its_own_namespaces_only(cache: ClusterCache) -> None:
    cache.update_event("ADDED", event("shop", "victim"))
    number = 0
    while number == 0 or cache.events_about("evil", "invented-0"):
        cache.update_event("ADDED", event("evil", f"invented-{number}", message="x" * 1024))
        number += 1
    assert number * 1024 < MOST_NAMESPACE_BYTES
    assert cache.events_about("shop", "victim")["FailedCreate"].message == "quota"
    assert cache.events_about("evil", f"invented-{number - 1}")


def test_the_bytes_of_events_are_bounded_whoever_they_are_about() -> None:
    cache = EventCache(most_bytes=100_000, most_namespace_bytes=50_000)
    for number in range(500):
        for reason in ("A", "B", "C"):
            cache.put(event(f"n-{number % 7}", f"uid-{number % 50}", reason=reason, message="x" * number))
            assert cache.bytes <= 100_000
    for number in range(7):
        for uid in range(50):
            cache.forget(f"n-{number}", f"uid-{uid}")
    assert cache.bytes == 0


def test_a_namespace_alone_does_not_get_all_the_space() -> None:
    cache = EventCache(most_bytes=100_000, most_namespace_bytes=50_000)
    for number in range(500):
        cache.put(event("evil", f"uid-{number}"))
    assert 40_000 < cache.bytes <= 50_000


def test_an_object_has_its_newest_events() -> None:
    cache = EventCache()
    for number in range(500):
        cache.put(event("n", "one object", reason=f"R{number}"))
    reasons = list(cache.about("n", "one object"))
    assert (len(reasons), reasons[-1]) == (40, "R499")


def test_no_text_of_an_event_is_long(cache: ClusterCache) -> None:
    long = "x" * 1_000_000
    subject = {"uid": "u", "namespace": "evil", "kind": long, "name": long}
    cache.update_event("ADDED", event("evil", "u", message=long, involvedObject=subject))
    cached = cache.events_about("evil", "u")["FailedCreate"]
    lengths = [len(text) for text in (cached.message or "", cached.involved_object.kind)]
    assert max(*lengths, len(cached.involved_object.name)) <= 1024
    cache.update_event("ADDED", event("evil", long))
    cache.update_event("ADDED", event("evil", "v", reason=long))
    assert not cache.events_about("evil", long)
    assert not cache.events_about("evil", "v")


def test_pods_of_jobs_that_never_were_are_bounded(cache: ClusterCache) -> None:
    cache.update_job("ADDED", job("true", {}))
    cache.update_pod("ADDED", pod("true-pod", "true"))
    for number in range(UNKNOWN_JOBS + 1000):
        bare = pod(f"bare-{number}", f"invented-{number}")
        cache.update_pod("ADDED", bare)
        cache.update_pod("DELETED", bare)
    assert len(cache.pods) <= UNKNOWN_JOBS + 1
    assert [each.metadata.name for each in cache.pods_of("evil", "true")] == ["true-pod"]


def test_pods_that_are_listed_before_their_job_stay(cache: ClusterCache) -> None:
    cache.update_pod("ADDED", pod("early", "late"))
    cache.update_job("ADDED", job("late", {}))
    for number in range(UNKNOWN_JOBS + 10):
        cache.update_pod("ADDED", pod(f"bare-{number}", f"invented-{number}"))
    assert len(cache.pods_of("evil", "late")) == 1


def test_the_newest_pods_of_a_job_are_kept(cache: ClusterCache) -> None:
    cache.update_job("ADDED", job("retries", {}))
    for number in range(PODS_PER_JOB + 500):
        cache.update_pod("ADDED", pod(f"p-{number}", "retries"))
    names = [each.metadata.name for each in cache.pods_of("evil", "retries")]
    assert (len(names), names[-1]) == (PODS_PER_JOB, f"p-{PODS_PER_JOB + 499}")


@pytest.mark.parametrize("way", ["watch", "list"])
def test_long_annotations_of_a_job_are_not_kept(cache: ClusterCache, way: str) -> None:
    keys = (object_keys.OVERRIDES_ANNOTATION, object_keys.SCHEDULED_TIMESTAMP, object_keys.INSTANTIATE)
    shown = job("u", dict.fromkeys(keys, "[" * 250000) | {object_keys.POLICY_REVISION: "short"})
    if way == "watch":
        cache.update_job("ADDED", shown)
    else:
        cache.put_listed_job(shown)
        cache.keep_listed_jobs(None, {shown.metadata.uid})
    annotations = cache.jobs["u"].metadata.annotations
    assert annotations is not None
    assert (annotations.overrides, annotations.scheduled, annotations.instantiate) == (None, None, None)
    assert annotations.policy_revision == "short"
