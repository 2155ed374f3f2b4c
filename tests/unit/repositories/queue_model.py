"""A queue that lives by the rules alone: works arrive, begin when they are chosen, and end."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

from kronkeep_daemon.repositories import queue_rules
from kronkeep_daemon.repositories.queue_rules import (
    QueueLimits,
    QueueState,
    Series,
    Service,
    Work,
    WorkKind,
)

LIMITS = QueueLimits(repository=2, cluster=3, node=1)


class QueueModel:
    """The state of a queue, and what began in which order."""

    def __init__(self, limits: QueueLimits = LIMITS) -> None:
        self.limits = limits
        self.now = 0.0
        self.waiting: list[Work] = []
        self.working: list[Work] = []
        self.begun: list[Work] = []
        self._services: dict[tuple[str, str], Service] = {}
        self._series: dict[str, Series] = {}
        self._tickets = 0

    @property
    def state(self) -> QueueState:
        """What waits and works now."""
        return QueueState(
            waiting=tuple(self.waiting),
            working=tuple(self.working),
            services=self._services,
            series=self._series,
        )

    def arrive(self, kind: WorkKind, repository: str = "r", **fields: Any) -> Work:
        """Put a new work into the queue."""
        self._tickets += 1
        fields = {"cluster": "c", "namespace": "n"} | fields
        work = Work(
            ticket=self._tickets,
            kind=kind,
            repository=repository,
            arrived_at=self.now,
            task=str(kind),
            **fields,
        )
        self.waiting.append(work)
        return work

    def archive(self, **fields: Any) -> Work:
        """Put a new archive into the queue."""
        return self.arrive(WorkKind.ARCHIVE, **fields)

    def decide(self) -> tuple[Work, ...]:
        """Let in what the rules choose; return it."""
        chosen = queue_rules.choose_next(self.state, self.limits, self.now)
        for work in chosen:
            self.waiting.remove(work)
            self.working.append(work)
            self.begun.append(work)
            if work.kind is WorkKind.ARCHIVE:
                places = self._services.get(work.owner, Service()).places
                self._services[work.owner] = Service(places + 1, len(self.begun))
            if work.kind is WorkKind.EXCLUSIVE:
                series = self._series.get(work.repository, Series())
                if work.ticket > series.last_ticket:
                    self._series[work.repository] = series._replace(last_ticket=self._tickets)
        self.check()
        return chosen

    def end(self, work: Work) -> None:
        """End a work."""
        self.working.remove(work)
        if work.kind is WorkKind.EXCLUSIVE:
            series = self._series[work.repository]
            self._series[work.repository] = series._replace(ended_at=self.now)

    def check(self) -> None:
        """Fail where a limit is exceeded, or exclusive work is not alone on its repository."""
        archives = [work for work in self.working if work.kind is WorkKind.ARCHIVE and not work.is_resumed]
        assert _most(work.repository for work in archives) <= self.limits.repository
        assert _most(work.cluster for work in archives) <= self.limits.cluster
        assert _most((work.cluster, work.node) for work in archives if work.node) <= self.limits.node
        on_repositories = [work for work in self.working if work.kind is not WorkKind.HOOKS]
        for work in on_repositories:
            if work.kind is WorkKind.EXCLUSIVE:
                assert [each for each in on_repositories if each.repository == work.repository] == [work]

    def drain(self, seconds: float = 1.0, most: int = 10_000) -> list[Work]:
        """End the longest work again and again until nothing waits; return all in the order of beginning."""
        for _ in range(most):
            self.decide()
            if not self.waiting:
                return self.begun
            assert self.working, "something waits and nothing works"
            self.now += seconds
            self.end(self.working[0])
        raise AssertionError(f"{self.waiting[:3]} wait for ever")


def _most(keys: Any) -> int:
    return max(Counter(keys).values(), default=0)


def namespaces_of(works: Sequence[Work]) -> str:
    """Return the namespaces of the works, which have one letter each."""
    return "".join(work.namespace for work in works)
