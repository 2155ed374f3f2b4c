"""The newest Events about each object of one cluster, bounded in number and each in bytes.

Whoever may create Events in a namespace can create any number, of any length, about objects that do not
exist. So each namespace pays for its own: where there are too many, those go that are about the oldest object
of the namespace that has the most.
"""

from collections import OrderedDict
from collections.abc import Mapping

import msgspec

from kronkeep_daemon.kube.objects import Event, InvolvedObject

MOST_EVENTS = 20_000
EVENTS_PER_OBJECT = 40
LONGEST_MESSAGE = 1024  # characters, the limit of events.k8s.io/v1; v1 has none
LONGEST_REASON = 128  # of the same
LONGEST_UID = 64
LONGEST_NAME = 253
# The CronJob controller's Events with these reasons name one of the CronJob's Jobs in their message.
_REASONS_ABOUT_JOBS = ("SuccessfulCreate", "SawCompletedJob", "SuccessfulDelete", "UnexpectedJob")


class EventCache:
    """The cached Events.

    most_events: how many are kept of all namespaces.
    """

    def __init__(self, most_events: int = MOST_EVENTS) -> None:
        self._most_events = most_events
        self._namespaces: dict[str, OrderedDict[str, OrderedDict[str, Event]]] = {}
        self._counts: dict[str, int] = {}
        self._total = 0

    def __len__(self) -> int:
        return self._total

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
        before = len(events)
        events[_key_of(compact)] = compact
        if len(events) > EVENTS_PER_OBJECT:
            events.popitem(last=False)
        added = len(events) - before
        self._counts[namespace] = self._counts.get(namespace, 0) + added
        self._total += added
        if self._total > self._most_events:
            self._drop_oldest()
        return True

    def _drop_oldest(self) -> None:
        namespace = max(self._counts, key=self._counts.__getitem__)
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
        self._counts[namespace] -= len(events)
        self._total -= len(events)
        if not objects:
            del self._namespaces[namespace]
            del self._counts[namespace]


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
