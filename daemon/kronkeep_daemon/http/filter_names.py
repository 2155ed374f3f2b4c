"""The names that a request's filter may use: those of CronJobs, clusters and storages, and of all records."""

from collections.abc import Collection, Iterator
from itertools import islice
from typing import Any, NamedTuple

from kronkeep_common.name_suggestions import MOST_COMPARED
from kronkeep_daemon.history import Records
from kronkeep_daemon.http.services import Services

_FIELDS = {"ns": "namespace", "cluster": "cluster", "storage": "storage_id", "policy": "policy_id"}


class DaemonNames(NamedTuple):
    """The KnownNames of a daemon."""

    services: Services

    def has_name(self, key: str, name: str) -> bool:
        """Return whether a name exists, or may exist, as a cluster was not listed completely yet."""
        if key in ("ns", "policy") and self._is_incomplete():
            return True
        equal: dict[str, Any] = {_FIELDS[key]: name}
        return name in self._live_names(key) or any(
            records.newest(limit=1, **equal).items for records in self._tables()
        )

    def names(self, key: str) -> Collection[str]:
        """Return the names that exist, of records at most MOST_COMPARED."""
        distinct = (name for records in self._tables() for name in records.distinct(_FIELDS[key]))
        return self._live_names(key) | set(islice(distinct, MOST_COMPARED))

    def _is_incomplete(self) -> bool:
        return any(state.status != "live" for state in self.services.cronjobs.watch_states())

    def _tables(self) -> Iterator[Records[Any]]:
        history = self.services.history
        yield from (history.executions, history.backups, history.copies, history.restores, history.alerts)

    def _live_names(self, key: str) -> set[str]:
        services = self.services
        match key:
            case "ns":
                names = services.cronjobs.subjects.namespaces()
                return names | {name for each in services.storages.list() for name in each.namespaces}
            case "cluster":
                return {name for cluster in services.clusters for name in (cluster.id, cluster.name)}
            case "storage":
                return {storage.id for storage in services.storages.list()}
        return set(services.policies.ids_with_prefix("", MOST_COMPARED))
