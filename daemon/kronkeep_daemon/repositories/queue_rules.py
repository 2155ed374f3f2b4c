"""Who may begin to work on the repositories now, given what waits, what works and the limits; pure.

restic lets several archives write to one repository at once; what removes or checks (forget, prune, check)
needs it alone. Everything waits in the order of its arrival, with these rules:

- Archives: at most so many on one repository, in one cluster and on one node. The namespace with the fewest
  archives at work is next, of several the one longest ago served, so nobody gains by many archives
  or by priorities. Within a namespace the priority of the policy decides, then whose recovery point ends
  first (`rpo_seconds` after its last good backup), then the arrival; each fourth place goes to the archive
  with the longest wait, so none waits for ever.
- Exclusive work lets the archives that came before it begin, for PATIENCE_SECONDS at most, as a forget
  follows many an archive and would stop them all each time; later ones do not begin before it. Then it waits
  for those at work, and for readers. What came until the first exclusive work of a series began is done in
  the same series. The archives have the next PATIENCE_SECONDS.
- Readers (listings, restores, drills) work beside archives; they wait where exclusive work is next.
- Hooks before an archive do not touch the repository and hold no place of it. A namespace may have as many
  backups in their hooks as one repository has places, so few of them wait for a place with their hooks done.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from enum import StrEnum
from itertools import count
from typing import NamedTuple

import msgspec

from kronkeep_common.reasons import Reason

PATIENCE_SECONDS = 300.0
OLDEST_EACH = 4  # each fourth place of a namespace goes to the archive that waits longest
NO_DEADLINE = float("inf")


class WorkKind(StrEnum):
    """What is done with a repository."""

    HOOKS = "hooks"
    ARCHIVE = "archive"
    READING = "reading"
    EXCLUSIVE = "exclusive"


_OF_BACKUPS = (WorkKind.ARCHIVE, WorkKind.HOOKS)


class Work(msgspec.Struct, frozen=True, kw_only=True):
    """Something that works on a repository or waits for it.

    ticket: its number in the order of arrival.
    arrived_at: in seconds of a clock that never goes back.
    task: what it does, in a word, such as prune.
    backup_id, cluster, namespace, node: of an archive and of hooks; the node is empty where any will do.
    priority: of the policy; a greater one is earlier within its namespace.
    good_until: when the policy's recovery point ends, in seconds since 1970.
    is_urgent: exclusive work that waits only for what is at work.
    is_prepared: an archive whose hooks have run; it is the earliest of its namespace.
    is_resumed: an archive whose Job was running when the daemon was killed; it waits for no limit.
    """

    ticket: int
    kind: WorkKind
    repository: str
    arrived_at: float
    task: str
    backup_id: str = ""
    cluster: str = ""
    namespace: str = ""
    node: str = ""
    priority: int = 0
    good_until: float = NO_DEADLINE
    is_urgent: bool = False
    is_prepared: bool = False
    is_resumed: bool = False

    @property
    def owner(self) -> tuple[str, str]:
        """The namespace with its cluster, between which archives are fair."""
        return self.cluster, self.namespace


class QueueLimits(NamedTuple):
    """How many archives work at once on one repository, in one cluster and on one node."""

    repository: int
    cluster: int
    node: int


class Service(NamedTuple):
    """How often a namespace was given a place, and the number of the newest among all that were given."""

    places: int = 0
    newest: int = 0


class Series(NamedTuple):
    """The exclusive work of a repository: the newest ticket of the present or last series, and its end."""

    last_ticket: int = 0
    ended_at: float = 0.0


class QueueState(msgspec.Struct, frozen=True, kw_only=True):
    """What waits and what works.

    stalled: the tickets of archives at work whose Jobs wait to start: they count for no limit, but exclusive
        work stays away from them.
    services: by the owner of archives; series: by the repository.
    """

    waiting: tuple[Work, ...] = ()
    working: tuple[Work, ...] = ()
    stalled: frozenset[int] = frozenset()
    services: Mapping[tuple[str, str], Service] = {}
    series: Mapping[str, Series] = {}


class _Usage:
    """How many archives are at work, by what limits them."""

    def __init__(self, state: QueueState, limits: QueueLimits) -> None:
        self._limits = limits
        self._repositories: Counter[str] = Counter()
        self._clusters: Counter[str] = Counter()
        self._nodes: Counter[tuple[str, str]] = Counter()
        self._in_hooks: Counter[tuple[object, ...]] = Counter()
        self.owners: Counter[tuple[str, str]] = Counter()
        for work in state.working:
            if work.ticket not in state.stalled:
                self.add(work)

    def add(self, work: Work) -> None:
        """Count a work that begins."""
        if work.kind is WorkKind.HOOKS:
            self._in_hooks[(work.repository, work.owner)] += 1
        if work.kind is not WorkKind.ARCHIVE:
            return
        self._repositories[work.repository] += 1
        self._clusters[work.cluster] += 1
        self.owners[work.owner] += 1
        if work.node:
            self._nodes[(work.cluster, work.node)] += 1

    def find_full(self, work: Work) -> Reason | None:
        """Return which limit keeps an archive, or hooks, from beginning."""
        if work.is_resumed:
            return None
        if work.kind is WorkKind.HOOKS:
            in_hooks = self._in_hooks[(work.repository, work.owner)]
            return Reason.HOOKS_BUSY if in_hooks >= self._limits.repository else None
        if self._repositories[work.repository] >= self._limits.repository:
            return Reason.REPOSITORY_BUSY
        if work.node and self._nodes[(work.cluster, work.node)] >= self._limits.node:
            return Reason.NODE_BUSY
        if self._clusters[work.cluster] >= self._limits.cluster:
            return Reason.CLUSTER_BUSY
        return None


class _Exclusion(NamedTuple):
    """The exclusive work of one repository.

    first: the earliest that waits.
    is_active: whether some is at work.
    is_next: whether no archive begins any more before that which waits.
    is_taken: whether archives or readers are at work.
    has_archives: whether archives are, those that are stalled included.
    """

    first: Work | None = None
    is_active: bool = False
    is_next: bool = False
    is_taken: bool = False
    has_archives: bool = False


def choose_next(state: QueueState, limits: QueueLimits, now: float) -> tuple[Work, ...]:
    """Return all that may begin now, in the order in which it is given its places.

    now: in seconds of the clock of `Work.arrived_at`.
    """
    exclusions = _find_exclusions(state, now)
    archives = _choose_archives(state, limits, exclusions)
    entered = {work.repository for work in archives if work.kind is WorkKind.ARCHIVE}
    exclusive = [
        exclusion.first
        for repository, exclusion in exclusions.items()
        if exclusion.first is not None
        and not exclusion.is_active
        and not exclusion.is_taken
        and repository not in entered
    ]
    closed = {work.repository for work in exclusive}
    readers = [
        work
        for work in state.waiting
        if work.kind is WorkKind.READING
        and work.repository not in closed
        and _may_read(exclusions[work.repository], work.repository in entered)
    ]
    began = [work for work in archives if work.kind is WorkKind.ARCHIVE or work.repository not in closed]
    return (*began, *exclusive, *readers)


def _may_read(exclusion: _Exclusion, archive_begins: bool) -> bool:
    """Whether a reader may begin: exclusive work that waits for archives anyway is not delayed by it."""
    if exclusion.is_active:
        return False
    return exclusion.first is None or exclusion.has_archives or archive_begins


def closing_time(state: QueueState) -> float | None:
    """Return when the next exclusive work that waits stops letting archives begin; None where none waits."""
    times = [
        _closes_at(state, exclusion.first)
        for exclusion in _find_exclusions(state, now=0.0).values()
        if exclusion.first is not None and not exclusion.is_active
    ]
    return min(times, default=None)


def _closes_at(state: QueueState, work: Work) -> float:
    series = state.series.get(work.repository, Series())
    if work.is_urgent or work.ticket <= series.last_ticket:
        return work.arrived_at
    return max(work.arrived_at, series.ended_at) + PATIENCE_SECONDS


def _find_exclusions(state: QueueState, now: float) -> dict[str, _Exclusion]:
    """Return the exclusive work of each repository that somebody waits for."""
    exclusions = {work.repository: _Exclusion() for work in state.waiting}
    for work in state.working:
        known = exclusions.get(work.repository)
        if known is None or work.kind is WorkKind.HOOKS:
            continue
        if work.kind is WorkKind.EXCLUSIVE:
            exclusions[work.repository] = known._replace(is_active=True)
            continue
        has_archives = known.has_archives or work.kind is WorkKind.ARCHIVE
        exclusions[work.repository] = known._replace(is_taken=True, has_archives=has_archives)
    for work in sorted(state.waiting, key=_exclusive_order):
        if work.kind is not WorkKind.EXCLUSIVE:
            continue
        known = exclusions[work.repository]
        if known.first is None:
            is_next = now >= _closes_at(state, work)
            exclusions[work.repository] = known._replace(first=work, is_next=is_next)
    return exclusions


def _exclusive_order(work: Work) -> tuple[bool, int]:
    return not work.is_urgent, work.ticket


def _is_held_off(work: Work, exclusion: _Exclusion) -> bool:
    """Whether exclusive work comes before an archive, or before hooks."""
    if exclusion.is_active:
        return True
    if work.is_resumed or exclusion.first is None:
        return False
    return exclusion.is_next or work.ticket > exclusion.first.ticket


def _choose_archives(
    state: QueueState, limits: QueueLimits, exclusions: Mapping[str, _Exclusion]
) -> list[Work]:
    """Return the archives and hooks that may begin, each time from the namespace that is next."""
    usage = _Usage(state, limits)
    services = dict(state.services)
    numbers = count(max((service.newest for service in services.values()), default=0) + 1)
    candidates: dict[tuple[str, str], list[Work]] = {}
    for work in state.waiting:
        if work.kind in _OF_BACKUPS and not _is_held_off(work, exclusions[work.repository]):
            candidates.setdefault(work.owner, []).append(work)
    chosen: list[Work] = []
    while candidates:
        owner = min(candidates, key=_fairness_key(usage, services))
        service = services.get(owner, Service())
        startable = _first_startable(candidates[owner], usage, service)
        if startable is None:
            del candidates[owner]
            continue
        chosen.append(startable)
        candidates[owner].remove(startable)
        usage.add(startable)
        if startable.kind is WorkKind.ARCHIVE:  # hooks take no place
            services[owner] = Service(service.places + 1, next(numbers))
    return chosen


FairnessKey = Callable[[tuple[str, str]], tuple[int, int]]


def _fairness_key(usage: _Usage, services: Mapping[tuple[str, str], Service]) -> FairnessKey:
    """Return by what namespaces are sorted: the fewest archives at work, then the longest ago served."""

    def key(owner: tuple[str, str]) -> tuple[int, int]:
        return usage.owners[owner], services.get(owner, Service()).newest

    return key


def _first_startable(candidates: Iterable[Work], usage: _Usage, service: Service) -> Work | None:
    """Return the first of a namespace's candidates that no limit keeps from beginning."""
    startable = (work for work in candidates if usage.find_full(work) is None)
    return min(startable, key=_order_key(service), default=None)


def _order_key(service: Service) -> Callable[[Work], tuple[object, ...]]:
    is_for_oldest = service.places % OLDEST_EACH == OLDEST_EACH - 1
    return _oldest_first if is_for_oldest else _priority_first


def _oldest_first(work: Work) -> tuple[object, ...]:
    return not work.is_resumed, work.ticket


def _priority_first(work: Work) -> tuple[object, ...]:
    return not work.is_resumed, not work.is_prepared, -work.priority, work.good_until, work.ticket


def explain_waits(state: QueueState, limits: QueueLimits, now: float) -> dict[int, Reason]:
    """Return why each waiting work waits, by its ticket, as things are after `choose_next`."""
    exclusions = _find_exclusions(state, now)
    usage = _Usage(state, limits)
    return {work.ticket: _explain(work, exclusions[work.repository], usage) for work in state.waiting}


def _explain(work: Work, exclusion: _Exclusion, usage: _Usage) -> Reason:
    if work.kind is WorkKind.READING:
        return Reason.REPOSITORY_EXCLUSIVE
    if work.kind is WorkKind.EXCLUSIVE:
        is_behind = exclusion.is_active or exclusion.first is not work
        return Reason.REPOSITORY_EXCLUSIVE if is_behind else Reason.REPOSITORY_IN_USE
    if _is_held_off(work, exclusion):
        return Reason.REPOSITORY_EXCLUSIVE
    return usage.find_full(work) or Reason.REPOSITORY_BUSY


def find_places(state: QueueState, limits: QueueLimits) -> dict[int, int]:
    """Return the place of each waiting work in its repository's queue, from 1, by its ticket.

    The places of archives are those of the order in which they would begin if each took equally long; those
    of other work follow its arrival.
    """
    numbers: Counter[str] = Counter()
    others: Counter[tuple[str, WorkKind]] = Counter()
    places: dict[int, int] = {}
    for work in _predict_order(state, limits):
        numbers[work.repository] += 1
        places[work.ticket] = numbers[work.repository]
    for work in sorted(state.waiting, key=_exclusive_order):
        if work.ticket not in places:
            others[(work.repository, work.kind)] += 1
            places[work.ticket] = others[(work.repository, work.kind)]
    return places


def _predict_order(state: QueueState, limits: QueueLimits) -> Iterator[Work]:
    """Yield the waiting archives and hooks in the order in which their namespaces are served."""
    usage = _Usage(state, limits)
    services = dict(state.services)
    numbers = count(max((service.newest for service in services.values()), default=0) + 1)
    lines: dict[tuple[str, str], _Line] = {}
    for work in state.waiting:
        if work.kind in _OF_BACKUPS:
            lines.setdefault(work.owner, _Line()).works.append(work)
    while lines:
        owner = min(lines, key=_fairness_key(usage, services))
        service = services.get(owner, Service())
        taken = lines[owner].take(service)
        if taken is None:
            del lines[owner]
            continue
        usage.owners[owner] += 1
        services[owner] = Service(service.places + 1, next(numbers))
        yield taken


class _Line:
    """The waiting archives of one namespace, sorted once for each order in which they are taken."""

    def __init__(self) -> None:
        self.works: list[Work] = []
        self._sorted: dict[bool, Iterator[Work]] = {}
        self._taken: set[int] = set()

    def take(self, service: Service) -> Work | None:
        """Take the next one; None at the end."""
        key = _order_key(service)
        is_for_oldest = key is _oldest_first
        if is_for_oldest not in self._sorted:
            self._sorted[is_for_oldest] = iter(sorted(self.works, key=key))
        for work in self._sorted[is_for_oldest]:
            if work.ticket not in self._taken:
                self._taken.add(work.ticket)
                return work
        return None
