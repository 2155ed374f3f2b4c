"""The counters of requests."""

from prometheus_client import CollectorRegistry, Counter


class Metrics:
    """What is counted about requests, beside what the history counts by itself."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.requests = Counter(
            "kronkeep_requests", "Requests answered", ["method", "route", "status"], registry=self.registry
        )
