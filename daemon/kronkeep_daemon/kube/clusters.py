"""The connected clusters, looked up by the id in a record or the name in a request."""

from collections.abc import ItemsView, Iterator, Mapping, Sequence, ValuesView
from typing import Generic, TypeVar

from kronkeep_common.errors import ClusterNotFound
from kronkeep_common.text import clean
from kronkeep_daemon.kube.client import Cluster

T = TypeVar("T")


class ByCluster(Mapping[str, T], Generic[T]):
    """What there is once for each cluster, by the cluster's id, which becomes known at its first answer."""

    def __init__(self, rows: Sequence[tuple[Cluster, T]]) -> None:
        self._rows = tuple(rows)
        self._by_id: dict[str, tuple[Cluster, T]] = {}

    def __getitem__(self, cluster_id: str) -> T:
        row = self._by_id.get(cluster_id)
        if row is None or row[0].id != cluster_id:
            self._by_id = {row[0].id: row for row in self._rows}
            row = self._by_id[cluster_id]
        return row[1]

    def __iter__(self) -> Iterator[str]:
        return iter([cluster.id for cluster, _ in self._rows])

    def __len__(self) -> int:
        return len(self._rows)

    def values(self) -> ValuesView[T]:
        """Return what there is of each cluster, as a copy: one may become known while the caller waits."""
        return {cluster.id: value for cluster, value in self._rows}.values()

    def items(self) -> ItemsView[str, T]:
        """Return the ids of the clusters as they are now, and what there is of each."""
        return {cluster.id: value for cluster, value in self._rows}.items()


class Clusters:
    """One or several clusters, in the order of the settings."""

    def __init__(self, connected: Sequence[Cluster]) -> None:
        self._connected = tuple(connected)

    def __iter__(self) -> Iterator[Cluster]:
        return iter(self._connected)

    def __len__(self) -> int:
        return len(self._connected)

    @property
    def first(self) -> Cluster:
        """The first cluster of the settings, which is meant where none is named."""
        return self._connected[0]

    def clock_fault(self, cluster_id: str) -> str | None:
        """Return why nothing irrevocable may be decided for a cluster now, because of its clock; or None."""
        clock = self.of(cluster_id).clock
        if clock.is_trusted():
            return None
        return clock.fault() or "The cluster has not answered yet, so its time is not known."

    def has_trusted_time(self) -> bool:
        """Return whether the time is known from a cluster, and no cluster's clock is at fault."""
        clocks = [cluster.clock for cluster in self._connected]
        return any(clock.is_trusted() for clock in clocks) and not any(clock.fault() for clock in clocks)

    def of(self, cluster_id: str) -> Cluster:
        """Return the cluster of a record; raises ClusterNotFound where it is not configured any more.

        A section of the settings that led to that cluster before stands in for it, and so does an only
        cluster: when a cluster was lost and built again, its backups must be restorable.
        """
        for cluster in self._connected:  # asked about each CronJob, of one of a hundred clusters
            if cluster.id == cluster_id:
                return cluster
        candidates = [cluster for cluster in self._connected if cluster_id in cluster.former]
        if not candidates and len(self._connected) > 1:
            raise self._unknown_cluster_error(cluster_id)
        return (candidates or self._connected)[0]

    def same(self, first_id: str, second_id: str) -> bool:
        """Whether two ids mean one cluster, or a cluster and its stand-in."""
        try:
            return first_id == second_id or self.of(first_id) is self.of(second_id)
        except ClusterNotFound:
            return False

    def by_name(self, name: str | None = None) -> Cluster:
        """Return the cluster of that name or id, the first for None; raises ClusterNotFound."""
        if not name:
            return self.first
        for cluster in self._connected:
            if name in (cluster.id, cluster.name):
                return cluster
        raise self._unknown_cluster_error(name)

    def title(self, cluster_id: str, name: str) -> str:
        """Return `name`, followed by its cluster's name where there are several clusters."""
        if len(self._connected) == 1:
            return name
        known = next((cluster.name for cluster in self._connected if cluster.id == cluster_id), cluster_id)
        return f"{name} on {clean(known, 80)}"

    def _unknown_cluster_error(self, name: str) -> ClusterNotFound:
        names = ", ".join(clean(cluster.name, 80) for cluster in self._connected)
        return ClusterNotFound(f"No cluster {clean(name, 80)} is configured; there are {names}.")
