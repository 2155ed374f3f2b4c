"""What the daemons of one cluster share about alerts, and how two views of it become one: pure functions.

Merging is commutative and idempotent, so the order in which daemons read and write does not matter: of two
records of one thing the later one counts, and a silence that somebody ended stays ended.
"""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from operator import attrgetter
from typing import TypeVar

import msgspec

from kronkeep_common.models import Alert, Silence
from kronkeep_common.models.alert import Severity
from kronkeep_common.models.base import Moment, Record
from kronkeep_common.models.maintenance import Maintenance
from kronkeep_common.models.silence import CLOCKS_DIFFER
from kronkeep_common.states import AlertStatus
from kronkeep_daemon.alerts.alert_changes import EventName
from kronkeep_daemon.history.record_ids import derive_id

MOST_SILENCES = 200
MOST_ACKNOWLEDGED = 500
MOST_MESSAGES = 2000
MOST_MAINTENANCES = 100
KEEP_MAINTENANCES = timedelta(days=30)
LATEST = datetime.max.replace(tzinfo=UTC)
KEEP_ENDED = timedelta(days=1)  # silences: every daemon that runs has read of the end by then
KEEP_ACKNOWLEDGED = timedelta(days=30)
KEEP_RESOLVED = timedelta(hours=1)
LOCAL_KINDS = ("channel", "history")
CLAIM_LASTS = timedelta(minutes=30)
NOTICED_LATER = timedelta(minutes=2)  # that another daemon may notice the same problem


class SharedAcknowledgement(Record, frozen=True, kw_only=True):
    """Who knows of a problem since when, and how severe it was then. Once taken back `by` is empty."""

    at: Moment
    by: str
    severity: Severity


class SharedMessage(Record, frozen=True, kw_only=True):
    """What a channel was last sent of a problem."""

    at: Moment
    event: EventName
    severity: Severity


class SharedReport(Record, frozen=True, kw_only=True):
    """The morning report of the moment `slot`, claimed by the daemon `by` at `at` and sent at `sent_at`."""

    slot: Moment
    at: Moment
    by: str
    sent_at: Moment | None = None


class SharedState(Record, frozen=True, kw_only=True):
    """Silences by id, acknowledgements by problem, what was sent by problem and channel, the last morning
    report, and maintenances by id.
    """

    silences: dict[str, Silence] = {}
    acknowledged: dict[str, SharedAcknowledgement] = {}
    sent: dict[str, SharedMessage] = {}
    report: SharedReport | None = None
    maintenances: dict[str, Maintenance] = {}


Dated = TypeVar("Dated", SharedAcknowledgement, SharedMessage)


def is_local(alert: Alert) -> bool:
    """Whether an alert is about this daemon, so that no other daemon knows of its problem."""
    return alert.kind in LOCAL_KINDS


def problem_id(alert: Alert) -> str:
    """Return the id of an alert's problem, the same on every daemon."""
    return derive_id("problem", alert.code, alert.kind, alert.object_id)


def merge(one: SharedState, other: SharedState) -> SharedState:
    """Return what both views say together."""
    silences = dict(one.silences)
    for silence_id, silence in other.silences.items():
        silences[silence_id] = join_silences(silences.get(silence_id, silence), silence)
    return SharedState(
        silences=silences,
        acknowledged=_choose_later(one.acknowledged, other.acknowledged),
        sent=_choose_later(one.sent, other.sent),
        report=_choose_report(one.report, other.report),
        maintenances=_join_all_maintenances(one.maintenances, other.maintenances),
    )


def join_silences(one: Silence, other: Silence) -> Silence:
    """Return the one of two records of a silence that ends first."""
    return min(one, other, key=lambda silence: (silence.last_at, msgspec.json.encode(silence)))


def _join_all_maintenances(
    one: Mapping[str, Maintenance], other: Mapping[str, Maintenance]
) -> dict[str, Maintenance]:
    joined = dict(one)
    for key, maintenance in other.items():
        joined[key] = join_maintenances(joined.get(key, maintenance), maintenance)
    return joined


def join_maintenances(one: Maintenance, other: Maintenance) -> Maintenance:
    """Return what two records of a maintenance say together: it has started, and ends at the earlier time."""

    def order(each: Maintenance) -> tuple[datetime, bytes]:
        return each.ended_at or LATEST, msgspec.json.encode(each)

    started = [each.started_at for each in (one, other) if each.started_at is not None]
    return msgspec.structs.replace(min(one, other, key=order), started_at=min(started, default=None))


def _choose_report(one: SharedReport | None, other: SharedReport | None) -> SharedReport | None:
    """Return the report of the later moment; of one moment that which was sent, or claimed later."""
    reports = [report for report in (one, other) if report is not None]
    return max(reports, key=_report_order, default=None)


def _report_order(report: SharedReport) -> tuple[datetime, bool, datetime, str]:
    return report.slot, report.sent_at is not None, report.at, report.by


def with_claim(state: SharedState, claim: SharedReport) -> SharedState:
    """Return the state with a claim to send a report, or as it is where another daemon sends it.

    A claim that was not followed by the report for half an hour, longer than a channel is tried, is void.
    """
    known = state.report
    if known is not None and known.slot >= claim.slot:
        is_void = known.sent_at is None and claim.at - known.at > CLAIM_LASTS
        if known.slot > claim.slot or known.by == claim.by or not is_void:
            return state
    return msgspec.structs.replace(state, report=claim)


def _choose_later(one: Mapping[str, Dated], other: Mapping[str, Dated]) -> dict[str, Dated]:
    joined = dict(one)
    for key, value in other.items():
        joined[key] = max(
            joined.get(key, value), value, key=lambda each: (each.at, msgspec.json.encode(each))
        )
    return joined


def prune(state: SharedState, now: datetime) -> SharedState:
    """Return a state without what nobody needs any more; of the rest, the newest up to a limit of each.

    What is dated in the future was recorded by a clock that was wrong.
    """
    latest = now + CLOCKS_DIFFER
    silences = [
        silence
        for silence in state.silences.values()
        if silence.last_at > now - KEEP_ENDED and silence.created_at <= latest
    ]
    known = {k: a for k, a in state.acknowledged.items() if now - KEEP_ACKNOWLEDGED < a.at <= latest}
    sent = {k: t for k, t in state.sent.items() if t.event != "resolved" or t.at > now - KEEP_RESOLVED}
    sent = {key: message for key, message in sent.items() if message.at <= latest}
    report = state.report if state.report and state.report.slot <= latest else None
    newest = sorted(silences, key=attrgetter("last_at", "id"))[-MOST_SILENCES:]
    return SharedState(
        silences={silence.id: silence for silence in sorted(newest, key=attrgetter("id"))},
        acknowledged=_keep_newest(known, MOST_ACKNOWLEDGED),
        sent=_keep_newest(sent, MOST_MESSAGES),
        report=report,
        maintenances=_keep_maintenances(state.maintenances, now),
    )


def _keep_maintenances(known: Mapping[str, Maintenance], now: datetime) -> dict[str, Maintenance]:
    """Return those that are not over, and those that ended lately, whose CronJobs may still be suspended."""
    old = now - KEEP_MAINTENANCES
    kept = [each for each in known.values() if each.last_at is None or each.last_at > old]
    newest = sorted(kept, key=attrgetter("created_at", "id"))[-MOST_MAINTENANCES:]
    return {each.id: each for each in sorted(newest, key=attrgetter("id"))}


def _keep_newest(dated: Mapping[str, Dated], most: int) -> dict[str, Dated]:
    newest = sorted(dated, key=lambda key: (dated[key].at, key))[-most:]
    return {key: dated[key] for key in sorted(newest)}


def acknowledgement_of(state: SharedState, alert: Alert) -> SharedAcknowledgement | None:
    """Return the acknowledgement of an open alert's problem, at its severity or a higher one."""
    known = state.acknowledged.get(problem_id(alert))
    if (
        is_local(alert)
        or known is None
        or not known.by
        or alert.status is not AlertStatus.OPEN
        or alert.since > known.at + NOTICED_LATER
    ):
        return None
    return known if known.severity in ("critical", alert.severity) else None
