"""The controllers' cache of a collection, when answers and watch events come in another order."""

from kronkeep_daemon.embedded.controllers.object_cache import ObjectCache
from kronkeep_daemon.kube.objects import JsonObject


def pod(version: int, uid: str = "u") -> JsonObject:
    return {"metadata": {"namespace": "n", "name": "p", "uid": uid, "resourceVersion": str(version)}}


def test_an_answer_that_comes_after_the_deletion_does_not_bring_the_pod_back() -> None:
    changes: list[str] = []

    def record(event_type: str, _: JsonObject) -> None:
        changes.append(event_type)

    cache = ObjectCache(record)
    cache.event("ADDED", pod(1))
    cache.event("DELETED", pod(3))
    cache.put_written(pod(2))
    assert cache.all() == []
    assert changes == ["ADDED", "DELETED"]
    cache.put_written(pod(4, uid="another"))
    assert len(cache.all()) == 1
