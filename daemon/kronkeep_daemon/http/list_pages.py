"""Pages of lists: the request's filter, limit and cursor, and what is said of the clusters."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, TypeVar

import msgspec

from kronkeep_common import api
from kronkeep_common.errors import InvalidRequest
from kronkeep_common.filter_words import FilterWords
from kronkeep_common.record_filter import RecordFilter, parse_filter
from kronkeep_daemon.history import Page, Records
from kronkeep_daemon.history.records import HasId
from kronkeep_daemon.http.filter_names import DaemonNames
from kronkeep_daemon.http.route import ApiCall
from kronkeep_daemon.http.services import Services
from kronkeep_daemon.kube.watch import find_stale_since

T = TypeVar("T")
R = TypeVar("R", bound=HasId)
LIMIT = 50
MOST = 1000
LIST_QUERY = ("filter", "limit", "cursor", "cronjob_id", "cronjob", "namespace")
SCANNED = 20_000
EARLIEST = datetime.min.replace(tzinfo=UTC)


def cluster_views(services: Services) -> list[api.ClusterView]:
    """Return the id and the name of each cluster."""
    return [api.ClusterView(id=cluster.id, name=cluster.name) for cluster in services.clusters]


def with_cluster_names(call: ApiCall[object], page: api.ListOf[T]) -> api.ListOf[T]:
    """Return the list with the names of the clusters, where there are several."""
    clusters = cluster_views(call.services)
    return msgspec.structs.replace(page, clusters=clusters) if len(clusters) > 1 else page


def with_staleness(call: ApiCall[object], page: api.ListOf[T]) -> api.ListOf[T]:
    """Return the list with the names of the clusters and since when it may be out of date."""
    stale_since = find_stale_since(call.services.cronjobs.watch_states())
    return msgspec.structs.replace(with_cluster_names(call, page), stale_since=stale_since)


def filter_of(call: ApiCall[object], *kinds: str) -> RecordFilter:
    """Return the request's filter of records of some kinds; raise InvalidFilter.

    A namespace, cluster, storage or policy that nothing has is refused, in `namespace` too.
    """
    check_namespace(call)
    return check_filter(call, call.query.get("filter", ""), *kinds)


def check_filter(call: ApiCall[Any], text: str, *kinds: str) -> RecordFilter:
    """Return a filter of records of some kinds; raise InvalidFilter, also for a name that nothing has."""
    ids = {cluster.name: cluster.id for cluster in call.services.clusters}
    return parse_filter(text, ids, FilterWords(kinds, DaemonNames(call.services)))


def check_namespace(call: ApiCall[object]) -> str | None:
    """Return the request's namespace, None without one; raise InvalidFilter for one that nothing has."""
    namespace = call.query.get("namespace")
    if namespace:
        FilterWords(("executions",), DaemonNames(call.services)).check_term("ns", namespace, 1)
    return namespace or None


def values_by_index(call: ApiCall[object], accepted: RecordFilter) -> dict[str, Any]:
    """Return the values of indexed fields that the request's filter and query ask for."""
    return accepted.indexed_values | {
        k: call.query[k] for k in ("cronjob_id", "cronjob", "namespace") if k in call.query
    }


def earliest_creation(accepted: RecordFilter, now: datetime) -> datetime | None:
    """Return the time from which on records may pass a filter; None where that is any time."""
    age = accepted.greatest_age
    return None if age is None or age >= now - EARLIEST else now - age


async def page_of(
    call: ApiCall[object],
    records: Records[R],
    *,
    kind: str,
    equal: dict[str, Any] | None = None,
    convert: Callable[[R], R] | None = None,
) -> api.ListOf[R]:
    """Return a page of the records that pass the request's filter, newest first.

    At most SCANNED records are read for it: a page may be short, or empty, and still have a next one.

    kind: what the records are, for the filter (filter_words.KEYS).
    equal: the values of indexed fields that choose the candidates; without it those of the request.
    convert: turns a stored record into that which is filtered and returned.
    """
    accepted = filter_of(call, kind)
    now = call.services.clock.now()
    since = earliest_creation(accepted, now)
    limit = limit_of(call)
    if equal is None:
        equal = values_by_index(call, accepted)
    items: list[R] = []
    cursor = call.query.get("cursor")
    scanned = 0
    while scanned < SCANNED:
        candidates: Page[R] = records.newest(limit=limit, cursor=cursor, since=since, **equal)
        scanned += len(candidates.items)
        for number, record in enumerate(candidates.items, 1):
            item = convert(record) if convert else record
            if accepted.matches(item, now):
                items.append(item)
            if len(items) == limit:
                is_last = number == len(candidates.items)
                following = candidates.next_cursor if is_last else records.cursor_of(item)
                return api.ListOf(items=items, next_cursor=following)
        cursor = candidates.next_cursor
        if cursor is None:
            break
        await asyncio.sleep(0)  # other requests are answered between two pages of candidates
    return api.ListOf(items=items, next_cursor=cursor)


def limit_of(call: ApiCall[object]) -> int:
    """Return the length of a page that the request asks for; raise InvalidRequest."""
    text = call.query.get("limit")
    if text is None:
        return LIMIT
    if not (text.isascii() and text.isdigit() and len(text) < 6 and 1 <= int(text) <= MOST):
        raise InvalidRequest(f"The limit must be a number from 1 to {MOST}.", field="limit")
    return int(text)
