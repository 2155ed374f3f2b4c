"""Metrics for Prometheus: series of objects as text, the daemon's own in a registry."""

from kronkeep_daemon.metrics.exposition import Exposition

__all__ = ["Exposition"]
