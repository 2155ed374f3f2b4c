"""The names in what was read, for filters: namespaces, clusters, storages and policies."""

from collections.abc import Collection, Iterator
from itertools import chain
from typing import Any, NamedTuple

from kronkeep_tui.store import Store

_FIELDS = {"ns": "namespace", "cluster": "cluster", "storage": "storage_id", "policy": "policy_id"}


class StoreNames(NamedTuple):
    """The KnownNames of a store."""

    store: Store

    def has_name(self, key: str, name: str) -> bool:
        """Return whether a name was read."""
        return name in self.names(key)

    def names(self, key: str) -> Collection[str]:
        """Return the names of a key."""
        names = {getattr(record, _FIELDS[key], None) for record in self._records()}
        match key:
            case "cluster":
                names |= {name for cluster in self.store.clusters for name in (cluster.id, cluster.name)}
                names |= {cronjob.cluster for cronjob in self.store.cronjobs}
            case "ns":
                names |= {cronjob.namespace for cronjob in self.store.cronjobs}
                names |= {name for storage in self.store.storages.newest() for name in storage.namespaces}
            case "storage":
                names |= {storage.id for storage in self.store.storages.newest()}
                names |= {cronjob.policy.storage_id for cronjob in self.store.cronjobs if cronjob.policy}
            case "policy":
                names |= {cronjob.policy.id for cronjob in self.store.cronjobs if cronjob.policy}
        return {name for name in names if name}

    def _records(self) -> Iterator[Any]:
        store = self.store
        tables = (store.executions, store.backups, store.restores, store.alerts)
        return chain.from_iterable(table.records.values() for table in tables)
