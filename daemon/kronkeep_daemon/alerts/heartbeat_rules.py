"""Whether a heartbeat may be sent; pure.

A monitor that gets none within its own grace period raises the alarm, so silence is always safe. A failure is
sent only for what has lasted a whole interval: a watch that reconnects is no reason to wake somebody.
"""

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta
from typing import Literal, NamedTuple

from kronkeep_common.text import clean
from kronkeep_daemon.kube.watch import WatchState


class LeadState(NamedTuple):
    """Whether this daemon acts on a cluster, and whether it was seen that another one does."""

    cluster: str
    leads: bool
    stands_by: bool


class HeartbeatFacts(NamedTuple):
    """What heartbeats are judged by; `history_fault` is None where a change was just made durable."""

    history_fault: str | None
    watches: Sequence[WatchState]
    leads: Sequence[LeadState]
    now: datetime
    every: float


class Verdict(NamedTuple):
    """What is sent: a ping, a failure with its reason, or nothing, which has a reason too."""

    sends: Literal["ping", "failure", "nothing"]
    why: str = ""


def judge(requires: Sequence[str], facts: HeartbeatFacts) -> Verdict:
    """Return what a heartbeat with these requirements sends; the worst of them counts."""
    verdicts = [verdict for name in requires for verdict in RULES[name](facts)]
    failures = [verdict for verdict in verdicts if verdict.sends == "failure"]
    return next(iter([*failures, *verdicts]), Verdict("ping"))


def judge_history(facts: HeartbeatFacts) -> Iterator[Verdict]:
    """Yield a failure while the history takes no changes."""
    if facts.history_fault is not None:
        yield Verdict("failure", f"The history takes no changes: {facts.history_fault}")


def judge_watches(facts: HeartbeatFacts) -> Iterator[Verdict]:
    """Yield what is sent of watches that are not live: nothing at first, then a failure."""
    for watch in facts.watches:
        if watch.needed and watch.status != "live":
            why = f"The watch {watch.name} is {watch.status} since {watch.since:%H:%M:%S} UTC"
            why += f": {clean(watch.why, 200)}" if watch.why else ""
            lasts = facts.now - watch.since >= timedelta(seconds=facts.every)
            yield Verdict("failure" if lasts else "nothing", why)


def judge_leads(facts: HeartbeatFacts) -> Iterator[Verdict]:
    """Yield a failure where this daemon cannot renew a Lease; nothing is sent where another daemon acts."""
    for lead in facts.leads:
        if lead.stands_by:
            yield Verdict("nothing", f"another daemon acts on {lead.cluster}")
        elif not lead.leads:
            yield Verdict("failure", f"The Lease on {lead.cluster} cannot be renewed")


RULES: dict[str, Callable[[HeartbeatFacts], Iterator[Verdict]]] = {
    "history": judge_history,
    "watch": judge_watches,
    "leader": judge_leads,
}
