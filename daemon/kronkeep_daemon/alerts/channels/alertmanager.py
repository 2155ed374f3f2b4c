"""Alerts as Prometheus' Alertmanager takes them: POST /api/v2/alerts (postableAlerts of its OpenAPI)."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec

from kronkeep_common.models import Alert
from kronkeep_daemon.alerts.channels.http_post import post

PATH = "/api/v2/alerts"
Labels = dict[str, str]


def labels_of(alert: Alert, clusters: Mapping[str, str]) -> Labels:
    """Return the labels by which Alertmanager tells alerts apart; `clusters` are names by id."""
    labels = {
        "alertname": alert.code,
        "severity": alert.severity,
        "kind": alert.kind,
        "object": alert.object,
        "cluster": clusters.get(alert.cluster, alert.cluster),
        "namespace": alert.namespace,
        "cronjob": alert.cronjob or "",
        "storage": alert.storage_id or "",
    }
    return {name: value for name, value in labels.items() if value}


def postable_alert(alert: Alert, labels: Labels, ends_at: datetime) -> dict[str, Any]:
    """Return an alert of the v2 API; it is resolved there at `ends_at` unless it is posted again before."""
    annotations = {
        "summary": f"{alert.code} {alert.object}",
        "description": alert.message,
        "next_step": alert.next_step,
        "node": alert.node or "",
        "image": alert.image or "",
        "last_line": alert.last_line or "",
        "id": alert.id,
    }
    return {
        "labels": labels,
        "annotations": {name: value for name, value in annotations.items() if value},
        "startsAt": alert.since,
        "endsAt": ends_at,
    }


def postable_trial(title: str, text: str, now: datetime, ends_at: datetime) -> dict[str, Any]:
    """Return an alert that is about nothing, by which a person sees that an Alertmanager is reached."""
    return {
        "labels": {"alertname": "ChannelTest", "severity": "warning"},
        "annotations": {"summary": title, "description": text},
        "startsAt": now,
        "endsAt": ends_at,
    }


async def send(url: str, alerts: Sequence[dict[str, Any]]) -> None:
    """Post alerts to the Alertmanager at `url`; raise NotSent."""
    address = url.rstrip("/")
    address = address if address.endswith(PATH) else address + PATH
    await post(address, msgspec.json.encode(alerts), {"Content-Type": "application/json"})
