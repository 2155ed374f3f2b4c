"""How one pod reaches two repositories, to copy from one to the other; pure.

restic has one set of options and reads one set of variables, so the credentials of a server are for both
repositories where both have the same kind of server. What the source has in files and in its address gets
names of its own; what would have one name twice is a clash, and such a copy is refused.
"""

from kronkeep_common.models import BackupStorage
from kronkeep_daemon import storage_kinds
from kronkeep_daemon.restic import copy
from kronkeep_daemon.storage_kinds.access import KEYS, MOUNT, SOURCE_MOUNT, RepositoryAccess

PREFIX = "source-"
PASSWORD = "source-password"  # noqa: S105 (the name of a file)
_VARIABLE_PREFIX = "SOURCE_"


def share_credentials(source: BackupStorage, target: BackupStorage) -> bool:
    """Whether both storages have the same Secret, so that one set of names is enough."""
    return (source.cluster, source.credentials) == (target.cluster, target.credentials)


def source_keys(source: BackupStorage, target: BackupStorage) -> dict[str, str]:
    """Return the names in the pod of the keys of the source's Secret, by their names there."""
    access = storage_kinds.access_of(source)
    names = {key: key for key in access.secret_environment}
    if share_credentials(source, target):
        return names | {key: key for key in access.secret_files}
    names |= {key: _VARIABLE_PREFIX + key for key in names if f"$({key})" in access.address}
    return names | {key: PREFIX + key for key in access.secret_files}


def as_source(source: RepositoryAccess, keys: dict[str, str]) -> RepositoryAccess:
    """Return the access to a source with the names that it has beside another repository.

    keys: as `source_keys` returns them.
    """
    renamed = {f"{KEYS}/{key}": f"{KEYS}/{keys[key]}" for key in source.secret_files}
    renamed |= {f"$({key})": f"$({keys[key]})" for key in source.secret_environment}
    address = _rename(source.address, renamed)
    if source.volume is not None:
        address = SOURCE_MOUNT + address.removeprefix(MOUNT)
    return source._replace(
        address=address,
        options=tuple(_rename(option, renamed) for option in source.options),
        environment={name: _rename(value, renamed) for name, value in source.environment.items()},
        secret_environment=tuple(keys[key] for key in source.secret_environment),
        secret_files=tuple(keys[key] for key in source.secret_files),
    )


def _rename(text: str, renamed: dict[str, str]) -> str:
    for old, new in renamed.items():
        text = text.replace(old, new)
    return text


def combine(target: RepositoryAccess, source: RepositoryAccess, *, encrypted: bool) -> RepositoryAccess:
    """Return the access to a repository and to the source that is copied from.

    source: as `as_source` returns it.
    encrypted: whether the source is.
    """
    environment = {**source.environment, **target.environment, copy.FROM_REPOSITORY: source.address}
    if encrypted:
        environment[copy.FROM_PASSWORD_FILE] = f"{KEYS}/{PASSWORD}"
    added = [pair for pair in _pairs(source.options) if pair not in _pairs(target.options)]
    return target._replace(
        options=(*target.options, *(word for pair in added for word in pair)),
        environment=environment,
        secret_environment=_union(target.secret_environment, source.secret_environment),
        secret_files=_union(target.secret_files, source.secret_files),
        source_volume=source.volume,
        node=target.node or source.node,
    )


def _union(one: tuple[str, ...], other: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(dict.fromkeys((*one, *other)))


def _pairs(options: tuple[str, ...]) -> list[tuple[str, ...]]:
    """Return restic's global options with their values; one without a value alone."""
    pairs: list[tuple[str, ...]] = []
    for word in options:
        if pairs and len(pairs[-1]) == 1 and pairs[-1][0] in ("-o", "--cacert"):
            pairs[-1] = (pairs[-1][0], word)
        else:
            pairs.append((word,))
    return pairs


def find_clash(source: BackupStorage, target: BackupStorage) -> str | None:
    """Return what the two storages cannot have beside each other in one pod; None where there is nothing."""
    keys = source_keys(source, target)
    one = as_source(storage_kinds.access_of(source), keys)
    other = storage_kinds.access_of(target)
    if one.node and other.node and one.node != other.node:
        return f"folders of two nodes, {one.node} and {other.node}"
    if not share_credentials(source, target):
        names = sorted({*one.secret_environment} & {*other.secret_environment})
        if names:
            return f"the credentials {', '.join(names)}"
    for name in sorted(one.environment.keys() & other.environment.keys()):
        if one.environment[name] != other.environment[name]:
            return f"the variable {name}"
    mine = _settings_of(one)
    theirs = _settings_of(other)
    for name in sorted(mine.keys() & theirs.keys()):
        if mine[name] != theirs[name]:
            return f"restic's option {name}"
    return None


def _settings_of(access: RepositoryAccess) -> dict[str, str]:
    """Return the values of restic's `-o name=value` options by name."""
    values = [pair[1] for pair in _pairs(access.options) if pair[0] == "-o" and len(pair) == 2]
    return {value.partition("=")[0]: value.partition("=")[2] for value in values}
