"""A subscriber to one Job learns of its changes and of no other's; a deleted Job stays readable for it."""

from collections.abc import Callable

from kronkeep_daemon.cronjobs.cluster_cache import ClusterCache
from kronkeep_daemon.kube.objects import Event, Job, Pod, convert_object


def job(uid: str, version: str = "1") -> Job:
    return convert_object(
        {"metadata": {"name": uid, "namespace": "n", "uid": uid, "resourceVersion": version}}, Job
    )


def pod(owner: str, version: str = "1") -> Pod:
    meta = {
        "name": f"{owner}-pod",
        "namespace": "n",
        "uid": f"{owner}-pod",
        "resourceVersion": version,
        "ownerReferences": [{"kind": "Job", "uid": owner}],
    }
    return convert_object({"metadata": meta}, Pod)


def event(about: str) -> Event:
    subject = {"uid": about, "namespace": "n"}
    return convert_object(
        {"metadata": {"namespace": "n"}, "involvedObject": subject, "reason": "FailedMount"}, Event
    )


def cache() -> ClusterCache:
    return ClusterCache(on_job_change=lambda _: None, on_cronjob_change=lambda *_: None)


def test_a_subscriber_is_woken_by_its_job_its_pods_and_their_events_only() -> None:
    seen = cache()
    changes: list[Callable[[], None]] = [
        lambda: seen.update_job("ADDED", job("a")),
        lambda: seen.update_pod("ADDED", pod("a")),
        lambda: seen.update_event("ADDED", event("a-pod")),
        lambda: seen.update_job("DELETED", job("a", "2")),
    ]
    with seen.subscribe("a") as changed:
        assert not changed.is_set()
        for change in changes:
            change()
            assert changed.is_set()
            changed.clear()
        seen.update_job("ADDED", job("b"))
        seen.update_pod("ADDED", pod("b"))
        assert not changed.is_set()
    seen.update_job("ADDED", job("c"))
    assert not changed.is_set()


def test_a_full_list_without_the_job_wakes_its_subscriber() -> None:
    seen = cache()
    seen.update_job("ADDED", job("a"))
    with seen.subscribe("a") as changed:
        seen.keep_listed_jobs(None, ())
        assert changed.is_set()
        assert "a" not in seen.jobs


def test_a_deleted_job_is_forgotten_when_its_last_subscriber_has_left() -> None:
    seen = cache()
    with seen.subscribe("a"):
        with seen.subscribe("a") as changed:
            seen.update_job("ADDED", job("a"))
            seen.update_pod("ADDED", pod("a"))
            seen.update_job("DELETED", job("a", "2"))
            seen.forget_job("a")
        assert changed.is_set()
        assert seen.jobs["a"].metadata.resource_version == "2"
        assert len(seen.pods_of("n", "a")) == 1
    assert "a" not in seen.jobs
    assert "a" not in seen.deleted_jobs
    assert seen.pods_of("n", "a") == []


def test_a_list_of_what_is_cached_already_changes_nothing() -> None:
    touched: list[str] = []
    seen = ClusterCache(on_job_change=touched.append, on_cronjob_change=lambda *_: None)
    for each in (job("a"), job("b")):
        seen.put_listed_job(each)
    seen.jobs.pack("a")
    touched.clear()
    for each in (job("a"), job("b", "2")):
        seen.put_listed_job(each)
    seen.keep_listed_jobs(None, {"a", "b"})
    assert touched == ["b"]
    seen.keep_listed_jobs(None, {"b"})
    assert touched == ["b", "a"]
    assert "a" not in seen.jobs


def test_a_list_of_pods_that_are_cached_already_changes_nothing() -> None:
    """A full list comes every ten minutes, and each touched Job is compared with its record."""
    touched: list[str] = []
    seen = ClusterCache(on_job_change=touched.append, on_cronjob_change=lambda *_: None)
    for each in (job("a"), job("b")):
        seen.put_listed_job(each)
    for listed in (pod("a"), pod("b")):
        seen.put_listed_pod(listed)
    seen.pack_job("a")
    touched.clear()
    for listed in (pod("a"), pod("b")):
        seen.put_listed_pod(listed)
    assert touched == []
    assert [each.metadata.name for each in seen.pods_of("n", "a")] == [pod("a").metadata.name]
