"""The page docs/metrics.md, from the tables: `python -m kronkeep_common.monitoring.reference FILE`."""

import sys
from collections.abc import Sequence
from pathlib import Path

from kronkeep_common.monitoring.alerting_rules import RULES
from kronkeep_common.monitoring.metric_families import (
    COPY_FAMILIES,
    CRONJOB_FAMILIES,
    DAEMON_FAMILIES,
    STORAGE_FAMILIES,
    MetricFamily,
)

_HEAD = """# Metrics

<!-- Written by make reference from common/kronkeep_common/monitoring. -->

`kronkeep monitoring rules >kronkeep.rules.yml` prints the alerting rules below for Prometheus, and
`kronkeep monitoring dashboard >kronkeep.json` a dashboard for Grafana. Where Prometheus finds the metrics:
[configuration](configuration.md#metrics). The format is Prometheus' 0.0.4, or OpenMetrics 1.0 for who asks
for it.

**Cardinality.** Each CronJob has at most {cronjob} series, {plain} without a policy, each copy of a policy's
backups {copy}, each storage {storage}, and the daemon itself a few hundred: 5,000 CronJobs without copies
have at most {many:,}. Series vanish with their object.
Times are seconds since 1970; what is not known has no series.

"""


def render_reference() -> str:
    """Return the page as Markdown."""
    plain = sum(family.name.startswith("kronkeep_cronjob_") for family in CRONJOB_FAMILIES)
    head = _HEAD.format(
        cronjob=len(CRONJOB_FAMILIES),
        plain=plain,
        copy=len(COPY_FAMILIES),
        storage=len(STORAGE_FAMILIES),
        many=5000 * len(CRONJOB_FAMILIES),
    )
    sections = [
        _table("CronJobs and their policies", CRONJOB_FAMILIES),
        _table("Copies of their backups", COPY_FAMILIES),
        _table("Storages", STORAGE_FAMILIES),
        _table("The daemon", DAEMON_FAMILIES),
    ]
    return head + "\n".join([*sections, _rules()])


def _table(title: str, families: Sequence[MetricFamily]) -> str:
    lines = [f"## {title}\n", "| metric | type | labels | what |", "|---|---|---|---|"]
    for family in families:
        name = f"{family.name}_total" if family.kind == "counter" else family.name
        labels = ", ".join(f"`{label}`" for label in family.labels)
        lines.append(f"| `{name}` | {family.kind} | {labels} | {family.help} |")
    return "\n".join(lines) + "\n"


def _rules() -> str:
    lines = ["## Alerting rules\n", "Each rule's `runbook_url` leads to its section here.\n"]
    for rule in RULES:
        wait = f" for {rule.wait}" if rule.wait != "0m" else ""
        lines += [f"### {rule.name}\n", f"{rule.severity.capitalize()}{wait}: `{rule.expression}`\n"]
        lines.append(f"{rule.todo}\n")
    return "\n".join(lines)


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(render_reference())
