"""The beginnings of ids that people write in the path of a request."""

from collections.abc import Callable, MutableMapping

from kronkeep_daemon.history.record_ids import PrefixTable, expand_prefix
from kronkeep_daemon.http.route import Route
from kronkeep_daemon.http.services import Services


def _backups(services: Services) -> PrefixTable:
    return services.history.backups


def _restores(services: Services) -> PrefixTable:
    return services.history.restores


def _copies(services: Services) -> PrefixTable:
    return services.history.copies


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
    "/v1/backups/{id}": ("backup", _backups),
    "/v1/restores/{id}": ("restore", _restores),
    "/v1/copies/{id}": ("copy", _copies),
    "/v1/executions/{id}": ("run", _runs),
    "/v1/alerts/{id}": ("alert", _alerts),
    "/v1/silences/{id}": ("silence", _silences),
    "/v1/maintenance/{id}": ("maintenance", _maintenances),
    "/v1/policies/{id}": ("policy", _policies),
}


def expand_id(services: Services, route: Route, path: MutableMapping[str, str]) -> None:
    """Put the whole id in the place of its beginning; raise AmbiguousId, InvalidRequest.

    path: the parts of the request's path. What nothing begins with stays, and the handler does not find it.
    """
    entry = _TABLES.get(route.resource or "")
    if entry is not None:
        noun, table_of = entry
        path["id"] = expand_prefix(table_of(services), path["id"], noun)
