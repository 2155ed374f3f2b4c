"""Ids of records about objects whose uid another cluster has too, as one that was restored from its etcd.

A record is about a uid in a cluster. Its id is the uid alone, as people and kubectl know it; where the
history or another cluster has that uid already, `@` and the cluster's id follow. So everything that is found
by such an id (runs, backups, policies, alerts, kept logs) is that cluster's own.
"""

from collections.abc import Callable

MARK = "@"  # is in no uid
MOST_OWNERS = 1_000_000  # uids that are remembered, of some 150 bytes each


def uid_of(record_id: str) -> str:
    """Return the uid that the object has in its cluster."""
    return record_id.partition(MARK)[0]


def qualify(uid: str, cluster_id: str) -> str:
    """Return the id of a record about a uid that another cluster had first."""
    return f"{uid}{MARK}{cluster_id}"


class SharedUids:
    """The clusters that were the first to have each uid.

    find_cluster: returns the cluster of the records with an id; None where there are none.
    is_same: whether two ids mean one cluster, or a cluster and its stand-in.
    """

    def __init__(
        self, find_cluster: Callable[[str], str | None], is_same: Callable[[str, str], bool]
    ) -> None:
        self._find_cluster = find_cluster
        self._is_same = is_same
        self._first: dict[str, str] = {}

    def record_id(self, uid: str, cluster_id: str) -> str:
        """Return the id of records about the object of that uid in a cluster."""
        first = self._first.get(uid)
        if first is None:
            if len(self._first) >= MOST_OWNERS:
                self._first.clear()
            first = self._find_cluster(uid) or cluster_id
            self._first[uid] = first
        return uid if self._is_same(first, cluster_id) else qualify(uid, cluster_id)
