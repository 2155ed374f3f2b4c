"""What one evaluation of the alert rules reads from the other services."""

from collections.abc import AsyncIterator, Iterable, Sequence
from datetime import datetime
from typing import Protocol

from kronkeep_common.api import SinkView
from kronkeep_common.models import BackupStorage, CronJob
from kronkeep_common.models.coverage import ClaimCoverage
from kronkeep_daemon.alerts.heartbeat_rules import LeadState
from kronkeep_daemon.alerts.rule_results import ClockFault, HeldCronJob
from kronkeep_daemon.kube.watch import WatchState


class AlertInputs(Protocol):
    """Inputs of an evaluation; clusters are named by their ids."""

    async def wait_until_listed(self) -> None:
        """Return once every cluster has been listed."""

    def clusters_not_listed(self) -> frozenset[str]:
        """Return the clusters that have not been listed yet."""

    def cronjobs(self) -> AsyncIterator[CronJob]:
        """Yield every CronJob with its policy and last backup."""

    def storages(self) -> Sequence[BackupStorage]:
        """Return every storage that is known."""

    def claims(self) -> Sequence[ClaimCoverage]:
        """Return the claims as they were judged last."""

    def claims_first_listed_at(self, cluster: str) -> datetime | None:
        """Return when the claims of a cluster were first listed."""

    def knows_claims(self, cluster: str) -> bool:
        """Return whether all claims of a cluster were judged."""

    def list_held_cronjobs(self) -> Iterable[HeldCronJob]:
        """Return the CronJobs that stay suspended although their maintenance is over."""

    def sinks(self) -> Sequence[SinkView]:
        """Return the databases that the history is shipped to, and how each is."""

    def watch_states(self) -> Sequence[WatchState]:
        """Return how fresh each watch is."""

    def clock_faults(self) -> Sequence[ClockFault]:
        """Return the clusters whose time cannot be trusted now."""

    def is_live(self, cluster: str) -> bool:
        """Return whether what is known of a cluster is up to date."""

    def has_findings(self, cronjob: CronJob) -> bool:
        """Return whether the CronJob's schedules have been compared with those of its policy."""

    def stands_by(self, cluster: str) -> bool:
        """Return whether another daemon acts on the cluster, and so sends the messages."""

    def lead_states(self) -> Sequence[LeadState]:
        """Return on which clusters this daemon acts."""
