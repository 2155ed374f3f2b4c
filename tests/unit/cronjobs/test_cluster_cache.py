"""Who waits for one Job is told of its changes, and of no other's; a deleted one stays readable meanwhile."""

from kronkeep_daemon.cronjobs.cluster_cache import Seen
from kronkeep_daemon.kube.objects import Event, Job, Pod, read


def job(uid: str, version: str = "1") -> Job:
    return read({"metadata": {"name": uid, "namespace": "n", "uid": uid, "resourceVersion": version}}, Job)


def pod(owner: str, version: str = "1") -> Pod:
    meta = {
        "name": f"{owner}-pod",
        "uid": f"{owner}-pod",
        "resourceVersion": version,
        "ownerReferences": [{"kind": "Job", "uid": owner}],
    }
    return read({"metadata": meta}, Pod)


def event(about: str) -> Event:
    return read({"involvedObject": {"uid": about}, "reason": "FailedMount"}, Event)


def cache() -> Seen:
    return Seen(touched=lambda _: None, turned=lambda *_: None)


def test_a_subscriber_is_woken_by_its_job_its_pods_and_their_events_only() -> None:
    seen = cache()
    with seen.subscribe("a") as changed:
        assert not changed.is_set()
        for change in (
            lambda: seen.job_event("ADDED", job("a")),
            lambda: seen.pod_event("ADDED", pod("a")),
            lambda: seen.event_event("ADDED", event("a-pod")),
            lambda: seen.job_event("DELETED", job("a", "2")),
        ):
            change()
            assert changed.is_set()
            changed.clear()
        seen.job_event("ADDED", job("b"))
        seen.pod_event("ADDED", pod("b"))
        assert not changed.is_set()
    seen.job_event("ADDED", job("c"))
    assert not changed.is_set()


def test_a_full_list_without_the_job_wakes_its_subscriber() -> None:
    seen = cache()
    seen.job_event("ADDED", job("a"))
    with seen.subscribe("a") as changed:
        seen.sync_jobs(None, [])
        assert changed.is_set()
        assert "a" not in seen.jobs


def test_a_deleted_job_is_forgotten_when_its_last_subscriber_has_left() -> None:
    seen = cache()
    with seen.subscribe("a"):
        with seen.subscribe("a") as changed:
            seen.job_event("ADDED", job("a"))
            seen.pod_event("ADDED", pod("a"))
            seen.job_event("DELETED", job("a", "2"))
            seen.forget_job("a")
        assert changed.is_set()
        assert seen.jobs["a"].metadata.resource_version == "2"
        assert len(seen.pods_of("a")) == 1
    assert "a" not in seen.jobs
    assert "a" not in seen.gone
    assert seen.pods_of("a") == []
