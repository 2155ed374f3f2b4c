"""A storage written in one line: `NAME KIND field=value ...`, completed from the kinds' fields; pure."""

import shlex
from collections.abc import Sequence

from kronkeep_common.errors import InvalidRequest
from kronkeep_common.models import BackupStorageCreate, SecretKeyRef
from kronkeep_common.models.storage_kinds import StorageKind, kinds

EXAMPLE = "vault local path=/var/backups/vault"
_MORE = ("credentials=", "password=")


def parse(line: str) -> BackupStorageCreate:
    """The storage; raises InvalidRequest that names the word."""
    try:
        words = shlex.split(line)
    except ValueError as fault:
        raise InvalidRequest(f"The line cannot be read: {fault}.") from fault
    if len(words) < 2:
        raise InvalidRequest("A storage is NAME KIND field=value ...", next_step=f"Such as: {EXAMPLE}")
    kind = _kind(words[1])
    values = dict(_pair(word) for word in words[2:])
    password, credentials = values.pop("password", None), values.pop("credentials", None)
    numbers = {field.name for field in kind.fields if field.type == "number"}
    known = {field.name for field in kind.fields}
    if strange := sorted(set(values) - known):
        raise InvalidRequest(f"{kind.kind} has no field {strange[0]}; it has {', '.join(sorted(known))}.")
    return BackupStorageCreate(
        id=words[0],
        kind=kind.kind,
        settings={name: _number(name, v) if name in numbers else v for name, v in values.items()},
        credentials=credentials,
        password=_secret(password) if password else None,
    )


def _kind(name: str) -> StorageKind:
    found = {kind.kind: kind for kind in kinds()}
    if name not in found:
        raise InvalidRequest(f"There is no kind {name!r}; there are {', '.join(found)}.")
    return found[name]


def _pair(word: str) -> tuple[str, str]:
    name, sign, value = word.partition("=")
    if not sign or not value:
        raise InvalidRequest(f"{word!r} is not like field=value.")
    return name, value


def _number(name: str, value: str) -> int:
    if not value.isdigit():
        raise InvalidRequest(f"{name} must be a number.")
    return int(value)


def _secret(text: str) -> SecretKeyRef:
    secret, _, key = text.partition("/")
    return SecretKeyRef(secret=secret, key=key) if key else SecretKeyRef(secret=secret)


def complete(line: str) -> Sequence[str]:
    """What may follow a beginning: a kind, then the fields that it still lacks, those it needs first."""
    words = line.split(" ")
    before, last = " ".join(words[:-1]), words[-1]
    if len(words) == 2:
        return [f"{before} {kind.kind}" for kind in kinds() if kind.kind.startswith(last)]
    kind = next((k for k in kinds() if len(words) > 2 and k.kind == words[1]), None)
    if kind is None or "=" in last:
        return []
    given = {word.partition("=")[0] for word in words[2:-1]}
    fields = sorted(kind.fields, key=lambda field: not field.required)
    names = [f"{field.name}=" for field in fields if field.name not in given] + list(_MORE)
    return [f"{before} {name}" for name in names if name.startswith(last)]
