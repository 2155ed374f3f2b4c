"""A Grafana dashboard over the metric families, for import with a Prometheus data source."""

from typing import Any, NamedTuple

from kronkeep_common.monitoring import metric_families as families

SCHEMA_VERSION = 39  # Grafana 10 and later read it and bring it up to date
WIDTH = 24  # columns of Grafana's grid
SELECTOR = '{cluster=~"$cluster",namespace=~"$namespace"}'
CLUSTER_SELECTOR = '{cluster=~"$cluster"}'


class Panel(NamedTuple):
    """One panel; `legend` is in Grafana's form, `unit` one of Grafana's units."""

    title: str
    kind: str
    expression: str
    legend: str = ""
    unit: str = "short"
    width: int = 12
    height: int = 8


def _stat(title: str, expression: str, unit: str = "short") -> Panel:
    return Panel(title=title, kind="stat", expression=expression, unit=unit, width=4, height=4)


def _graph(title: str, expression: str, legend: str, unit: str = "short") -> Panel:
    return Panel(title=title, kind="timeseries", expression=expression, legend=legend, unit=unit)


def _table(title: str, expression: str, unit: str = "short") -> Panel:
    return Panel(title=title, kind="table", expression=expression, unit=unit)


PANELS = (
    _stat("CronJobs", f"count({families.CRONJOB_SUSPENDED.name}{SELECTOR})"),
    _stat("Last run failed", f"count({families.CRONJOB_LAST_RUN_OK.name}{SELECTOR} == 0) or vector(0)"),
    _stat("Late", f"count({families.CRONJOB_LATE_SINCE.name}{SELECTOR}) or vector(0)"),
    _stat("Backups overdue", f"sum({families.POLICY_OVERDUE.name}{SELECTOR}) or vector(0)"),
    _stat("Alerts", f"sum({families.ALERTS.name}) or vector(0)"),
    _stat("History writable", f"min({families.HISTORY_WRITABLE.name})"),
    _table("Age of the newest good backup", f"time() - {families.POLICY_LAST_GOOD.name}{SELECTOR}", "s"),
    _table("Age of the newest verification", f"time() - {families.POLICY_LAST_VERIFIED.name}{SELECTOR}", "s"),
    _table("Failed CronJobs", f"{families.CRONJOB_LAST_RUN_OK.name}{SELECTOR} == 0"),
    _graph(
        "Longest runs",
        f"topk(10, {families.CRONJOB_LAST_DURATION.name}{SELECTOR})",
        "{{namespace}}/{{cronjob}}",
        "s",
    ),
    _graph(
        "Runs that ended",
        f"sum by (status) (increase({families.RUNS_ENDED.name}_total{CLUSTER_SELECTOR}[1h]))",
        "{{status}}",
    ),
    _graph(
        "Backups that ended",
        f"sum by (status) (increase({families.BACKUPS_ENDED.name}_total{CLUSTER_SELECTOR}[1h]))",
        "{{status}}",
    ),
    _graph(
        "New bytes of the newest backups",
        f"topk(10, {families.POLICY_NEW_BYTES.name}{SELECTOR})",
        "{{namespace}}/{{cronjob}}",
        "bytes",
    ),
    _graph("Storages: used", f"{families.STORAGE_USED.name}{CLUSTER_SELECTOR}", "{{storage}}", "bytes"),
    _graph(
        "Storages: share used",
        f"{families.STORAGE_USED.name}{CLUSTER_SELECTOR} / {families.STORAGE_CAPACITY.name}",
        "{{storage}}",
        "percentunit",
    ),
    _table("Storages: time until full", f"{families.STORAGE_FULL_IN.name}{CLUSTER_SELECTOR}", "s"),
    _graph("Queues", f"{families.QUEUE_WAITING.name}", "{{work}}"),
    _graph(
        "History: time of a commit (99 %)",
        f"histogram_quantile(0.99, sum by (le) (rate({families.HISTORY_COMMIT.name}_bucket[5m])))",
        "commit",
        "s",
    ),
    _graph("Watches that are live", f"{families.WATCH_LIVE.name}{CLUSTER_SELECTOR}", "{{watch}}"),
    _graph("Memory of kronkeepd", f"{families.PROCESS_RSS.name}", "{{instance}}", "bytes"),
)


def dashboard() -> dict[str, Any]:
    """Return the dashboard's JSON model."""
    return {
        "title": "kronkeep",
        "uid": "kronkeep",
        "schemaVersion": SCHEMA_VERSION,
        "editable": True,
        "refresh": "1m",
        "time": {"from": "now-24h", "to": "now"},
        "templating": {"list": [_source_variable(), _variable("cluster"), _variable("namespace")]},
        "panels": _place_panels(),
    }


def _source_variable() -> dict[str, Any]:
    return {"name": "source", "type": "datasource", "query": "prometheus", "label": "Data source"}


def _variable(label: str) -> dict[str, Any]:
    return {
        "name": label,
        "type": "query",
        "datasource": {"type": "prometheus", "uid": "${source}"},
        "query": f"label_values({families.CRONJOB_SUSPENDED.name}, {label})",
        "refresh": 2,
        "includeAll": True,
        "allValue": ".*",
        "multi": True,
        "current": {"text": "All", "value": "$__all"},
    }


def _place_panels() -> list[dict[str, Any]]:
    """Return the panels from left to right and from top to bottom."""
    placed = []
    x = y = row_height = 0
    for number, panel in enumerate(PANELS, 1):
        if x + panel.width > WIDTH:
            x = 0
            y += row_height
            row_height = 0
        placed.append(_panel(panel, number, {"x": x, "y": y, "w": panel.width, "h": panel.height}))
        x += panel.width
        row_height = max(row_height, panel.height)
    return placed


def _panel(panel: Panel, number: int, place: dict[str, int]) -> dict[str, Any]:
    is_table = panel.kind == "table"
    target = {
        "refId": "A",
        "expr": panel.expression,
        "legendFormat": panel.legend or "__auto",
        "instant": is_table or panel.kind == "stat",
        "format": "table" if is_table else "time_series",
    }
    model: dict[str, Any] = {
        "id": number,
        "type": panel.kind,
        "title": panel.title,
        "datasource": {"type": "prometheus", "uid": "${source}"},
        "gridPos": place,
        "fieldConfig": {"defaults": {"unit": panel.unit}, "overrides": []},
        "targets": [target],
    }
    if is_table:
        model["transformations"] = [
            {"id": "organize", "options": {"excludeByName": {"Time": True, "instance": True, "job": True}}},
            {"id": "sortBy", "options": {"sort": [{"field": "Value", "desc": True}]}},
        ]
    return model
