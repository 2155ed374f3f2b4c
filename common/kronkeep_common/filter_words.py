"""The words that a filter may use: the keys of each kind of record, and the values that exist.

A value that no record can have finds nothing, which looks like good news, so it is refused.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple, Protocol, get_args

from kronkeep_common.alert_codes import AlertCode
from kronkeep_common.errors import InvalidFilter
from kronkeep_common.models.alert import Severity
from kronkeep_common.models.backup import BackupTrigger, SnapshotState
from kronkeep_common.models.backup_copy import CopySnapshotState, CopyTrigger
from kronkeep_common.models.coverage import ClaimStatus
from kronkeep_common.models.maintenance import MaintenanceStatus
from kronkeep_common.name_suggestions import closest_name, suggest_name
from kronkeep_common.reasons import Reason
from kronkeep_common.states import (
    AlertStatus,
    BackupStatus,
    CopyStatus,
    ExecutionStatus,
    RestoreStatus,
    StorageStatus,
    Trigger,
)
from kronkeep_common.text import clean

# A CronJob has the status of its newest run, and those of the words that describe it now.
# A claim with a policy of its own has `claim`.
CRONJOB_STATUSES = (*map(str, ExecutionStatus), "new", "suspended", "late", "claim")
MANIFEST_STATUSES = ("applied", "waiting", "refused")
FREE: tuple[str, ...] = ()  # any value may exist, such as a reason that another program gave
_FOR_ALL: dict[str, Sequence[str]] = {"name": FREE, "age": FREE}
_OF_CRONJOB: dict[str, Sequence[str]] = {
    "ns": FREE,
    "cluster": FREE,
    "storage": FREE,
    "policy": FREE,
    **_FOR_ALL,
}
KEYS: Mapping[str, Mapping[str, Sequence[str]]] = {
    "cronjobs": {"status": CRONJOB_STATUSES, **_OF_CRONJOB},
    "executions": {
        "status": tuple(ExecutionStatus),
        "trigger": tuple(Trigger),
        "reason": FREE,
        "job": FREE,
        **_OF_CRONJOB,
    },
    "backups": {
        "status": tuple(BackupStatus),
        "trigger": get_args(BackupTrigger),
        "snapshot": get_args(SnapshotState),
        "reason": FREE,
        **_OF_CRONJOB,
    },
    "planned": {"status": ("planned",), "ns": FREE, "cluster": FREE, "name": FREE, "storage": FREE},
    "restores": {"status": tuple(RestoreStatus), "reason": FREE, **_OF_CRONJOB},
    "copies": {
        "status": tuple(CopyStatus),
        "trigger": get_args(CopyTrigger),
        "snapshot": get_args(CopySnapshotState),
        "reason": FREE,
        **_OF_CRONJOB,
    },
    "storages": {
        "status": tuple(StorageStatus),
        "reason": FREE,
        "ns": FREE,
        "cluster": FREE,
        "storage": FREE,
        **_FOR_ALL,
    },
    "policies": _OF_CRONJOB,
    "alerts": {
        "status": tuple(AlertStatus),
        "severity": get_args(Severity),
        "code": tuple(AlertCode),
        "reason": FREE,
        "job": FREE,
        **_OF_CRONJOB,
    },
    "manifests": {"status": MANIFEST_STATUSES, "code": FREE, **_FOR_ALL},
    "sinks": {"status": FREE, **_FOR_ALL},
    "queue": {
        "status": ("working", "waiting"),
        "ns": FREE,
        "cluster": FREE,
        "storage": FREE,
        **_FOR_ALL,
    },
    "claims": {"status": get_args(ClaimStatus), "ns": FREE, "cluster": FREE, **_FOR_ALL},
    "silences": {"status": ("active", "ended"), **_FOR_ALL},
    "maintenance": {"status": get_args(MaintenanceStatus), **_FOR_ALL},
    "reports": {"ns": FREE, "cluster": FREE, "storage": FREE, "policy": FREE, "name": FREE},
    "files": _FOR_ALL,
    "watches": {"status": FREE, "cluster": FREE, **_FOR_ALL},
}
NAMED_KEYS = ("ns", "cluster", "storage", "policy")
_NOUNS = {"executions": "run", "policies": "policy", "planned": "planned run"}
_SEE_ALL = {
    "ns": "kubectl get namespaces",
    "cluster": "kronkeep doctor",
    "storage": "kronkeep get storages",
    "policy": "kronkeep get policies",
}
_WHOSE = {"ns": "namespace", "cluster": "cluster", "storage": "storage", "policy": "policy"}


class KnownNames(Protocol):
    """The names that exist now, by key (NAMED_KEYS)."""

    def has_name(self, key: str, name: str) -> bool:
        """Return whether a name exists, or may exist."""

    def names(self, key: str) -> Collection[str]:
        """Return the names that exist, as many as a person may have meant."""


class NameSets(NamedTuple):
    """Names by key that were all read; a key that is missing may have any."""

    by_key: Mapping[str, Collection[str]] = {}

    def has_name(self, key: str, name: str) -> bool:
        """Return whether a name is among those that were read."""
        return key not in self.by_key or name in self.by_key[key]

    def names(self, key: str) -> Collection[str]:
        """Return the names that were read."""
        return self.by_key.get(key, ())


class FilterWords(NamedTuple):
    """What a filter of records of some kinds may say; `kinds` are keys of KEYS."""

    kinds: tuple[str, ...]
    known: KnownNames = NameSets()

    @property
    def keys(self) -> list[str]:
        """The keys that a record of at least one of the kinds has."""
        return list({key: None for kind in self.kinds for key in KEYS[kind]})

    def values(self, key: str) -> list[str]:
        """Return the values of a key that exist, as far as they are known."""
        fixed = [str(value) for kind in self.kinds for value in KEYS[kind].get(key, ())]
        if key == "reason":
            return list(map(str, Reason))
        return sorted(self.known.names(key)) if key in NAMED_KEYS else list(dict.fromkeys(fixed))

    def check_term(self, key: str, value: str, column: int) -> None:
        """Raise InvalidFilter for a key that these records lack, or a value that none of them can have."""
        noun = " or ".join(_NOUNS.get(kind, kind.removesuffix("s")) for kind in self.kinds)
        if key not in self.keys:
            advice = f"It has {', '.join(self.keys)}."
            raise InvalidFilter(f"A {noun} has no {clean(key, 60)!r}.", next_step=advice, column=column)
        if key in NAMED_KEYS:
            if not self.known.has_name(key, value):
                advice = suggest_name(value, self.known.names(key), _SEE_ALL[key])
                message = f"There is no {_WHOSE[key]} {clean(value, 100)!r}."
                raise InvalidFilter(message, next_step=advice, column=column)
        elif key == "reason":
            _check_reason(value, column)
        elif (values := self.values(key)) and value not in values:
            message = f"No {noun} has the {key} {clean(value, 100)!r}."
            raise InvalidFilter(message, next_step=suggest_name(value, values), column=column)


def _check_reason(value: str, column: int) -> None:
    """Raise InvalidFilter for a misspelt Reason; other programs' reasons are not known."""
    near = closest_name(value, map(str, Reason))
    if near is not None and value not in list(Reason) and _is_misspelt(value, near):
        message = f"No reason is {clean(value, 100)!r}."
        raise InvalidFilter(message, next_step=f"Did you mean {near}?", column=column)


def _is_misspelt(value: str, name: str) -> bool:
    """Return whether a value is as long as a name, or becomes the name with one character more or less."""
    if len(value) == len(name):
        return True
    longer, shorter = sorted((value.lower(), name.lower()), key=len, reverse=True)
    return any(longer[:at] + longer[at + 1 :] == shorter for at in range(len(longer)))
