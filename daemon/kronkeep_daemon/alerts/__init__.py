"""Alerts: rules find what is wrong, flips tell what changed about it, channels tell people."""

from kronkeep_daemon.alerts.inputs import AlertInputs
from kronkeep_daemon.alerts.service import AlertService

__all__ = ["AlertInputs", "AlertService"]
