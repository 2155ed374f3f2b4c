"""Handlers about the daemon itself: health, readiness, version, metrics."""

from collections import Counter

import msgspec
from aiohttp import web
from prometheus_client import generate_latest

from kronkeep_common import api
from kronkeep_daemon.http.live_changes import watch_views
from kronkeep_daemon.http.route import Call


async def metrics(call: Call) -> web.Response:
    """Prometheus' text format: requests, and records by status."""
    lines = [generate_latest(call.services.metrics.registry).decode()]
    history = call.services.history
    counted = (("executions", history.executions), ("backups", history.backups), ("alerts", history.alerts))
    for name, records in counted:
        lines.append(f"# TYPE kronkeep_{name} gauge\n")
        for status, count in records.count().items():
            lines.append(f'kronkeep_{name}{{status="{status}"}} {count}\n')
    lines.append("# TYPE kronkeep_alerts_unended gauge\n")
    wrong = Counter((alert.code, alert.severity) for alert in call.services.alerts.unended())
    for (code, severity), count in sorted(wrong.items()):
        lines.append(f'kronkeep_alerts_unended{{code="{code}",severity="{severity}"}} {count}\n')
    return web.Response(text="".join(lines))


async def doctor(call: Call) -> api.ListOf[api.Check]:
    """Everything that kronkeep stands on, each with what to do."""
    return api.ListOf(items=await call.services.doctor.look())


async def leftovers(call: Call) -> api.ListOf[api.Leftover]:
    """What kronkeep has put into the clusters."""
    return api.ListOf(items=await call.services.doctor.leftovers())


async def healthz(_: Call) -> web.Response:
    """The event loop answers."""
    return web.Response(text="ok")


async def readyz(call: Call) -> web.Response:
    """200 while every watch that is needed is live, else 503 with the same body."""
    watches = watch_views(call.services.cronjobs)
    ready = all(watch.status == "live" for watch in watches if watch.needed)
    body = msgspec.json.encode(api.Ready(ready=ready, watches=watches))
    return web.Response(body=body, status=200 if ready else 503, content_type="application/json")


async def version(_: Call) -> api.Version:
    """Which daemon and which API."""
    return api.Version(version=api.VERSION, api={"min": 1, "max": 1})
