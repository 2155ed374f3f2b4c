"""Content of the alerts view: a row for each, and details of the row under the cursor."""

import re
from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from kronkeep_common.models import Alert
from kronkeep_common.text import age, short_id
from kronkeep_tui.navigation import Place
from kronkeep_tui.pages.moments import local_time
from kronkeep_tui.pages.status_words import cause
from kronkeep_tui.store import Store
from kronkeep_tui.widgets.cells import Span, Text

FEWEST_FOLDED = 3  # alerts of one cause
_ORDER = {"critical": 0, "warning": 1}


def open_alerts(store: Store) -> list[Alert]:
    """Return the open alerts: first those that nobody knows of, then by severity, the newest first."""
    return sorted((alert for alert in store.alerts.newest() if alert.status != "resolved"), key=_urgency)


def _urgency(alert: Alert) -> tuple[bool, int, float]:
    is_known = alert.status == "acknowledged" or alert.silence_id is not None
    return is_known, _ORDER.get(alert.severity, 2), -alert.since.timestamp()


class AlertGroup(NamedTuple):
    """Alerts of one cause: the most urgent of them, and how many there are."""

    alert: Alert
    members: int


def fold_alerts(alerts: Sequence[Alert]) -> list[AlertGroup]:
    """Return alerts in their order; FEWEST_FOLDED or more of one cause are one group."""
    groups: dict[tuple[object, ...], list[Alert]] = {}
    for alert in alerts:
        groups.setdefault(_cause_of(alert), []).append(alert)
    folded: list[AlertGroup] = []
    for group in groups.values():
        if len(group) >= FEWEST_FOLDED:
            folded.append(AlertGroup(group[0], len(group)))
        else:
            folded += [AlertGroup(alert, 1) for alert in group]
    return sorted(folded, key=_group_order)


def _group_order(group: AlertGroup) -> tuple[bool, int, float]:
    return _urgency(group.alert)


def _cause_of(alert: Alert) -> tuple[object, ...]:
    """Return what alerts of one cause share: code, state and cause, without names and numbers."""
    name = alert.object.rpartition("/")[2]
    cause = _split_message(alert.message)[1] or alert.message
    message = re.sub(rf"(?<![\w-]){re.escape(name)}(?![\w-])", "", cause) if name else cause
    alike = re.sub(r"\d+", "#", message)
    return alert.code, alert.status, alert.silence_id is not None, alert.severity, alike


def cause_first(message: str) -> str:
    """Return an alert's message for a line that may be cut: the cause, then that something failed."""
    lead, cause = _split_message(message)
    stop = "" if cause.endswith((".", "!", "?")) else "."
    return f"{cause}{stop} {lead}" if cause else message


def _split_message(message: str) -> tuple[str, str]:
    """Return how often something failed, and why; nothing for a message of another form."""
    lead, stop, cause = message.partition(" failed. ")
    return (f"{lead} failed.", cause) if stop and lead.startswith("The ") else ("", "")


def subject_of_group(group: AlertGroup) -> str:
    """Return the object of one alert, or how many objects have the cause."""
    if group.members == 1:
        return subject_of(group.alert)
    return f"{group.members} × {group.alert.code}"


def state(alert: Alert) -> Span:
    """Return an alert's severity, or that it is acknowledged or silenced."""
    if alert.status == "acknowledged":
        return "ack", "quiet"
    if alert.silence_id is not None:
        return "sil", "quiet"
    return ("CRIT", "bad") if alert.severity == "critical" else ("warn", "warn")


def subject_of(alert: Alert) -> str:
    """Return the object that an alert is about, with its namespace if it has one."""
    whole = not alert.namespace or alert.object.startswith(f"{alert.namespace}/")
    return alert.object if whole else f"{alert.namespace}/{alert.object}"


def filter_of(alert: Alert) -> str:
    """Return a filter for alerts like this one: its code, and what it is about."""
    terms = {"ns": alert.namespace, "name": alert.cronjob, "storage": alert.storage_id, "code": alert.code}
    if alert.cronjob:
        del terms["storage"]
    return " ".join(f"{key}:{value}" for key, value in terms.items() if value)


def detail(alert: Alert, now: datetime, width: int) -> list[Text]:
    """Return cause, start, next step and acknowledgement of an alert."""
    lines: list[Text] = [
        (
            state(alert),
            (f"  {subject_of(alert)}", "strong"),
            (f"  {alert.code}", "quiet"),
            (f"  since {local_time(alert.since, now, '%d %b %H:%M')}, {age(alert.since, now)} ago", "quiet"),
        )
    ]
    lines += cause(alert.message, alert.next_step, width, "")
    if alert.silence_id is not None:
        silence = short_id(alert.silence_id)
        lines.append(((f"held back by silence {silence}: M shows it", "quiet"),))
    if alert.acknowledged_at is not None:
        who = f"acknowledged by {alert.acknowledged_by or 'somebody'}, {age(alert.acknowledged_at, now)} ago"
        lines.append(((who, "quiet"),))
    return lines


def leads_to(alert: Alert, store: Store) -> Place | None:
    """Return the place that shows more: the run, the CronJob's runs, the storage, or the claims."""
    backup = store.backups.get(alert.record_id)
    run_id = alert.record_id if backup is None else backup.cronjob_execution_id
    if run_id is not None and store.executions.get(run_id) is not None:
        return Place("run", run_id)
    if alert.cronjob_id is not None:
        return Place("runs", alert.cronjob_id)
    if alert.kind == "claim":
        return Place("coverage")
    return Place("storages", alert.object_id) if alert.kind == "storage" else None
