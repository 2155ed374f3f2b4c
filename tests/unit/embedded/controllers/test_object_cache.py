"""A controllers' copy of a collection: a write's answer that comes after the deletion brings nothing back."""

from kronkeep_daemon.embedded.controllers.object_cache import Mirror


def pod(version: int) -> dict[str, object]:
    return {"metadata": {"namespace": "n", "name": "p", "uid": "u", "resourceVersion": str(version)}}


def test_an_answer_after_the_deletion_brings_no_pod_back() -> None:
    told: list[str] = []
    mirror = Mirror(lambda kind, _: told.append(kind))
    mirror.event("ADDED", pod(1))
    mirror.event("DELETED", pod(3))
    mirror.written(pod(2))
    assert mirror.all() == []
    assert told == ["ADDED", "DELETED"]
    mirror.written({**pod(4), "metadata": {**pod(4)["metadata"], "uid": "another"}})  # type: ignore[dict-item]
    assert len(mirror.all()) == 1
