"""Alerts: rules find what is wrong, flips tell what changed about it, channels tell people."""

from kronkeep_daemon.alerts.service import AlertService, Sources

__all__ = ["AlertService", "Sources"]
