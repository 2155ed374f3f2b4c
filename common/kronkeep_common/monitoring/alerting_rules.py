"""Alerting rules of Prometheus over the metric families; docs/metrics.md has a section for each."""

from typing import Any, NamedTuple

from kronkeep_common.monitoring import metric_families as families
from kronkeep_common.monitoring.metric_families import MetricFamily

RUNBOOKS = "file:///usr/share/doc/kronkeep/docs/metrics.md"
HOUR = 3600
DAY = 24 * HOUR
CRONJOB = "{{ $labels.namespace }}/{{ $labels.cronjob }}"
STORAGE = "storage {{ $labels.storage }}"


class AlertingRule(NamedTuple):
    """One rule: it fires once its expression has held for `wait`; `todo` is what a person does then."""

    name: str
    expression: str
    wait: str
    severity: str
    summary: str
    todo: str


def _older(family: MetricFamily, seconds: float) -> str:
    return f"time() - {family.name} > {seconds:.0f}"


RULES = (
    AlertingRule(
        name="KronkeepDown",
        expression=f"absent({families.BUILD.name})",
        wait="5m",
        severity="critical",
        summary="kronkeepd cannot be scraped",
        todo="`systemctl status kronkeepd`, then its journal; `kronkeep doctor` once it runs.",
    ),
    AlertingRule(
        name="KronkeepMetricsOld",
        expression=_older(families.NOW, 300),
        wait="1m",
        severity="critical",
        summary="the metrics of kronkeepd are old",
        todo="With a textfile: `kronkeepd` does not run or cannot write the file; its journal says why.",
    ),
    AlertingRule(
        name="KronkeepHistoryReadOnly",
        expression=f"{families.HISTORY_WRITABLE.name} == 0",
        wait="1m",
        severity="critical",
        summary="kronkeepd cannot write its history",
        todo="The disk of the state folder is full: free space there; writing resumes by itself.",
    ),
    AlertingRule(
        name="KronkeepHistorySlow",
        expression=(
            "histogram_quantile(0.99, "
            f"sum by (instance, job, le) (rate({families.HISTORY_COMMIT.name}_bucket[10m]))) > 1"
        ),
        wait="10m",
        severity="warning",
        summary="changes of kronkeepd's history take longer than a second",
        todo="Look at the disk of the state folder (`iostat -x 1`).",
    ),
    AlertingRule(
        name="KronkeepLogsRemoved",
        expression=f"increase({families.KEPT_LOGS_REMOVED.name}_total[1d]) > 0",
        wait="0m",
        severity="warning",
        summary="kept logs of {{ $labels.namespace }} were removed: a limit was reached",
        todo="`kronkeep doctor` names the largest: let their jobs write less, or raise the limit.",
    ),
    AlertingRule(
        name="KronkeepWatchNotLive",
        expression=f"{families.WATCH_LIVE.name} == 0",
        wait="10m",
        severity="warning",
        summary="the watch {{ $labels.watch }} of {{ $labels.cluster }} is not live",
        todo="`kronkeep doctor` says whether the cluster answers and the rights suffice.",
    ),
    AlertingRule(
        name="KronkeepNobodyActs",
        expression=f"max by (cluster) ({families.LEADING.name}) == 0",
        wait="5m",
        severity="critical",
        summary="no kronkeepd acts on {{ $labels.cluster }}: nothing is backed up",
        todo="The Lease `kronkeepd` cannot be renewed: `kronkeep doctor` on each daemon.",
    ),
    AlertingRule(
        name="CronJobFailed",
        expression=f"{families.CRONJOB_LAST_RUN_OK.name} == 0",
        wait="0m",
        severity="warning",
        summary=f"the newest run of {CRONJOB} failed",
        todo="`kronkeep describe cronjob NS/NAME` and `kronkeep logs ID`: the cause and the log are kept.",
    ),
    AlertingRule(
        name="CronJobLate",
        expression=_older(families.CRONJOB_LATE_SINCE, 600),
        wait="0m",
        severity="warning",
        summary=f"no run of {CRONJOB} has started for its slot",
        todo="Look at the CronJob's Events, its concurrencyPolicy and its startingDeadlineSeconds.",
    ),
    AlertingRule(
        name="BackupOverdue",
        expression=(
            f"{families.POLICY_OVERDUE.name} == 1 "
            f"or time() - {families.POLICY_LAST_GOOD.name} > {families.POLICY_RPO.name}"
        ),
        wait="5m",
        severity="critical",
        summary=f"{CRONJOB} has no good backup within its recovery point",
        todo="`kronkeep backup NS/NAME` now; `kronkeep get backups` says why there is none.",
    ),
    AlertingRule(
        name="CopyOverdue",
        expression=f"{families.COPY_OVERDUE.name} == 1",
        wait="5m",
        severity="critical",
        summary="{{ $labels.storage }} lacks copies of {{ $labels.namespace }}/{{ $labels.cronjob }}",
        todo="`kronkeep get copies` says why none was made; `kronkeep describe backup ID` shows its copies.",
    ),
    AlertingRule(
        name="RestoreTooSlow",
        expression=f"{families.POLICY_EXPECTED_RESTORE.name} > {families.POLICY_RTO.name}",
        wait="1h",
        severity="warning",
        summary="restoring {{ $labels.namespace }}/{{ $labels.cronjob }} is expected to take too long",
        todo="`kronkeep get policies` compares both; restore less, or from a nearer copy.",
    ),
    AlertingRule(
        name="BackupFailed",
        expression=f"{families.POLICY_LAST_OK.name} == 0",
        wait="0m",
        severity="warning",
        summary=f"the newest backup of {CRONJOB} is not good",
        todo="`kronkeep describe backup ID` names the cause and the next step.",
    ),
    AlertingRule(
        name="BackupNotVerified",
        expression=_older(families.POLICY_LAST_VERIFIED, 35 * DAY),
        wait="1h",
        severity="warning",
        summary=f"no backup of {CRONJOB} was restored and compared for 35 days",
        todo="`kronkeep verify ID`; the policy's drill does it by a schedule.",
    ),
    AlertingRule(
        name="StorageUnreachable",
        expression=f"{families.STORAGE_REACHABLE.name} == 0",
        wait="15m",
        severity="critical",
        summary=f"{STORAGE} cannot be reached",
        todo="`kronkeep storage test NAME` tries again from the cluster and says what is wrong.",
    ),
    AlertingRule(
        name="StorageDamaged",
        expression=f"{families.STORAGE_CHECK_OK.name} == 0",
        wait="0m",
        severity="critical",
        summary=f"restic check found errors in {STORAGE}",
        todo="Back up to another storage; copy the repository before you repair it.",
    ),
    AlertingRule(
        name="SnapshotsMissing",
        expression=f"{families.STORAGE_MISSING.name} > 0",
        wait="0m",
        severity="critical",
        summary=f"{STORAGE} lacks snapshots of backups",
        todo="Find out who removed them; where they are gone for good: `kronkeep storage acknowledge NAME`.",
    ),
    AlertingRule(
        name="StorageFilling",
        expression=f"{families.STORAGE_USED.name} / {families.STORAGE_CAPACITY.name} > 0.85",
        wait="15m",
        severity="warning",
        summary=f"85 % of {STORAGE} is used",
        todo="Add space, keep fewer backups (`kronkeep retention NS/NAME`) or `kronkeep storage prune NAME`.",
    ),
    AlertingRule(
        name="StorageFullSoon",
        expression=f"{families.STORAGE_FULL_IN.name} < {7 * DAY}",
        wait="1h",
        severity="warning",
        summary=f"{STORAGE} is full within a week, as it grows now",
        todo="As for StorageFilling; `kronkeep describe storage NAME` shows the growth.",
    ),
    AlertingRule(
        name="RepositoryQueueWaits",
        expression=f"{families.QUEUE_OLDEST.name} > {6 * HOUR}",
        wait="5m",
        severity="warning",
        summary="{{ $labels.work }} waits for a repository for more than six hours",
        todo="`kronkeep get queue` says what works there and what waits.",
    ),
    AlertingRule(
        name="AlertChannelStuck",
        expression=f"{families.CHANNEL_STUCK.name} == 1",
        wait="5m",
        severity="critical",
        summary="kronkeepd's channel {{ $labels.channel }} accepts no messages",
        todo="Check its URL and its receiver; the journal of kronkeepd says what it answered.",
    ),
)


def rule_groups(runbooks: str = RUNBOOKS) -> dict[str, Any]:
    """Return the rules as a rule file of Prometheus; `runbooks` is the address of docs/metrics.md."""
    return {"groups": [{"name": "kronkeep", "rules": [_rule(rule, runbooks) for rule in RULES]}]}


def _rule(rule: AlertingRule, runbooks: str) -> dict[str, Any]:
    return {
        "alert": rule.name,
        "expr": rule.expression,
        "for": rule.wait,
        "labels": {"severity": rule.severity},
        "annotations": {
            "summary": rule.summary,
            "description": rule.todo,
            "runbook_url": f"{runbooks}#{rule.name.lower()}",
        },
    }
