"""The alert service: it evaluates the rules after every change, and every 15 seconds.

One evaluation reads every CronJob with its newest records, the storages and the watches, and stores what
changed in one commit together with the notices about it. An evaluation is followed by a pause ten times as
long as it took, so that alerts use at most a tenth of one CPU.
"""

import asyncio
import logging
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from itertools import islice
from operator import attrgetter

import msgspec
from prometheus_client import CollectorRegistry

from kronkeep_common.alert_codes import AlertCode
from kronkeep_common.clock import Clock
from kronkeep_common.errors import AlertNotFound, KronkeepError, NotAllowedNow, ReadOnlyHistory
from kronkeep_common.models import Alert, CronJob, Restore, Silence, SilenceView
from kronkeep_common.states import AlertStatus
from kronkeep_common.text import clean
from kronkeep_daemon.alerts import cluster_rules, cronjob_rules, delivery_rules, storage_rules
from kronkeep_daemon.alerts.alert_changes import compare_alerts
from kronkeep_daemon.alerts.bare_jobs import BareJobAlerts
from kronkeep_daemon.alerts.channel_rules import apply_silences
from kronkeep_daemon.alerts.coverage_rules import coverage_findings
from kronkeep_daemon.alerts.dispatch import AlertDispatcher
from kronkeep_daemon.alerts.drill_rules import has_ended_drills
from kronkeep_daemon.alerts.heartbeats import Heartbeats
from kronkeep_daemon.alerts.history_rules import history_findings, log_findings
from kronkeep_daemon.alerts.inputs import AlertInputs
from kronkeep_daemon.alerts.maintenance_rules import maintenance_finding
from kronkeep_daemon.alerts.morning_reports import MorningReports
from kronkeep_daemon.alerts.rule_results import AlertFinding, AlertKey, CronJobFacts
from kronkeep_daemon.alerts.shared_alerts import SharedAlerts
from kronkeep_daemon.alerts.shared_state import (
    SharedAcknowledgement,
    SharedState,
    acknowledgement_of,
    problem_id,
)
from kronkeep_daemon.alerts.silences import Silences
from kronkeep_daemon.alerts.sink_rules import sink_findings
from kronkeep_daemon.backups import unusual_backups
from kronkeep_daemon.events import (
    BackupChanged,
    Bus,
    CronJobChanged,
    ExecutionChanged,
    RestoreChanged,
    StorageChanged,
)
from kronkeep_daemon.history import History
from kronkeep_daemon.history.facts import LOST_CHANGES, drill_seen_key
from kronkeep_daemon.kube.clusters import Clusters
from kronkeep_daemon.settings import Settings
from kronkeep_daemon.supervisor import Supervisor

log = logging.getLogger(__name__)
TICK_SECONDS = 15.0
SETTLING_SECONDS = 120.0  # of a watch, before a run whose end is not known is a reason for an alert
SHARE = 10  # times as long as an evaluation took is the pause after it
RECENT_RECORDS = 20  # records of each kind that the rules read of a CronJob
MOST_RESTORE_PAGES = 25  # of RECENT_RECORDS, in which drills are looked for
PAGE = 1000  # alerts that are read at once
ACTIVE = (AlertStatus.OPEN, AlertStatus.ACKNOWLEDGED)


class AlertService:
    """The service that keeps the alerts up to date and sends notices about them."""

    def __init__(
        self,
        *,
        inputs: AlertInputs,
        history: History,
        bus: Bus,
        clock: Clock,
        settings: Callable[[], Settings],
        supervisor: Supervisor,
        clusters: Clusters,
        shared: SharedAlerts,
        registry: CollectorRegistry,
    ) -> None:
        self._inputs = inputs
        self._history = history
        self._clock = clock
        self._settings = settings
        self._supervisor = supervisor
        self._clusters = clusters
        self._shared = shared
        self._wake = asyncio.Event()
        self._live_since: dict[str, float] = {}  # by the id of a cluster; seconds of the monotonic clock
        self._bare_jobs = BareJobAlerts(
            history=history, bus=bus, clock=clock, clusters=clusters, settings=settings
        )
        self.silences = Silences(history=history, clock=clock, shared=shared, changed=self._wake.set)
        self._counts: Counter[tuple[str, str, str]] = Counter()
        self._dispatcher = AlertDispatcher(
            history=history,
            clock=clock,
            settings=settings,
            supervisor=supervisor,
            cluster=clusters.first,
            registry=registry,
            shared=shared,
            stands_by=inputs.stands_by,
            changed=self._wake.set,
        )
        self.trials = self._dispatcher.trials
        self.reports = MorningReports(
            inputs=inputs,
            history=history,
            clock=clock,
            settings=settings,
            supervisor=supervisor,
            clusters=clusters,
            shared=shared,
            sender=self._dispatcher.sender,
        )
        self._heartbeats = Heartbeats(
            inputs=inputs,
            history=history,
            clock=clock,
            settings=settings,
            supervisor=supervisor,
            changed=self._wake.set,
        )
        bus.trigger(self._wake, ExecutionChanged, BackupChanged, RestoreChanged)
        bus.trigger(self._wake, StorageChanged, CronJobChanged)

    def start(self) -> None:
        """Start evaluating, once every CronJob is known, and sending the notices that a stop interrupted."""
        self._dispatcher.start_workers()
        self._shared.start(self._supervisor)
        self._heartbeats.start()
        self.reports.start()
        self._supervisor.start("alerts", self._evaluate_forever, death="restart")

    async def _evaluate_forever(self) -> None:
        with suppress(TimeoutError):  # a cluster that cannot be listed is a reason for an alert itself
            async with asyncio.timeout(self._settings().alerts.watch_seconds):
                await self._inputs.wait_until_listed()
                await self._shared.wait_until_tried()
        while True:
            self._wake.clear()
            start = self._clock.monotonic()
            try:
                await self.evaluate()
            except KronkeepError as fault:
                log.warning("alerts could not be evaluated: %s", fault)
            duration = self._clock.monotonic() - start
            await self._clock.sleep(max(0.2, SHARE * duration))
            try:
                async with asyncio.timeout(TICK_SECONDS):
                    await self._wake.wait()
            except TimeoutError:
                continue

    async def evaluate(self) -> None:
        """Evaluate the rules once.

        Raise ReadOnlyHistory while the disk is full; the next evaluation then finds the same changes again.
        """
        not_listed = self._inputs.clusters_not_listed()
        untimed = {fault.cluster for fault in self._inputs.clock_faults()}
        # What cannot be judged now must not be resolved: a cluster that is not listed yet, or whose clock is
        # wrong, shows no fault and no health either.
        undecided: set[AlertKey] = {
            (alert.code, alert.kind, alert.object_id)
            for alert in self.active_alerts()
            if alert.cluster in not_listed
            or (alert.cluster in untimed and alert.code != AlertCode.CLOCK_JUMPED)
        }
        findings = await self._find(undecided)
        changes = compare_alerts(self.active_alerts(), findings, self._clock.now(), undecided)
        for alert in changes.alerts:
            self._history.alerts.put(alert)
        for event in changes.events:
            log.info("alert %s: %s %s %s", event.event, event.alert.code, event.alert.object, event.alert.id)
        self._route()
        try:
            await self._history.commit()
        except ReadOnlyHistory:
            self._dispatcher.undo()
            raise
        self._dispatcher.start_workers()
        self._counts = Counter(
            (alert.code, alert.severity, str(alert.status)) for alert in self.active_alerts()
        )

    def _route(self) -> None:
        """Apply what other daemons know and the silences, and buffer what channels must be sent."""
        now = self._clock.now()
        names = self._cluster_names()
        self.silences.exchange()
        silences = self.silences.filters(names)
        active: list[Alert] = []
        for known in reversed(self.active_alerts()):
            alert = apply_silences(self._with_shared_acknowledgement(known), silences, now)
            active.append(alert)
            if alert != known:
                self._history.alerts.put(alert)
        for alert in self._dispatcher.add(active, silences, names):
            self._history.alerts.put(msgspec.structs.replace(alert, told_at=now))

    def _with_shared_acknowledgement(self, alert: Alert) -> Alert:
        """Return the alert as acknowledged, where somebody has acknowledged it on another daemon."""
        known = acknowledgement_of(self._shared.of(alert.cluster).state, alert)
        if known is None:
            return alert
        return msgspec.structs.replace(
            alert,
            status=AlertStatus.ACKNOWLEDGED,
            acknowledged_at=known.at,
            acknowledged_by=clean(known.by, 100),
        )

    async def _find(self, undecided: set[AlertKey]) -> list[AlertFinding]:
        """Return all that is wrong; add the keys that cannot be judged now to `undecided`."""
        findings: list[AlertFinding] = []
        async for cronjob in self._inputs.cronjobs():  # gives way to other tasks
            facts = self._facts_of(cronjob)
            findings += cronjob_rules.cronjob_findings(facts)
            undecided |= cronjob_rules.keys_not_decided(facts)
        for storage in self._inputs.storages():
            findings += storage_rules.storage_findings(storage, self._clock.now())
        findings += await self._bare_jobs.find()
        findings += self._find_uncovered(undecided)
        findings += map(maintenance_finding, self._inputs.list_held_cronjobs())
        limit = self._settings().alerts.watch_seconds
        for watch in self._inputs.watch_states():
            findings += cluster_rules.watch_findings(watch, self._clock.now(), limit)
        for sink in self._inputs.sinks():
            findings += sink_findings(sink, self._clock.now(), limit)
        for cluster in self._clusters:
            findings += cluster_rules.token_findings(
                cluster.id, cluster.name, cluster.token_ends_at, self._clock.now()
            )
        for fault in self._inputs.clock_faults():
            findings += cluster_rules.clock_findings(fault)
        findings += history_findings(self._history.facts.get(LOST_CHANGES), self._clock.now())
        findings += log_findings(self._history.log_removals.recent(self._clock.now()))
        findings += map(delivery_rules.channel_finding, self._dispatcher.stuck_channels())
        findings += map(delivery_rules.heartbeat_finding, self._heartbeats.faults())
        undecided |= {
            (AlertCode.CHANNEL_STUCK, "channel", name) for name in self._dispatcher.list_untried_channels()
        }
        return findings

    def _find_uncovered(self, undecided: set[AlertKey]) -> list[AlertFinding]:
        """Return the claims that nobody backs up; alerts about claims that are not known now stay."""
        undecided |= {
            (alert.code, alert.kind, alert.object_id)
            for alert in self.active_alerts()
            if alert.kind == "claim" and not self._inputs.knows_claims(alert.cluster)
        }
        now = self._clock.now()
        listed_at = {each.id: self._inputs.claims_first_listed_at(each.id) for each in self._clusters}
        findings: list[AlertFinding] = []
        for claim in self._inputs.claims():
            first = listed_at.get(claim.cluster)
            findings += coverage_findings(claim, self._settings().alerts, first, now)
        return findings

    def _facts_of(self, cronjob: CronJob) -> CronJobFacts:
        history = self._history
        settings = self._settings()
        soon = self._clock.now() + timedelta(seconds=1)  # a run that is dated later hides no other
        live = self._inputs.is_live(cronjob.cluster)
        return CronJobFacts(
            cronjob=cronjob,
            runs=history.executions.newest(limit=RECENT_RECORDS, cronjob_id=cronjob.id, until=soon).items,
            backups=history.backups.newest(limit=RECENT_RECORDS, cronjob_id=cronjob.id).items,
            drills=self._newest_drills(cronjob),
            now=self._clock.now(),
            failing_runs=settings.alerts.failing_runs,
            controller_zone=settings.controller_zone,
            drills_since=self._drills_since(cronjob),
            unusual=unusual_backups.list_unacknowledged(history, cronjob.id),
            live=live,
            settled=self._has_settled(cronjob.cluster, live=live),
            checked=self._inputs.has_findings(cronjob),
        )

    def _newest_drills(self, cronjob: CronJob) -> list[Restore]:
        """Return the newest drills of a CronJob, back to an ended one of each place that its policy drills.

        Between them lie restores and verifications, and the drills of other places.
        """
        drills: list[Restore] = []
        policy = cronjob.policy
        pages = islice(
            self._history.restores.pages(RECENT_RECORDS, cronjob_id=cronjob.id), MOST_RESTORE_PAGES
        )
        while policy is not None and not has_ended_drills(policy, drills):
            page = next(pages, None)
            if page is None:
                break
            drills += [restore for restore in page if restore.purpose == "drill"]
        return drills

    def _has_settled(self, cluster: str, *, live: bool) -> bool:
        """Whether a cluster has been watched for so long that what happened before was recorded."""
        now = self._clock.monotonic()
        if not live:
            self._live_since.pop(cluster, None)
            return False
        return now - self._live_since.setdefault(cluster, now) >= SETTLING_SECONDS

    def _drills_since(self, cronjob: CronJob) -> dict[str | None, datetime]:
        """Return up to when no slot of each drill of the policy is due, by the copy that it is of."""
        policy = cronjob.policy
        if policy is None:
            return {}
        places = [None, *(copy.storage_id for copy in policy.copies)]
        facts = {
            place: self._history.facts.get(drill_seen_key(cronjob.id, policy.id, place or ""))
            for place in places
        }
        return {place: fact.created_at for place, fact in facts.items() if fact is not None}

    def active_alerts(self, limit: int | None = None) -> list[Alert]:
        """Return the alerts that are open or acknowledged, newest first; the newest ones up to a limit."""
        alerts: list[Alert] = []
        for status in ACTIVE:
            pages = self._history.alerts.pages(limit or PAGE, status=status)
            for page in islice(pages, None if limit is None else 1):
                alerts += page
        return sorted(alerts, key=attrgetter("created_at"), reverse=True)[:limit]

    def silence_views(self, silences: Sequence[Silence]) -> list[SilenceView]:
        """Return silences with their statuses and how many alerts each holds back."""
        active = self.active_alerts()
        return [self.silences.view(silence, active, self._cluster_names()) for silence in silences]

    def _cluster_names(self) -> dict[str, str]:
        """Return the ids of the clusters by name."""
        return {cluster.name: cluster.id for cluster in self._clusters}

    def counts(self) -> Counter[tuple[str, str, str]]:
        """Return how many alerts had not ended at the last evaluation, by code, severity and status."""
        return self._counts

    def stuck_channels(self) -> frozenset[str]:
        """Return the names of the channels that no longer accept messages."""
        return frozenset(fault.name for fault in self._dispatcher.stuck_channels())

    def get(self, alert_id: str) -> Alert:
        """Return one alert; raise AlertNotFound."""
        alert = self._history.alerts.get(alert_id)
        if alert is None:
            raise AlertNotFound(f"There is no alert {clean(alert_id, 80)}.")
        return alert

    async def acknowledge(self, alert_id: str, user: str) -> Alert:
        """Record that `user` knows of an alert, which is then repeated only if it becomes worse.

        Raise AlertNotFound, and NotAllowedNow for an alert that has ended.
        """
        alert = self.get(alert_id)
        if alert.status is AlertStatus.RESOLVED:
            raise NotAllowedNow(
                "The alert has ended already.",
                next_step="Nothing is left to do: kronkeep get alerts --filter status:open.",
            )
        if alert.status is AlertStatus.OPEN:
            alert = msgspec.structs.replace(
                alert,
                status=AlertStatus.ACKNOWLEDGED,
                acknowledged_at=self._clock.now(),
                acknowledged_by=clean(user, 100),
            )
            self._history.alerts.put(alert)
            await self._history.commit()
            self._share_acknowledgement(alert)
        return alert

    async def unacknowledge(self, alert_id: str) -> Alert:
        """Take an acknowledgement back, so that people are reminded again.

        Raise AlertNotFound, and NotAllowedNow for an alert that nobody has acknowledged.
        """
        alert = self.get(alert_id)
        if alert.status is not AlertStatus.ACKNOWLEDGED:
            raise NotAllowedNow("The alert is not acknowledged.", next_step="Nothing is left to undo.")
        opened = msgspec.structs.replace(
            alert, status=AlertStatus.OPEN, acknowledged_at=None, acknowledged_by=None
        )
        self._history.alerts.put(opened)
        await self._history.commit()
        self._share_acknowledgement(opened)
        return opened

    def _share_acknowledgement(self, alert: Alert) -> None:
        """Share who knows of an alert; nobody, for one that is open again."""
        known = SharedAcknowledgement(
            at=alert.acknowledged_at or self._clock.now(),
            by=alert.acknowledged_by or "",
            severity=alert.severity,
        )
        self._shared.of(alert.cluster).change(SharedState(acknowledged={problem_id(alert): known}))
