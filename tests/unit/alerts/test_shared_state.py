"""What daemons share: merging in any order, ends that stay, and a size that a ConfigMap can hold."""

from datetime import UTC, datetime, timedelta

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from kronkeep_common.models import Alert, Silence
from kronkeep_common.states import AlertStatus
from kronkeep_daemon.alerts import shared_state
from kronkeep_daemon.alerts.shared_state import (
    SharedAcknowledgement,
    SharedMessage,
    SharedState,
    acknowledgement_of,
    merge,
    problem_id,
    prune,
)

NOW = datetime(2026, 6, 1, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
TIMES = st.integers(0, 5).map(lambda minutes: NOW + minutes * MINUTE)
SEVERITIES = st.sampled_from(["warning", "critical"])
EVENTS = st.sampled_from(["opened", "resolved"])
KEYS = st.sampled_from("abc")
SILENCES = st.builds(
    Silence,
    id=KEYS,
    filter=st.just("ns:shop"),
    because=st.just("why"),
    created_at=st.just(NOW),
    created_by=st.just("eve"),
    ends_at=st.just(NOW + 3 * MINUTE),
    ended_at=st.none() | TIMES,
    ended_by=st.sampled_from(["eve", "bob"]),
)
STATES = st.builds(
    SharedState,
    silences=st.lists(SILENCES).map(lambda silences: {silence.id: silence for silence in silences}),
    acknowledged=st.dictionaries(
        KEYS, st.builds(SharedAcknowledgement, at=TIMES, by=st.sampled_from("xy"), severity=SEVERITIES)
    ),
    sent=st.dictionaries(
        KEYS,
        st.builds(
            SharedMessage, at=TIMES, event=st.sampled_from(["opened", "resolved"]), severity=SEVERITIES
        ),
    ),
)


@given(STATES, STATES, STATES)
def test_daemons_may_merge_in_any_order_and_again(
    one: SharedState, two: SharedState, three: SharedState
) -> None:
    assert merge(one, two) == merge(two, one)
    assert merge(merge(one, two), three) == merge(one, merge(two, three))
    assert merge(one, one) == one
    assert merge(merge(one, two), two) == merge(one, two)


@given(STATES, STATES)
def test_no_merge_makes_a_silence_longer(one: SharedState, two: SharedState) -> None:
    merged = merge(one, two)
    for state in (one, two):
        for silence_id, silence in state.silences.items():
            assert merged.silences[silence_id].last_at <= silence.last_at


@given(STATES)
def test_what_is_pruned_stays_so(state: SharedState) -> None:
    later = NOW + timedelta(days=1, minutes=2)
    once = prune(state, later)
    assert prune(once, later) == once
    assert all(sent.event != "resolved" for sent in once.sent.values())


def test_however_much_is_known_a_configmap_can_hold_it() -> None:
    long = "\u20ac" * 300
    silence = Silence(
        id="f" * 32,
        filter=long,
        because=long,
        created_at=NOW,
        created_by=long[:100],
        ends_at=NOW + 9 * MINUTE,
    )
    known = SharedAcknowledgement(at=NOW, by=long[:100], severity="critical")
    sent = SharedMessage(at=NOW, event="repeated", severity="critical")
    state = SharedState(
        silences={f"{n:032}": msgspec.structs.replace(silence, id=f"{n:032}") for n in range(1000)},
        acknowledged={f"{n:032}": known for n in range(10_000)},
        sent={f"{n:032}": sent for n in range(50_000)},
    )
    assert (
        len(msgspec.json.encode(prune(state, NOW))) < 1_000_000
    )  # etcd's limit is 1.5 MB, a ConfigMap's 1 MiB


def alert(severity: str, since: datetime) -> Alert:
    fields = {"id": "a", "code": "RunFailed", "kind": "cronjob", "object": "o", "object_id": "j"}
    texts = {"message": "m", "next_step": "n", "status": "open", "severity": severity}
    return msgspec.convert({**fields, **texts, "since": since, "created_at": since}, Alert)


def test_an_acknowledgement_is_of_the_problem_that_was_known_and_of_no_later_or_worse_one() -> None:
    known = SharedAcknowledgement(at=NOW, by="eve", severity="warning")
    state = SharedState(acknowledged={problem_id(alert("warning", NOW)): known})
    assert acknowledgement_of(state, alert("warning", NOW - MINUTE)) == known
    assert acknowledgement_of(state, alert("warning", NOW + shared_state.NOTICED_LATER)) == known
    assert acknowledgement_of(state, alert("warning", NOW + 3 * MINUTE)) is None
    assert acknowledgement_of(state, alert("critical", NOW)) is None
    taken_back = SharedState(
        acknowledged={problem_id(alert("warning", NOW)): msgspec.structs.replace(known, by="")}
    )
    assert acknowledgement_of(taken_back, alert("warning", NOW)) is None
    resolved = msgspec.structs.replace(alert("warning", NOW), status=AlertStatus.RESOLVED)
    assert acknowledgement_of(state, resolved) is None


def test_what_is_dated_in_the_future_by_a_wrong_clock_is_forgotten() -> None:
    ahead = NOW + timedelta(days=400)
    silence = Silence(
        id="s", filter="ns:a", because="b", created_at=ahead, created_by="eve", ends_at=ahead + MINUTE
    )
    state = SharedState(
        silences={"s": silence},
        acknowledged={"a": SharedAcknowledgement(at=ahead, by="eve", severity="warning")},
        sent={"b": SharedMessage(at=ahead, event="resolved", severity="warning")},
    )
    assert prune(state, NOW) == SharedState()
    assert not silence.is_active(NOW)
