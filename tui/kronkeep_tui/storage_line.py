"""A storage in one line, `NAME KIND field=value ...`, with the fields of its kind."""

import shlex
from collections.abc import Sequence

from kronkeep_common.errors import InvalidRequest
from kronkeep_common.models import BackupStorage, BackupStorageChange, BackupStorageCreate, SecretKeyRef
from kronkeep_common.models.storage_kinds import StorageKind, all_kinds
from kronkeep_common.models.storage_layout import LAYOUTS, Layout
from kronkeep_tui.form.value_texts import read_secret, read_size, write_size

EXAMPLE = "vault local path=/var/backups/vault namespaces=default"
LIMITS = ("capacity", "namespaces")
_MORE = ("credentials", "password", "layout", *LIMITS)


def parse(line: str) -> BackupStorageCreate:
    """Return the storage that a line describes; raise InvalidRequest."""
    words = split_words(line)
    if len(words) < 2:
        raise InvalidRequest("A storage is NAME KIND field=value ...", next_step=f"Such as: {EXAMPLE}")
    kind = find_kind(words[1])
    values = dict(_pair(word) for word in words[2:])
    password = values.pop("password", None)
    credentials = values.pop("credentials", None)
    layout = _read_layout(values.pop("layout", "namespace"))
    limits = _limits(values)
    numbers = {field.name for field in kind.fields if field.type == "number"}
    known = {field.name for field in kind.fields}
    if strange := sorted(set(values) - known):
        raise InvalidRequest(f"{kind.kind} has no field {strange[0]}; it has {', '.join(sorted(known))}.")
    for field in kind.fields:
        if field.required and field.name not in values:
            raise InvalidRequest(f"{kind.kind} needs {field.name}=: {field.description}.")
    return BackupStorageCreate(
        id=words[0],
        kind=kind.kind,
        settings={name: _number(name, v) if name in numbers else v for name, v in values.items()},
        credentials=credentials,
        password=SecretKeyRef(**read_secret(password)) if password else None,
        namespaces=limits.namespaces or (),
        layout=layout,
        capacity_bytes=limits.capacity_bytes,
    )


def _read_layout(word: str) -> Layout:
    layout = next((each for each in LAYOUTS if each == word), None)
    if layout is None:
        raise InvalidRequest(f"There is no layout {word!r}; there are {', '.join(LAYOUTS)}.")
    return layout


def parse_change(line: str) -> BackupStorageChange:
    """Return the change of a line such as `capacity=2Ti namespaces=shop,billing`; raise InvalidRequest."""
    values = dict(_pair(word, empty=True) for word in split_words(line))
    limits = _limits(values)
    if values:
        raise InvalidRequest(f"{next(iter(values))} stays as it was made; {' and '.join(LIMITS)} may change.")
    return limits


def limits_of(storage: BackupStorage) -> str:
    """Return a storage's limits as they are, in a line that `parse_change` reads."""
    capacity = f"capacity={write_size(storage.capacity_bytes)} " if storage.capacity_bytes else ""
    return f"{capacity}namespaces={','.join(storage.namespaces)}"


def _limits(values: dict[str, str]) -> BackupStorageChange:
    """Remove capacity and namespaces from a line's values and return them."""
    capacity = values.pop("capacity", None)
    namespaces = values.pop("namespaces", None)
    return BackupStorageChange(
        namespaces=None if namespaces is None else tuple(name for name in namespaces.split(",") if name),
        capacity_bytes=read_size(capacity) if capacity else None,
    )


def split_words(line: str) -> list[str]:
    try:
        return shlex.split(line)
    except ValueError as fault:
        raise InvalidRequest(f"The line cannot be read: {fault}.") from fault


def find_kind(name: str) -> StorageKind:
    kinds_by_name = {kind.kind: kind for kind in all_kinds()}
    if name not in kinds_by_name:
        raise InvalidRequest(f"There is no kind {name!r}; there are {', '.join(kinds_by_name)}.")
    return kinds_by_name[name]


def _pair(word: str, *, empty: bool = False) -> tuple[str, str]:
    name, sign, value = word.partition("=")
    if not sign or not (value or empty):
        raise InvalidRequest(f"{word!r} is not like field=value.")
    return name, value


def _number(name: str, value: str) -> int:
    if not value.isdigit():
        raise InvalidRequest(f"{name} must be a number.")
    return int(value)


def complete(line: str) -> Sequence[str]:
    """Return the lines that may follow from the beginning of one: a kind, then the fields that it lacks."""
    words = line.split(" ")
    before = " ".join(words[:-1])
    last = words[-1]
    if len(words) == 2:
        return [f"{before} {kind.kind}" for kind in all_kinds() if kind.kind.startswith(last)]
    kind = next((k for k in all_kinds() if len(words) > 2 and k.kind == words[1]), None)
    if kind is None or "=" in last:
        return []
    given = {word.partition("=")[0] for word in words[2:-1]}
    fields = sorted(kind.fields, key=lambda field: not field.required)
    names = [name for name in (*(field.name for field in fields), *_MORE) if name not in given]
    return [f"{before} {name}=" for name in names if name.startswith(last)]
