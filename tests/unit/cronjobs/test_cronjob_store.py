"""The CronJobs of a cluster in order, those that maintenances suspend, and Jobs that wait for their owner."""

from random import Random

from kronkeep_common import object_keys
from kronkeep_daemon.cronjobs.cronjob_store import CronJobStore
from kronkeep_daemon.cronjobs.unknown_owners import UnknownOwners
from kronkeep_daemon.kube.objects import CronJobObject, CronJobRef


def cronjob(number: int, *keys: str) -> CronJobObject:
    annotations = dict.fromkeys(keys, "text")
    meta = {"namespace": f"n{number % 3}", "name": f"j{number}", "annotations": annotations}
    return CronJobObject.from_manifest({"metadata": meta}, "c")


def test_names_stay_in_order_whatever_comes_and_goes() -> None:
    chance = Random(7)
    store = CronJobStore()
    there: dict[CronJobRef, CronJobObject] = {}
    for _ in range(500):
        keys = chance.sample([object_keys.MAINTENANCE, object_keys.POLICY, "other"], chance.randrange(4))
        item = cronjob(chance.randrange(40), *keys)
        if chance.random() < 0.6:
            store[item.ref] = there[item.ref] = item
        else:
            assert store.pop(item.ref, None) is there.pop(item.ref, None)
        assert store.list_refs() == sorted(there)
        assert store.list_refs("n1") == sorted(ref for ref in there if ref.namespace == "n1")
        marked = {ref for ref, each in there.items() if object_keys.MAINTENANCE in each.annotations}
        assert store.marked.keys() == marked
        carriers = {ref for ref, each in there.items() if object_keys.POLICY in each.annotations}
        assert (set(store.carriers), store.list_carriers()) == (carriers, sorted(carriers))
        assert dict(store) == there


def test_a_job_waits_for_the_cronjob_that_it_named_last() -> None:
    waiting = UnknownOwners()
    for job, owner in (("a", "x"), ("b", "x"), ("c", "y"), ("a", "y")):
        waiting.add(job, owner)
    assert waiting.jobs_of("x") == {"b"}
    assert waiting.jobs_of("y") == {"a", "c"}
    waiting.discard("a")
    waiting.discard("a")
    assert sorted(waiting) == ["b", "c"]
    assert waiting.jobs_of("y") == {"c"}
    assert "a" not in waiting
    assert waiting.jobs_of("unknown") == frozenset()
