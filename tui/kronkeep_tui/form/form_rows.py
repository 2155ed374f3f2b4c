"""The rows of the form as they stand for a draft, and what helps with each; pure."""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from importlib.resources import files
from typing import NamedTuple

from kronkeep_common.errors import Denied, KronkeepError, NotAllowedNow, StorageNotFound
from kronkeep_common.models import BackupStorage
from kronkeep_common.text import clean, size
from kronkeep_tui.form.draft import Draft, counts, rows_of
from kronkeep_tui.form.fields import FIELDS, SECTIONS, Field

OFFERED = 6


class Row(NamedTuple):
    """A heading (`key` empty) or a field with its text, its fault, and whether it may be changed."""

    key: str
    label: str
    text: str = ""
    choices: tuple[str, ...] = ()
    fault: str = ""
    locked: bool = False


def rows(draft: Draft, faults: Mapping[str, str], locked: frozenset[str] = frozenset()) -> list[Row]:
    """Every row; a field of many rows ends with an empty one, and a section without its lead is left out."""
    found = []
    for section in SECTIONS:
        if section.leads and not draft.get(section.leads, "").strip():
            continue
        found.append(Row(key="", label=section.title))
        for field in section.fields:
            if field.path == "policy.storage_id" or counts(draft, field.path):
                found += _rows_of(draft, field, faults, field.path in locked)
    return found


def _rows_of(draft: Draft, field: Field, faults: Mapping[str, str], locked: bool) -> list[Row]:
    if not field.many:
        text = draft.get(field.path, "")
        return [
            Row(
                key=field.path,
                label=field.label,
                text=text,
                choices=field.choices,
                fault=faults.get(field.path, ""),
                locked=locked,
            )
        ]
    there = rows_of(draft, field.path)
    last = max((int(key.rpartition(".")[2]) for key, _ in there), default=-1)
    if not there or there[-1][1].strip():
        there.append((f"{field.path}.{last + 1}", ""))
    return [
        Row(key=key, label=field.label, text=text, choices=(), fault=faults.get(key, ""))
        for key, text in there
    ]


def field_of(key: str) -> Field:
    """The field of a row's key."""
    return FIELDS.get(key) or FIELDS[key.rpartition(".")[0]]


def row_of_fault(named: str) -> str | None:
    """The row that an error's field is about: `policy.schedule`, `storage_id`, `source`; None for no row."""
    for path in (named, f"policy.{named}"):
        if path in FIELDS:
            return path if not FIELDS[path].many else f"{path}.0"
        below = next((key for key in FIELDS if key.startswith(path + ".")), None)
        if below is not None:
            return below if not FIELDS[below].many else f"{below}.0"
    return None


@lru_cache(maxsize=1)
def zones() -> tuple[str, ...]:
    """Every zone of the tzdata package."""
    return tuple(sorted(files("tzdata").joinpath("zones").read_text("utf-8").split()))


def free(storage: BackupStorage) -> str:
    """What is left of a storage, in words."""
    usage = storage.usage
    if usage is None:
        return "not measured"
    left = usage.available_bytes
    if left is None and usage.capacity_bytes is not None:
        left = max(0, usage.capacity_bytes - usage.used_bytes)
    if left is None:
        return f"{size(usage.used_bytes)} used"
    of = f" of {size(usage.capacity_bytes)}" if usage.capacity_bytes is not None else ""
    return f"{size(left)}{of} free"


def offered(key: str, text: str, storages: Sequence[BackupStorage], claims: Sequence[str]) -> list[str]:
    """Texts that begin with what was typed, for fields that name something."""
    if key == "policy.storage_id":
        names: Sequence[str] = [storage.id for storage in storages]
    elif key.endswith("time_zone"):
        names = zones() if text else ()
    elif key.startswith(("volumes.", "policy.source.claims.")):
        names = claims
    else:
        names = ()
    return [name for name in names if name.startswith(text) and name != text]


def storage_error(text: str, namespace: str, storages: Sequence[BackupStorage]) -> KronkeepError | None:
    """Why a storage cannot be chosen; None where it can."""
    if not text:
        return None
    storage = next((found for found in storages if found.id == text), None)
    if storage is None:
        return StorageNotFound(f"There is no storage {clean(repr(text), 80)}.")
    if storage.status != "active":
        return NotAllowedNow(f"The storage {text} is {storage.status}, not active.")
    if storage.namespaces and namespace not in storage.namespaces:
        return Denied(f"The storage {text} may not be used from {clean(namespace, 63)}.")
    return None


def hint(row: Row, storages: Sequence[BackupStorage], claims: Sequence[str]) -> str:
    """The line below the fields: what is wrong, else what may be typed."""
    if row.locked:
        return "A CronJob keeps its namespace and name."
    found = offered(row.key, row.text, storages, claims)
    completed = f"{', '.join(found[:OFFERED])}  (right completes)  " if found else ""
    if row.fault:
        return completed + row.fault
    if row.choices:
        return f"{field_of(row.key).help or 'left and right choose'}  ({', '.join(row.choices)})"
    if row.key == "policy.storage_id":
        named = [f"{one.id} {one.kind} {free(one)}" for one in storages if one.id.startswith(row.text)]
        return ", ".join(named[:OFFERED]) or "no storage yet: kronkeep storage create"
    return completed or field_of(row.key).help
