"""The morning report: made once for each moment of its schedule, by the daemon that acts, and sent.

A slot without a run is known to be missed `late_after_seconds` after it, so the report is made so long after
its moment. Where the daemon was down then, it is made when it is back, for the newest moment only and at most
12 hours late; its period begins where the last report ended, so nothing falls between two. What daemons share
says who sends: a claim is written before the report is made, and that it was sent afterwards.
"""

import asyncio
import logging
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime, timedelta
from functools import partial
from typing import Literal

from kronkeep_common.clock import Clock
from kronkeep_common.errors import KronkeepError, ReadOnlyHistory
from kronkeep_common.evidence import Period
from kronkeep_common.models.base import Moment, Record
from kronkeep_common.models.morning_report import MorningReport, MorningReportView
from kronkeep_common.models.silence import CLOCKS_DIFFER
from kronkeep_daemon.alert_settings import ReportSettings
from kronkeep_daemon.alerts.channel_sender import ChannelSender
from kronkeep_daemon.alerts.channels import ReportMessage
from kronkeep_daemon.alerts.inputs import AlertInputs
from kronkeep_daemon.alerts.report_builder import ReportBuilder
from kronkeep_daemon.alerts.report_moments import ReportMoments
from kronkeep_daemon.alerts.report_text import describe_report, describe_title
from kronkeep_daemon.alerts.shared_alerts import SharedAlerts
from kronkeep_daemon.alerts.shared_state import SharedReport, SharedState
from kronkeep_daemon.history import History, Records
from kronkeep_daemon.history.facts import report_made_key, report_seen_key
from kronkeep_daemon.history.record_ids import derive_id
from kronkeep_daemon.kube.clusters import Clusters
from kronkeep_daemon.settings import Settings
from kronkeep_daemon.supervisor import Supervisor

log = logging.getLogger(__name__)
LISTED_SECONDS = 60.0  # to wait at a start until every cluster has been listed
LOOK_SECONDS = 15.0  # between two looks at whether a report is due
LATEST = timedelta(hours=12)  # after its moment; then the next report says what there is to say
LONGEST = timedelta(days=8)  # that a period may be
DEFAULT_LENGTH = timedelta(days=1)  # of the first period of a schedule that has no moment before it
PATIENCE = timedelta(seconds=60)  # with a cluster that does not say whether another daemon has sent it
MOST_WAITING = 5  # reports that wait for one channel
Decision = Literal["here", "elsewhere", "unknown"]


class ReportNotice(Record, frozen=True, kw_only=True):
    """A morning report that a channel has not accepted yet; `slot` is its moment, `clusters` are ids."""

    id: str
    channel: str
    slot: Moment
    clusters: tuple[str, ...]
    report: MorningReport
    created_at: Moment


class MorningReports:
    """The service that makes and sends the morning report, and shows it before."""

    def __init__(
        self,
        *,
        inputs: AlertInputs,
        history: History,
        clock: Clock,
        settings: Callable[[], Settings],
        supervisor: Supervisor,
        clusters: Clusters,
        shared: SharedAlerts,
        sender: ChannelSender,
    ) -> None:
        self._inputs = inputs
        self._history = history
        self._clock = clock
        self._settings = settings
        self._supervisor = supervisor
        self._clusters = clusters
        self._shared = shared
        self._sender = sender
        self._builder = ReportBuilder(inputs=inputs, history=history, clock=clock, clusters=clusters)
        self._notices: Records[ReportNotice] = Records(history.table("report_notices"), ReportNotice)
        self._undecided_since: datetime | None = None
        self._started_at = clock.now()

    def start(self) -> None:
        """Start to follow the schedule, and to send what a stop interrupted."""
        self._started_at = self._clock.now()
        self.start_workers()
        self._supervisor.start("morning report", self._follow_schedule, death="restart")

    async def _follow_schedule(self) -> None:
        with suppress(TimeoutError):  # a report names the clusters that are not listed
            async with asyncio.timeout(LISTED_SECONDS):
                await self._inputs.wait_until_listed()
        while True:
            try:
                await self.send_due()
            except KronkeepError as fault:
                log.warning("the morning report could not be made: %s", fault)
            await self._clock.sleep(LOOK_SECONDS)

    async def send_due(self) -> None:
        """Make the report of the newest moment and send it, where that is due and no other daemon does.

        Raise ReadOnlyHistory while the disk is full.
        """
        settings = self._settings().alerts.report
        if not settings.channels or self._inputs.clock_faults():
            return
        now = self._clock.now()
        moments = ReportMoments.of(settings)
        slot = moments.latest(now)
        if slot is None or not await self._is_wanted(settings, slot) or not self._is_time(slot, now):
            return
        decisions = {cluster.id: await self._decide(cluster.id, slot) for cluster in self._clusters}
        if "unknown" in decisions.values() and self._waits(now):
            return
        self._undecided_since = None
        ids = tuple(cluster_id for cluster_id, decision in decisions.items() if decision != "elsewhere")
        if ids:
            await self._make(settings, Period(self._start_of(slot, moments, ids), slot), ids)

    def _is_time(self, slot: datetime, now: datetime) -> bool:
        """Whether the report of a moment can be made: all before it is known, and it is not too late."""
        settled = timedelta(seconds=self._settings().late_after_seconds)
        return max(slot, self._started_at) + settled <= now < slot + LATEST + settled

    async def _is_wanted(self, settings: ReportSettings, slot: datetime) -> bool:
        """Whether the schedule was in force at a moment.

        A daemon that takes over without a history follows on the last report that another one sent.
        """
        key = report_seen_key(settings.schedule, settings.time_zone)
        now = self._clock.now()
        known = self._history.facts.get(key)
        if known is None or known.created_at > now:
            has_made = any(self._last_made(cluster.id) for cluster in self._clusters)
            sent = [self._last_sent(cluster.id, now) for cluster in self._clusters]
            earlier = [] if has_made else [end for end in sent if end is not None]
            self._history.facts.set(key, max(earlier, default=now))
            await self._history.commit()
        seen = self._history.facts.get(key)
        return seen is not None and seen.created_at <= slot

    async def _decide(self, cluster_id: str, slot: datetime) -> Decision:
        """Decide which daemon reports on a cluster at a moment."""
        last = self._last_made(cluster_id)
        if (last is not None and last >= slot) or self._inputs.stands_by(cluster_id):
            return "elsewhere"
        claim = SharedReport(slot=slot, at=self._clock.now(), by=self._history.history_id)
        is_ours = await self._shared.of(cluster_id).claim_report(claim)
        if is_ours is None:
            return "unknown"
        return "here" if is_ours else "elsewhere"

    def _waits(self, now: datetime) -> bool:
        """Whether to ask clusters that did not answer again for a while: two reports are better than none."""
        self._undecided_since = self._undecided_since or now
        return now - self._undecided_since < PATIENCE

    def _last_made(self, cluster_id: str) -> datetime | None:
        """Return the moment of the last report made here; one of a clock that was ahead does not count."""
        fact = self._history.facts.get(report_made_key(cluster_id))
        is_past = fact is not None and fact.created_at <= self._clock.now() + CLOCKS_DIFFER
        return fact.created_at if fact is not None and is_past else None

    def _start_of(self, slot: datetime, moments: ReportMoments, cluster_ids: tuple[str, ...]) -> datetime:
        """Return where the last report ended, else the moment before."""
        known = [self._last_made(cluster_id) for cluster_id in cluster_ids]
        known += [self._last_sent(cluster_id, slot) for cluster_id in cluster_ids]
        ends = [end for end in known if end is not None and end < slot]
        start = max(ends) if ends else moments.before(slot) or slot - DEFAULT_LENGTH
        return max(start, slot - LONGEST)

    def _last_sent(self, cluster_id: str, slot: datetime) -> datetime | None:
        report = self._shared.of(cluster_id).state.report
        return report.slot if report is not None and report.slot < slot else None

    async def _make(self, settings: ReportSettings, period: Period, cluster_ids: tuple[str, ...]) -> None:
        report = await self._builder.build(
            period,
            filter_text=settings.filter,
            time_zone=settings.time_zone,
            cluster_ids=cluster_ids,
        )
        for channel in settings.channels:
            self._notices.put(
                ReportNotice(
                    id=derive_id("report", channel, period.end.isoformat(), *cluster_ids),
                    channel=channel,
                    slot=period.end,
                    clusters=cluster_ids,
                    report=report,
                    created_at=self._clock.now(),
                )
            )
        for cluster_id in cluster_ids:
            self._history.facts.set(report_made_key(cluster_id), period.end)
        await self._history.commit()
        log.info("the morning report of %s is sent to %s", period.end, ", ".join(settings.channels))
        self.start_workers()

    def start_workers(self) -> None:
        """Start a worker for each channel that has a report to send."""
        for name in sorted({notice.channel for notice in self._notices.all()}):
            task = f"report channel {name}"
            if not self._supervisor.running(task):
                self._supervisor.start(task, partial(self._send_waiting, name), death="quiet")

    async def _send_waiting(self, channel: str) -> None:
        while notices := [notice for notice in self._notices.all() if notice.channel == channel]:
            for notice in notices[:-MOST_WAITING]:
                log.error("channel %s: the morning report of %s is dropped", channel, notice.slot)
                self._notices.remove(notice.id)
            await self._send(notices[-MOST_WAITING:][0])

    async def _send(self, notice: ReportNotice) -> None:
        """Send a report and remove its notice; while the disk is full it is sent again, with the same id."""
        title = describe_title(notice.report)
        text = describe_report(notice.report)
        message = ReportMessage(id=notice.id, title=title, text=text, report=notice.report)
        await self._sender.send(notice.channel, message)
        self._notices.remove(notice.id)
        try:
            await self._history.commit()
        except ReadOnlyHistory:
            await self._clock.sleep(LOOK_SECONDS)
            return
        self._share_sent(notice)

    def _share_sent(self, notice: ReportNotice) -> None:
        """Let other daemons know that the report was sent."""
        now = self._clock.now()
        sent = SharedReport(slot=notice.slot, at=now, by=self._history.history_id, sent_at=now)
        for cluster_id in notice.clusters:
            self._shared.of(cluster_id).change(SharedState(report=sent))

    async def preview(self, period: Period | None) -> MorningReportView:
        """Return the report of a period up to now, without sending it.

        period: by default as long as the last one of the schedule, and up to now.
        """
        settings = self._settings().alerts.report
        now = self._clock.now()
        moments = ReportMoments.of(settings)
        report = await self._builder.build(
            period or Period(now - _last_length(moments, now), now),
            filter_text=settings.filter,
            time_zone=settings.time_zone,
            cluster_ids=[cluster.id for cluster in self._clusters],
        )
        ids = [cluster.id for cluster in self._clusters]
        ends = [self._last_made(each) for each in ids] + [self._last_sent(each, now) for each in ids]
        return MorningReportView(
            report=report,
            title=describe_title(report),
            text=describe_report(report),
            channels=settings.channels,
            next_at=moments.next(now) if settings.channels else None,
            last_at=max((end for end in ends if end is not None), default=None),
        )


def _last_length(moments: ReportMoments, now: datetime) -> timedelta:
    """Return how long the last period of a schedule was."""
    last = moments.latest(now)
    before = moments.before(last) if last else None
    return min(last - before, LONGEST) if last and before else DEFAULT_LENGTH
