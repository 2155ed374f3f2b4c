"""Figures about requests for Prometheus."""

from prometheus_client import CollectorRegistry, Counter


class RequestMetrics:
    """The daemon's registry of figures, and the counter of answered requests."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.requests = Counter(
            "kronkeep_requests", "Requests answered", ["method", "route", "status"], registry=self.registry
        )
