"""The beginnings of ids that people write in the path of a request."""

from collections.abc import Callable, MutableMapping

from kronkeep_daemon.history import snapshot_ids
from kronkeep_daemon.history.record_ids import PrefixTable, expand_prefix
from kronkeep_daemon.http.route import Route
from kronkeep_daemon.http.services import Services


def _restores(services: Services) -> PrefixTable:
    return services.history.restores


def _runs(services: Services) -> PrefixTable:
    return services.history.executions


def _alerts(services: Services) -> PrefixTable:
    return services.history.alerts


def _silences(services: Services) -> PrefixTable:
    return services.alerts.silences.records


def _maintenances(services: Services) -> PrefixTable:
    return services.maintenances.records


class _PolicyIds:
    """The ids of the policies that CronJobs carry and of those that have backups."""

    def __init__(self, services: Services) -> None:
        self._tables: tuple[PrefixTable, ...] = (services.policies, services.orphans)

    def ids_with_prefix(self, prefix: str, limit: int) -> list[str]:
        ids = {each for table in self._tables for each in table.ids_with_prefix(prefix, limit)}
        return sorted(ids)[:limit]

    def __contains__(self, policy_id: str) -> bool:
        return any(policy_id in table for table in self._tables)


def _policies(services: Services) -> PrefixTable:
    return _PolicyIds(services)


# What `{id}` names, by the route's resource; storages have names, which are written whole.
_TABLES: dict[str, tuple[str, Callable[[Services], PrefixTable]]] = {
    "/v1/restores/{id}": ("restore", _restores),
    "/v1/executions/{id}": ("run", _runs),
    "/v1/alerts/{id}": ("alert", _alerts),
    "/v1/silences/{id}": ("silence", _silences),
    "/v1/maintenance/{id}": ("maintenance", _maintenances),
    "/v1/policies/{id}": ("policy", _policies),
}


# What has snapshots, whose ids name it too.
_EXPANSIONS_WITH_SNAPSHOTS = {
    "/v1/backups/{id}": snapshot_ids.expand_backup_id,
    "/v1/copies/{id}": snapshot_ids.expand_copy_id,
}


async def expand_id(services: Services, route: Route, path: MutableMapping[str, str]) -> None:
    """Put the whole id in the place of its beginning, or of a snapshot's; raise AmbiguousId, InvalidRequest.

    path: the parts of the request's path. What nothing begins with stays, and the handler does not find it.
    """
    resource = route.resource or ""
    if resource in _TABLES:
        noun, table_of = _TABLES[resource]
        path["id"] = expand_prefix(table_of(services), path["id"], noun)
    elif resource in _EXPANSIONS_WITH_SNAPSHOTS:
        path["id"] = await _EXPANSIONS_WITH_SNAPSHOTS[resource](services.history, path["id"])
