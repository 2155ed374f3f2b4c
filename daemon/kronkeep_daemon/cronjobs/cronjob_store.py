"""The CronJobs of one cluster by name, in order, and those among them that carry an annotation of ours."""

from bisect import bisect_left, insort
from collections.abc import Iterator, MutableMapping

from kronkeep_common import object_keys
from kronkeep_daemon.kube.objects import CronJobObject, CronJobRef


class CronJobStore(MutableMapping[CronJobRef, CronJobObject]):
    """The CronJobs; there may be 20,000, and every pass over them wants them in order.

    marked: those with the mark of a maintenance.
    carriers: those with a backup policy, readable or not.
    """

    def __init__(self) -> None:
        self._items: dict[CronJobRef, CronJobObject] = {}
        self._refs: list[CronJobRef] = []  # in order
        self.marked: dict[CronJobRef, CronJobObject] = {}
        self.carriers: dict[CronJobRef, CronJobObject] = {}

    def __getitem__(self, ref: CronJobRef) -> CronJobObject:
        return self._items[ref]

    def __contains__(self, ref: object) -> bool:
        return ref in self._items

    def __setitem__(self, ref: CronJobRef, cronjob: CronJobObject) -> None:
        if ref not in self._items:
            insort(self._refs, ref)
        self._items[ref] = cronjob
        for annotation, index in self._indexes():
            if annotation in cronjob.annotations:
                index[ref] = cronjob
            else:
                index.pop(ref, None)

    def __delitem__(self, ref: CronJobRef) -> None:
        del self._items[ref]
        del self._refs[bisect_left(self._refs, ref)]
        for _, index in self._indexes():
            index.pop(ref, None)

    def _indexes(self) -> tuple[tuple[str, dict[CronJobRef, CronJobObject]], ...]:
        return (object_keys.MAINTENANCE, self.marked), (object_keys.POLICY, self.carriers)

    def __iter__(self) -> Iterator[CronJobRef]:
        return iter(self._items)

    def __len__(self) -> int:
        return len(self._items)

    def list_carriers(self) -> list[CronJobRef]:
        """Return the names of those with a policy, in order."""
        return [ref for ref in self._refs if ref in self.carriers] if self.carriers else []

    def list_refs(self, namespace: str | None = None) -> list[CronJobRef]:
        """Return the names in one namespace, or of all for None, in order."""
        if namespace is None:
            return list(self._refs)
        return [ref for ref in self._refs if ref.namespace == namespace]
