"""The rules of the queue: limits hold, nobody waits for ever, namespaces are served fairly."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.repositories.queue_model import QueueModel, namespaces_of

from kronkeep_common.reasons import Reason
from kronkeep_daemon.repositories import queue_rules
from kronkeep_daemon.repositories.queue_rules import (
    PATIENCE_SECONDS,
    QueueLimits,
    Work,
    WorkKind,
)

ROOMY = QueueLimits(repository=100, cluster=100, node=100)
_kinds = st.sampled_from([*[WorkKind.ARCHIVE] * 4, *WorkKind])
_letters = st.sampled_from("abc")
_arrivals = st.fixed_dictionaries(
    {
        "kind": _kinds,
        "repository": _letters,
        "namespace": _letters,
        "cluster": st.sampled_from("xy"),
        "node": st.sampled_from(["", "1", "2"]),
        "priority": st.sampled_from([-1, 0, 1]),
        "good_until": st.sampled_from([1.0, 2.0, queue_rules.NO_DEADLINE]),
        "is_urgent": st.booleans(),
        "is_resumed": st.sampled_from([False, False, False, True]),
    }
)
_steps = st.one_of(_arrivals, st.integers(0, 9), st.floats(0, PATIENCE_SECONDS))


@given(steps=st.lists(_steps, max_size=60))
@settings(max_examples=200, deadline=None)
def test_whatever_comes_no_limit_is_exceeded_and_all_of_it_begins(steps: list[Any]) -> None:
    model = QueueModel()
    for step in steps:
        if isinstance(step, dict):
            model.arrive(**step)
        elif isinstance(step, int) and model.working:
            model.end(model.working[step % len(model.working)])
        elif isinstance(step, float):
            model.now += step
        chosen = model.decide()
        assert len(set(chosen)) == len(chosen)
        assert model.decide() == (), "one decision lets in all that may begin"
        reasons = queue_rules.explain_waits(model.state, model.limits, model.now)
        places = queue_rules.find_places(model.state, model.limits)
        assert set(reasons) == set(places) == {work.ticket for work in model.waiting}
    model.drain()


@given(
    late=st.lists(_arrivals, min_size=1, max_size=3),
    limits=st.builds(QueueLimits, st.integers(1, 3), st.integers(1, 4), st.integers(1, 2)),
)
@settings(max_examples=30, deadline=None)
def test_nobody_waits_for_ever_however_many_others_come(
    late: list[dict[str, Any]], limits: QueueLimits
) -> None:
    """Each turn brings more archives of a greater priority, and exclusive work, than it ends."""
    model = QueueModel(limits)
    observed = [
        model.archive(namespace="a", priority=-1, cluster="x"),
        model.arrive(WorkKind.EXCLUSIVE),
        model.archive(namespace="b", priority=-1, cluster="x"),
    ]
    for _ in range(150):
        for fields in late:
            model.arrive(
                **(fields | {"repository": "r", "node": "", "is_urgent": False, "is_resumed": False})
            )
        model.decide()
        if set(observed) <= set(model.begun):
            return
        model.now += 30
        for kind in WorkKind:
            longest = next((work for work in model.working if work.kind is kind), None)
            if longest is not None:
                model.end(longest)
    raise AssertionError(f"{[work for work in observed if work not in model.begun]} wait for ever")


def test_namespaces_take_turns_however_many_archives_one_has() -> None:
    model = QueueModel(QueueLimits(repository=1, cluster=9, node=9))
    for _ in range(20):
        model.archive(namespace="a", priority=1, good_until=1.0)
    for namespace in "bbc":
        model.archive(namespace=namespace)
    assert namespaces_of(model.drain())[:7] == "abcabaa"


def test_the_namespace_with_fewer_archives_at_work_is_next() -> None:
    model = QueueModel(QueueLimits(repository=3, cluster=9, node=9))
    long_works = [model.archive(namespace="a"), model.archive(namespace="a"), model.archive(namespace="a")]
    model.decide()
    for namespace in "aaabb":
        model.archive(namespace=namespace)
    model.end(long_works[0])
    assert namespaces_of(model.decide()) == "b"
    model.end(long_works[1])
    assert namespaces_of(model.decide()) == "a", "each has one: the longest ago served"


def test_in_a_namespace_priority_then_recovery_point_then_arrival_and_each_fourth_the_oldest() -> None:
    model = QueueModel(QueueLimits(repository=1, cluster=9, node=9))
    oldest = model.archive(priority=-1)
    late = model.archive(good_until=200.0)
    soon = model.archive(good_until=100.0)
    calm = [model.archive(), model.archive()]
    urgent = [model.archive(priority=1), model.archive(priority=1)]
    assert model.drain() == [*urgent, soon, oldest, late, *calm]


@pytest.mark.parametrize("kind", [WorkKind.ARCHIVE, WorkKind.HOOKS])
def test_exclusive_work_lets_earlier_archives_begin_and_no_later_ones(kind: WorkKind) -> None:
    model = QueueModel(QueueLimits(repository=1, cluster=9, node=9))
    first = model.archive()
    earlier = model.arrive(kind)
    exclusive = model.arrive(WorkKind.EXCLUSIVE)
    later = model.arrive(kind)
    order = model.drain()
    assert order.index(first) < order.index(earlier) or kind is WorkKind.HOOKS
    assert order.index(exclusive) < order.index(later)


def test_exclusive_work_stops_even_earlier_archives_once_its_patience_ends() -> None:
    model = QueueModel(QueueLimits(repository=1, cluster=9, node=9))
    running = model.archive()
    earlier = [model.archive(), model.archive()]
    exclusive = model.arrive(WorkKind.EXCLUSIVE)
    model.decide()
    assert queue_rules.closing_time(model.state) == PATIENCE_SECONDS
    model.now = PATIENCE_SECONDS
    model.end(running)
    assert model.decide() == (exclusive,)
    second = model.arrive(WorkKind.EXCLUSIVE)
    model.end(exclusive)
    assert model.decide() == (earlier[0],), "archives have their time between two exclusive works"
    model.end(earlier[0])
    assert model.decide() == (earlier[1],)
    model.end(earlier[1])
    assert model.decide() == (second,)


def test_what_needs_the_repository_alone_is_done_in_one_series() -> None:
    """Each of a hundred forgets would otherwise wait for its own pause between archives."""
    model = QueueModel(QueueLimits(repository=1, cluster=9, node=9))
    running = model.archive()
    model.archive()
    exclusive = [model.arrive(WorkKind.EXCLUSIVE) for _ in range(3)]
    model.decide()
    model.now = PATIENCE_SECONDS
    model.end(running)
    for work in exclusive:
        assert model.decide() == (work,)
        model.end(work)


def test_urgent_exclusive_work_waits_only_for_what_is_at_work() -> None:
    model = QueueModel(QueueLimits(repository=1, cluster=9, node=9))
    running = model.archive()
    model.archive()
    model.arrive(WorkKind.EXCLUSIVE)
    model.decide()
    urgent = model.arrive(WorkKind.EXCLUSIVE, is_urgent=True)
    model.end(running)
    assert model.decide() == (urgent,)


def test_readers_go_beside_archives_until_exclusive_work_waits_for_nothing_else() -> None:
    model = QueueModel(ROOMY)
    archive = model.archive()
    reader = model.arrive(WorkKind.READING)
    model.decide()
    exclusive = model.arrive(WorkKind.EXCLUSIVE)
    beside = model.arrive(WorkKind.READING)
    assert model.decide() == (beside,), "the exclusive work waits for the archive anyway"
    model.end(archive)
    late = model.arrive(WorkKind.READING)
    assert model.decide() == ()
    model.end(reader)
    model.end(beside)
    assert model.decide() == (exclusive,)
    model.end(exclusive)
    assert model.decide() == (late,)


def test_an_archive_that_waits_for_another_limit_holds_up_nobody() -> None:
    model = QueueModel(QueueLimits(repository=3, cluster=9, node=1))
    on_node = model.archive(namespace="a", node="1")
    model.decide()
    blocked = model.archive(namespace="a", node="1")
    other = model.archive(namespace="b")
    exclusive = model.arrive(WorkKind.EXCLUSIVE, repository="another")
    assert set(model.decide()) == {other, exclusive}
    assert reason_of(model, blocked) is Reason.NODE_BUSY
    model.end(on_node)
    assert model.decide() == (blocked,)


def test_hooks_hold_no_place_and_are_limited_by_their_own_namespace_alone() -> None:
    model = QueueModel(QueueLimits(repository=2, cluster=2, node=1))
    hooks = [model.arrive(WorkKind.HOOKS, namespace="a") for _ in range(3)]
    others = [model.arrive(WorkKind.HOOKS, namespace="b"), model.archive(namespace="b")]
    assert set(model.decide()) == {*hooks[:2], *others}
    assert reason_of(model, hooks[2]) is Reason.HOOKS_BUSY
    assert set(model.decide()) == set()
    exclusive = model.arrive(WorkKind.EXCLUSIVE)
    model.end(others[1])
    assert model.decide() == (exclusive,), "hooks do not touch the repository"


def test_an_archive_whose_hooks_are_done_and_one_that_is_at_work_already_come_first() -> None:
    model = QueueModel(QueueLimits(repository=1, cluster=9, node=9))
    running = model.archive()
    model.decide()
    urgent = model.archive(priority=1)
    prepared = model.archive(is_prepared=True)
    model.arrive(WorkKind.EXCLUSIVE)
    resumed = model.archive(is_resumed=True)
    assert model.decide() == (resumed,), "its Job works, whatever the limits say"
    model.end(running)
    model.end(resumed)
    assert model.decide() == (prepared,)
    model.end(prepared)
    assert model.decide() == (urgent,)


def test_one_whose_job_waits_to_start_counts_for_no_limit_but_keeps_exclusive_work_out() -> None:
    model = QueueModel(QueueLimits(repository=1, cluster=1, node=1))
    stalled = model.archive(node="1")
    model.decide()
    other = model.archive(node="1")
    exclusive = model.arrive(WorkKind.EXCLUSIVE)
    state = model.state
    state = type(state)(waiting=state.waiting, working=state.working, stalled=frozenset({stalled.ticket}))
    assert queue_rules.choose_next(state, model.limits, 0.0) == (other,)
    assert exclusive not in queue_rules.choose_next(state, model.limits, PATIENCE_SECONDS)


def test_each_wait_has_its_reason_and_its_place() -> None:
    model = QueueModel(QueueLimits(repository=1, cluster=2, node=1))
    model.archive(namespace="a")
    model.archive(namespace="a", repository="s")
    model.decide()
    behind = [model.archive(namespace="a"), model.archive(namespace="b"), model.archive(namespace="a")]
    crowded = model.archive(namespace="a", repository="t")
    exclusive = [model.arrive(WorkKind.EXCLUSIVE), model.arrive(WorkKind.EXCLUSIVE)]
    late = model.archive(namespace="c")
    model.decide()
    assert [reason_of(model, work) for work in (*behind, crowded, *exclusive, late)] == [
        *[Reason.REPOSITORY_BUSY] * 3,
        Reason.CLUSTER_BUSY,
        Reason.REPOSITORY_IN_USE,
        Reason.REPOSITORY_EXCLUSIVE,
        Reason.REPOSITORY_EXCLUSIVE,
    ]
    places = queue_rules.find_places(model.state, model.limits)
    assert [places[work.ticket] for work in (*behind, crowded, *exclusive, late)] == [3, 1, 4, 1, 1, 2, 2]


def reason_of(model: QueueModel, work: Work) -> Reason:
    """Return why a work waits."""
    return queue_rules.explain_waits(model.state, model.limits, model.now)[work.ticket]


def test_two_hundred_archives_at_once_keep_every_place_in_use() -> None:
    """Stub archives of a second, eight at once: 25 s, with no place free while something waits."""
    model = QueueModel(QueueLimits(repository=8, cluster=16, node=2))
    for number in range(200):
        model.archive(namespace=f"n{number % 7}", priority=number % 3 - 1)
    while model.waiting or model.working:
        model.decide()
        assert len(model.working) == 8
        model.now += 1
        for work in list(model.working):
            model.end(work)
    assert model.now == 25
