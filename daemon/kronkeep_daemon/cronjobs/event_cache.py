"""The newest Events about each object of one cluster, bounded in bytes, those of each namespace and of all.

Whoever may create Events in a namespace can create any number, of any length, about objects that do not
exist. So each namespace pays for its own: where it has too many, those go that are about its oldest object,
and where all have too many, those of the namespace that has the most.
"""

import sys
from collections import OrderedDict
from collections.abc import Mapping

import msgspec

from kronkeep_daemon.kube.objects import Event, InvolvedObject

MOST_BYTES = 32 * 1024 * 1024  # of all namespaces
MOST_NAMESPACE_BYTES = 8 * 1024 * 1024
EVENT_BYTES = 700  # of an Event in memory without its texts, as measured
EVENTS_PER_OBJECT = 40
LONGEST_MESSAGE = 1024  # characters, the limit of events.k8s.io/v1; v1 has none
LONGEST_REASON = 128  # of the same
LONGEST_UID = 64
LONGEST_NAME = 253
# The CronJob controller's Events with these reasons name one of the CronJob's Jobs in their message.
_REASONS_ABOUT_JOBS = ("SuccessfulCreate", "SawCompletedJob", "SuccessfulDelete", "UnexpectedJob")


class EventCache:
    """The cached Events; `bytes` is what they take in memory."""

    def __init__(
        self, most_bytes: int = MOST_BYTES, most_namespace_bytes: int = MOST_NAMESPACE_BYTES
    ) -> None:
        self._most_bytes = most_bytes
        self._most_namespace_bytes = most_namespace_bytes
        self._namespaces: dict[str, OrderedDict[str, OrderedDict[str, Event]]] = {}
        self._sizes: dict[str, int] = {}
        self.bytes = 0

    def put(self, item: Event) -> bool:
        """Keep an Event, in place of an older one of its object and reason; return whether it is kept.

        It is about an object of its own namespace, or nothing is kept.
        """
        namespace = item.metadata.namespace
        uid = item.involved_object.uid
        if item.involved_object.namespace != namespace or not 0 < len(uid) <= LONGEST_UID:
            return False
        if not item.reason or len(item.reason) > LONGEST_REASON:
            return False
        compact = _compact(item)
        events = self._namespaces.setdefault(namespace, OrderedDict()).setdefault(uid, OrderedDict())
        key = _key_of(compact)
        replaced = [events[key]] if key in events else []
        events[key] = compact
        if len(events) > EVENTS_PER_OBJECT:
            replaced.append(events.popitem(last=False)[1])
        self._add_bytes(namespace, _size_of(compact) - sum(map(_size_of, replaced)))
        while self._sizes.get(namespace, 0) > self._most_namespace_bytes:
            self._drop_oldest(namespace)
        while self.bytes > self._most_bytes:
            self._drop_oldest(max(self._sizes, key=self._sizes.__getitem__))
        return True

    def _add_bytes(self, namespace: str, number: int) -> None:
        self._sizes[namespace] = self._sizes.get(namespace, 0) + number
        self.bytes += number

    def _drop_oldest(self, namespace: str) -> None:
        self.forget(namespace, next(iter(self._namespaces[namespace])))

    def about(self, namespace: str, uid: str) -> Mapping[str, Event]:
        """Return the newest Event about one object of a namespace by reason.

        Those of a CronJob about one of its Jobs are by reason and name of the Job: `SawCompletedJob dump-1`.
        """
        objects = self._namespaces.get(namespace)
        return objects.get(uid, {}) if objects is not None else {}

    def forget(self, namespace: str, uid: str) -> None:
        """Drop the Events about an object."""
        objects = self._namespaces.get(namespace)
        events = objects.pop(uid, None) if objects is not None else None
        if events is None:
            return
        self._add_bytes(namespace, -sum(map(_size_of, events.values())))
        if not objects:
            del self._namespaces[namespace]
            del self._sizes[namespace]


def _size_of(item: Event) -> int:
    """Return the bytes that a cached Event takes in memory."""
    subject = item.involved_object
    texts = (item.message, item.reason, subject.kind, subject.namespace, subject.name, subject.uid)
    return EVENT_BYTES + sum(map(sys.getsizeof, texts))


def _compact(item: Event) -> Event:
    """Return an Event of which no text is long."""
    subject = item.involved_object
    return msgspec.structs.replace(
        item,
        message=(item.message or "")[:LONGEST_MESSAGE],
        involved_object=InvolvedObject(
            kind=subject.kind[:LONGEST_NAME],
            namespace=subject.namespace,
            name=subject.name[:LONGEST_NAME],
            uid=subject.uid,
        ),
    )


def _key_of(item: Event) -> str:
    """Return the key under which an Event is cached, see `about`."""
    if item.involved_object.kind != "CronJob" or item.reason not in _REASONS_ABOUT_JOBS:
        return item.reason or ""
    return f"{item.reason} {_job_in_message(item)}".rstrip()


def _job_in_message(item: Event) -> str:
    """Return the Job that a CronJob's Event names: `Created job a-1`, `Saw completed job: a-1, ...`.

    Empty where it names none.
    """
    words = (item.message or "").replace(",", " ").replace(":", " ").split()
    return words[words.index("job") + 1] if "job" in words[:-1] else ""
