"""The rows of a form for a draft, with completions and hints; pure."""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from importlib.resources import files
from typing import NamedTuple

from kronkeep_common.errors import KronkeepError, NamespaceNotServed, NotAllowedNow, StorageNotFound
from kronkeep_common.models import BackupStorage
from kronkeep_common.text import clean, size
from kronkeep_tui.form.draft import Draft, entries_of, is_used
from kronkeep_tui.form.fields import FIELDS, SECTIONS, FormField

LISTED = 6  # completions in a hint
_FIXED_NAME = "A CronJob keeps its namespace and name."


class FormRow(NamedTuple):
    """A heading (`key` empty), or a field with its text, its fault, and whether it is locked."""

    key: str
    label: str
    text: str = ""
    choices: tuple[str, ...] = ()
    fault: str = ""
    locked: bool = False


def rows_of_draft(
    draft: Draft,
    faults: Mapping[str, str],
    locked: frozenset[str] = frozenset(),
    hidden: frozenset[str] = frozenset(),
) -> list[FormRow]:
    """Return every row; the rows of a `many` field end with an empty one, absent sections are left out.

    locked, hidden: paths of fields that cannot be changed, and of those that are not shown.
    """
    rows = []
    for section in SECTIONS:
        if section.leads and not draft.get(section.leads, "").strip():
            continue
        fields = [field for field in section.fields if field.path not in hidden]
        rows += [FormRow(key="", label=section.title)] if fields else []
        for field in fields:
            if field.path == "policy.storage_id" or is_used(draft, field.path):
                rows += _rows_of_field(draft, field, faults, field.path in locked)
    return rows


def _rows_of_field(draft: Draft, field: FormField, faults: Mapping[str, str], locked: bool) -> list[FormRow]:
    if not field.many:
        text = draft.get(field.path, "")
        return [
            FormRow(
                key=field.path,
                label=field.label,
                text=text,
                choices=field.choices,
                fault=faults.get(field.path, ""),
                locked=locked,
            )
        ]
    entries = entries_of(draft, field.path)
    last = max((int(key.rpartition(".")[2]) for key, _ in entries), default=-1)
    if (not entries or entries[-1][1].strip()) and not locked:
        entries.append((f"{field.path}.{last + 1}", ""))
    return [
        FormRow(key=key, label=field.label, text=text, choices=(), fault=faults.get(key, ""), locked=locked)
        for key, text in entries
    ]


def field_of(key: str) -> FormField:
    """Return the field of a row's key."""
    return FIELDS.get(key) or FIELDS[key.rpartition(".")[0]]


def row_of_error_field(field: str) -> str | None:
    """Return the key of the row of an error's `field` (`policy.schedule`, `storage_id`, `source`), if any."""
    for path in (field, f"policy.{field}"):
        if path in FIELDS:
            return path if not FIELDS[path].many else f"{path}.0"
        below = next((key for key in FIELDS if key.startswith(path + ".")), None)
        if below is not None:
            return below if not FIELDS[below].many else f"{below}.0"
    return None


@lru_cache(maxsize=1)
def time_zones() -> tuple[str, ...]:
    """Return every time zone of the tzdata package."""
    return tuple(sorted(files("tzdata").joinpath("zones").read_text("utf-8").split()))


def describe_free_space(storage: BackupStorage) -> str:
    """Describe how much of a storage is free."""
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


def completions(key: str, text: str, storages: Sequence[BackupStorage], claims: Sequence[str]) -> list[str]:
    """Return names that begin with the text, for fields that name a storage, time zone or claim."""
    if key == "policy.storage_id":
        names: Sequence[str] = [storage.id for storage in storages]
    elif key.endswith("time_zone"):
        names = time_zones() if text else ()
    elif key.startswith(("volumes.", "policy.source.claims.")):
        names = claims
    else:
        names = ()
    return [name for name in names if name.startswith(text) and name != text]


def storage_error(text: str, namespace: str, storages: Sequence[BackupStorage]) -> KronkeepError | None:
    """Return why a storage cannot be chosen; None where it can."""
    if not text:
        return None
    storage = next((storage for storage in storages if storage.id == text), None)
    if storage is None:
        return StorageNotFound(f"There is no storage {clean(repr(text), 80)}.")
    if storage.status != "active":
        return NotAllowedNow(f"The storage {text} is {storage.status}, not active.")
    if not storage.serves(namespace):
        return NamespaceNotServed(
            f"The storage {text} does not serve the namespace {clean(namespace, 63)}.",
            next_step="ctrl+s asks whether it shall.",
        )
    return None


def hint_for(row: FormRow, storages: Sequence[BackupStorage], claims: Sequence[str]) -> str:
    """Return the line below the fields: what is wrong, else what may be typed."""
    if row.locked:
        return "The policy of a claim archives that claim." if row.key.startswith("policy.") else _FIXED_NAME
    names = completions(row.key, row.text, storages, claims)
    completed = f"{', '.join(names[:LISTED])}  (right completes)  " if names else ""
    if row.fault:
        return completed + row.fault
    if completed and not row.text:
        return f"{field_of(row.key).help}   {completed}"
    if row.choices:
        return f"{field_of(row.key).help or 'left and right choose'}  ({', '.join(row.choices)})"
    if row.key == "policy.storage_id":
        named = [
            f"{one.id} {one.kind} {describe_free_space(one)}"
            for one in storages
            if one.id.startswith(row.text)
        ]
        return ", ".join(named[:LISTED]) or "no storage yet: kronkeep storage create"
    return completed or field_of(row.key).help
