"""The dashboard as Grafana draws it: each panel's query, asked of a Prometheus, with values and legends.

Grafana itself can be installed from nowhere that the tests may use.
"""

import re
from functools import partial
from pathlib import Path

from tests.integration.http.many import many
from tests.integration.metrics.metrics_listener import listener_of
from tests.integration.metrics.prometheus_server import needs_prometheus, prometheus_of
from tests.waiting import eventually

from kronkeep_common.monitoring.dashboard import dashboard

CRONJOBS = 4
ALWAYS_DRAWN = {
    "CronJobs",
    "Last run failed",
    "Late",
    "Backups overdue",
    "Alerts",
    "History writable",
    "Longest runs",
    "History: time of a commit (99 %)",
    "Memory of kronkeepd",
}
PLACEHOLDER = re.compile(r"\{\{(\w+)\}\}")


def _accept_anything(_: object) -> bool:
    return True


@needs_prometheus
async def test_every_panel_draws_what_its_query_finds(tmp_path: Path) -> None:
    async with (
        many(tmp_path / "h", CRONJOBS, 2) as services,
        listener_of(services) as port,
        prometheus_of(tmp_path, port) as prometheus,
    ):
        await eventually(lambda: prometheus.value("up"), lambda up: up == 1)
        drawn: dict[str, list[str]] = {}
        for panel in dashboard()["panels"]:
            (target,) = panel["targets"]
            expression = re.sub(r"\$(cluster|namespace)", ".*", target["expr"])
            assert "$" not in expression
            # A rate needs two readings of the metrics, so a panel may have nothing before the second.
            is_drawn = bool if panel["title"] in ALWAYS_DRAWN else _accept_anything
            series = await eventually(partial(prometheus.query, expression), is_drawn)
            for each in series:
                labels = PLACEHOLDER.findall(target["legendFormat"])
                missing = [label for label in labels if label not in each["metric"]]
                assert not missing, (panel["title"], each["metric"])
            drawn[panel["title"]] = [each["value"][1] for each in series]
    assert drawn["CronJobs"] == [str(CRONJOBS)]
    assert len(drawn["Longest runs"]) == CRONJOBS
    assert drawn.keys() >= ALWAYS_DRAWN
