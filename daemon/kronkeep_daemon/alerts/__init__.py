"""Alerts: rules find what is wrong, alert_changes compares it with the alerts that are known, channels tell
people.
"""

from kronkeep_daemon.alerts.inputs import AlertInputs
from kronkeep_daemon.alerts.service import AlertService

__all__ = ["AlertInputs", "AlertService"]
