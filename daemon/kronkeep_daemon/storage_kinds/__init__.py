"""The kinds of storages, a module each, and the table of them.

`parse_settings(kind, settings)` checks what a person wrote, `access_of(storage)` says how a pod reaches it.
"""

from typing import Any

import msgspec

from kronkeep_common.errors import InvalidRequest
from kronkeep_common.models import BackupStorage
from kronkeep_common.models.storage import Settings
from kronkeep_common.models.storage_kinds import KINDS as ROWS
from kronkeep_common.storage_settings import describe_settings_fault
from kronkeep_common.text import clean
from kronkeep_daemon.storage_kinds import (
    azure,
    b2,
    ceph,
    gs,
    local,
    nfs,
    proxmox,
    pvc,
    rclone,
    rest,
    s3,
    sftp,
)
from kronkeep_daemon.storage_kinds.access import RepositoryAccess
from kronkeep_daemon.storage_kinds.kind_functions import KindFunctions, StorageSpace

__all__ = [
    "KINDS",
    "KindFunctions",
    "RepositoryAccess",
    "StorageSpace",
    "access_of",
    "is_cluster_bound",
    "kind_of",
    "mandatory_keys",
    "own_namespace",
    "parse_settings",
    "select_known_keys",
]

LONGEST_VALUE = 1000  # characters
KINDS: dict[str, KindFunctions] = {
    "local": local.KIND,
    "nfs": nfs.KIND,
    "pvc": pvc.KIND,
    "ceph": ceph.KIND,
    "proxmox": proxmox.KIND,
    "s3": s3.KIND,
    "sftp": sftp.KIND,
    "rest": rest.KIND,
    "azure": azure.KIND,
    "gs": gs.KIND,
    "b2": b2.KIND,
    "rclone": rclone.KIND,
}


def kind_of(name: str) -> KindFunctions:
    """Return the kind of that name; raise InvalidRequest where there is none."""
    kind = KINDS.get(name)
    if kind is None:
        raise InvalidRequest(
            f"There is no storage kind {clean(repr(name), 40)}; there are {', '.join(KINDS)}.", field="kind"
        )
    return kind


def parse_settings(kind: str, settings: Settings) -> Any:
    """Return the settings as the kind's struct; raise InvalidRequest that names the wrong field."""
    functions = kind_of(kind)
    for name, value in settings.items():
        if isinstance(value, str) and (len(value) > LONGEST_VALUE or not value.isprintable()):
            raise InvalidRequest(
                f"A setting is one line of at most {LONGEST_VALUE:,} printable characters.",
                field=f"settings.{clean(name, 60)}",
            )
    try:
        typed = msgspec.convert(settings, ROWS[kind].settings, strict=False)
    except msgspec.ValidationError as fault:
        described = describe_settings_fault(kind, fault)
        message = f"The settings are refused: {described.sentence}"
        step = f"kronkeep storage create {kind} --help has each field."
        raise InvalidRequest(message, next_step=step, field="settings") from fault
    functions.validate(typed)
    return typed


def access_of(storage: BackupStorage) -> RepositoryAccess:
    """Return how a pod reaches the storage's own repository."""
    return kind_of(storage.kind).access(storage, parse_settings(storage.kind, storage.settings))


def is_cluster_bound(storage: BackupStorage) -> bool:
    """Whether only pods of the storage's own cluster reach it: it is a claim, or a folder of the nodes."""
    volume = access_of(storage).volume
    return volume is not None and "nfs" not in volume


def own_namespace(storage: BackupStorage) -> str:
    """Return the only namespace whose pods can reach the repository; empty where all can."""
    return kind_of(storage.kind).namespace(parse_settings(storage.kind, storage.settings))


def mandatory_keys(kind: str, settings: Any) -> tuple[str, ...]:
    """Return the keys that the Secret of the storage's credentials must have."""
    functions = kind_of(kind)
    if functions.mandatory_keys is not None:
        return functions.mandatory_keys(settings)
    return tuple(key.name for key in ROWS[kind].credentials if key.required)


def select_known_keys(kind: str, secret: dict[str, bytes]) -> tuple[str, ...]:
    """Return the names of those keys of a Secret that the kind uses, in the table's order."""
    return tuple(key.name for key in ROWS[kind].credentials if key.name in secret)
