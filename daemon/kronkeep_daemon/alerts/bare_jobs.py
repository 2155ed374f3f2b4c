"""Alerts about Jobs without a CronJob, such as Helm's hooks, by their newest run like those of a CronJob.

Such a Job may never run again, so nothing may ever show that it is well. Its alert ends with the next good
run of that name, or once the settings' time has passed.
"""

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta

from kronkeep_common import subject_names
from kronkeep_common.clock import Clock
from kronkeep_common.models import CronJob, CronJobExecution
from kronkeep_daemon.alerts import cronjob_rules
from kronkeep_daemon.alerts.rule_results import AlertFinding, CronJobFacts, cronjob_finding
from kronkeep_daemon.events import Bus, ExecutionChanged
from kronkeep_daemon.history import History
from kronkeep_daemon.kube.clusters import Clusters
from kronkeep_daemon.settings import Settings

MOST_FINDINGS = 200  # at once, of those that failed last
RECENT_RUNS = 20  # of one name that are read


class BareJobAlerts:
    """The alerts about these Jobs; only those that failed or have changed are read again."""

    def __init__(
        self,
        *,
        history: History,
        bus: Bus,
        clock: Clock,
        clusters: Clusters,
        settings: Callable[[], Settings],
    ) -> None:
        self._history = history
        self._clock = clock
        self._clusters = clusters
        self._settings = settings
        self._suspects: set[str] | None = None  # ids; None until the history was read
        self._changed: set[str] = set()
        bus.subscribe(ExecutionChanged, self._note)

    def _note(self, change: ExecutionChanged) -> None:
        if change.new.cronjob_id.startswith(subject_names.BARE_ID_PREFIX):
            self._changed.add(change.new.cronjob_id)

    async def find(self) -> list[AlertFinding]:
        """Return what is wrong with such Jobs now, what failed last first.

        Other tasks run after each name, as there may be thousands.
        """
        hours = self._settings().alerts.bare_job_hours
        if not hours:
            return []
        since = self._clock.now() - timedelta(hours=hours)
        suspects = await self._list_all() if self._suspects is None else self._suspects
        suspects |= self._changed
        self._changed.clear()
        self._suspects = suspects  # all of them are read again where this does not come to its end
        failed: set[str] = set()
        findings: list[AlertFinding] = []
        for cronjob_id in suspects:
            finding = self._judge(cronjob_id, since)
            if finding is not None:
                failed.add(cronjob_id)
                findings.append(finding)
            await asyncio.sleep(0)
        self._suspects = failed
        findings.sort(key=_failure_time, reverse=True)
        return findings[:MOST_FINDINGS]

    async def _list_all(self) -> set[str]:
        bare = set()
        for cronjob_id in self._history.executions.distinct("cronjob_id"):
            if cronjob_id.startswith(subject_names.BARE_ID_PREFIX):
                bare.add(cronjob_id)
            await asyncio.sleep(0)
        return bare

    def _judge(self, cronjob_id: str, since: datetime) -> AlertFinding | None:
        """Return the finding about one name, where it has failed since that time."""
        runs = self._history.executions.newest(limit=RECENT_RUNS, cronjob_id=cronjob_id).items
        if not runs or runs[0].cluster not in {cluster.id for cluster in self._clusters}:
            return None
        facts = CronJobFacts(
            cronjob=_as_cronjob(runs[0]),
            runs=runs,
            backups=[],
            drills=[],
            now=self._clock.now(),
            failing_runs=self._settings().alerts.failing_runs,
            controller_zone=self._settings().controller_zone,
        )
        result = cronjob_rules.run_failed(facts)
        failed = next((run for run in runs if result is not None and run.id == result.record_id), None)
        if result is None or failed is None or (failed.ended_at or failed.created_at) < since:
            return None
        return cronjob_finding(facts.cronjob, result)


def _as_cronjob(run: CronJobExecution) -> CronJob:
    """Return what stands for the CronJob of a Job without one in findings."""
    return CronJob(
        id=run.cronjob_id,
        cluster=run.cluster,
        namespace=run.namespace,
        name=run.cronjob,
        schedule="",
        created_at=run.created_at,
    )


def _failure_time(finding: AlertFinding) -> float:
    return finding.since.timestamp() if finding.since is not None else 0.0
