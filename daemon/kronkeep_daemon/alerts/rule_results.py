"""What alert rules get and return, and findings about each kind of object."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

import msgspec

from kronkeep_common.models import BackupExecution, BackupStorage, CronJob, CronJobExecution, Restore
from kronkeep_common.models.alert import Kind, Severity
from kronkeep_daemon.kube.watch import WatchState

AlertKey = tuple[str, Kind, str]


class ClockFault(NamedTuple):
    """A cluster whose time cannot be trusted, by its id and name, and why."""

    cluster: str
    name: str
    message: str


class CronJobFacts(NamedTuple):
    """A CronJob with its newest runs, backups and drills, newest first, at the time `now`.

    `unusual` are backups that were unusual and that nobody has acknowledged, oldest first. `drills_since` is
    when each drill of its policy was first seen, or the last slot drilled since, by the storage of the copy
    that it is of (None for the policy's own). Unless `live`, its cluster is not watched now; unless
    `settled`, it has not been watched for long enough to know all that happened before; unless `checked`,
    its schedules have not been compared yet.
    """

    cronjob: CronJob
    runs: list[CronJobExecution]
    backups: list[BackupExecution]
    drills: list[Restore]
    now: datetime
    failing_runs: int
    controller_zone: str
    drills_since: Mapping[str | None, datetime] = {}
    unusual: Sequence[BackupExecution] = ()
    live: bool = True
    settled: bool = True
    checked: bool = True


class HeldCronJob(NamedTuple):
    """A CronJob that a maintenance keeps suspended although it is over, or not known, since a time."""

    cluster: str
    namespace: str
    cronjob: str
    cronjob_id: str
    maintenance_id: str
    is_known: bool
    since: datetime


class AlertFinding(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that is wrong; without `since` it is wrong since it was first found."""

    code: str
    severity: Severity
    kind: Kind
    object: str
    object_id: str
    message: str
    next_step: str
    since: datetime | None = None
    cluster: str = ""
    namespace: str = ""
    cronjob: str | None = None
    cronjob_id: str | None = None
    policy_id: str | None = None
    storage_id: str | None = None
    record_id: str | None = None
    node: str | None = None
    image: str | None = None
    last_line: str | None = None
    reason: str | None = None

    @property
    def key(self) -> AlertKey:
        """What two findings of the same alert share."""
        return self.code, self.kind, self.object_id


class RuleResult(NamedTuple):
    """The part of a finding that a rule decides.

    `record_id` is the record that it is about, `node` where that ran, `last_line` the last one of its log;
    `reason` is the code of what is wrong with that record or the storage, as in its own list.
    """

    code: str
    severity: Severity
    message: str
    next_step: str
    since: datetime | None = None
    record_id: str | None = None
    node: str | None = None
    last_line: str | None = None
    reason: str | None = None


def cronjob_finding(cronjob: CronJob, result: RuleResult) -> AlertFinding:
    """Return the finding of a rule about a CronJob."""
    return AlertFinding(
        **result._asdict(),
        kind="cronjob",
        object=f"{cronjob.namespace}/{cronjob.name}",
        object_id=cronjob.id,
        cluster=cronjob.cluster,
        namespace=cronjob.namespace,
        cronjob=cronjob.name,
        cronjob_id=cronjob.id,
        image=cronjob.image or None,
        policy_id=cronjob.policy.id if cronjob.policy else None,
        storage_id=cronjob.policy.storage_id if cronjob.policy else None,
    )


def storage_finding(storage: BackupStorage, result: RuleResult) -> AlertFinding:
    """Return the finding of a rule about a storage."""
    return AlertFinding(
        **result._asdict(),
        kind="storage",
        object=storage.id,
        object_id=storage.id,
        cluster=storage.cluster,
        storage_id=storage.id,
    )


def clock_finding(fault: ClockFault, result: RuleResult) -> AlertFinding:
    """Return the finding of a rule about a cluster's clock."""
    return AlertFinding(
        **result._asdict(),
        kind="watch",
        object=f"clock of {fault.name}",
        object_id=f"clock {fault.cluster}",
        cluster=fault.cluster,
    )


def history_finding(result: RuleResult) -> AlertFinding:
    """Return the finding of a rule about the history."""
    return AlertFinding(**result._asdict(), kind="history", object="history", object_id="history")


def kept_logs_finding(cluster: str, namespace: str, result: RuleResult) -> AlertFinding:
    """Return the finding of a rule about the kept logs of a namespace, or of all for an empty one."""
    return AlertFinding(
        **result._asdict(),
        kind="history",
        object=f"kept logs of {namespace}" if namespace else "kept logs",
        object_id=f"kept logs {cluster}/{namespace}" if namespace else "kept logs",
        cluster=cluster,
        namespace=namespace,
    )


def sink_finding(name: str, result: RuleResult) -> AlertFinding:
    """Return the finding of a rule about a sink of the history."""
    return AlertFinding(**result._asdict(), kind="sink", object=f"sink {name}", object_id=f"sink {name}")


def watch_finding(watch: WatchState, result: RuleResult) -> AlertFinding:
    """Return the finding of a rule about a watch."""
    where = f"{watch.cluster}{watch.name}"
    return AlertFinding(
        **result._asdict(), kind="watch", object=watch.name, object_id=where, cluster=watch.cluster
    )


def format_minute(moment: datetime) -> str:
    """Return a time in the sentences of alerts."""
    return f"{moment:%Y-%m-%d %H:%M} UTC"
