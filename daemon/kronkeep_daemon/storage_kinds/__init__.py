"""Kinds of storages: one module each with the same functions, gathered in one table.

place(storage) -> how a pod reaches the repository;  parse(kind, settings) -> the kind's typed settings
"""

from typing import Any

import msgspec

from kronkeep_common.errors import InvalidRequest
from kronkeep_common.models import BackupStorage
from kronkeep_common.models.storage import Settings
from kronkeep_common.models.storage_kinds import KINDS as ROWS
from kronkeep_common.models.storage_kinds import fields
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
from kronkeep_daemon.storage_kinds.access import RepositoryAccess, StorageKind, StorageSpace

__all__ = [
    "KINDS",
    "RepositoryAccess",
    "StorageKind",
    "StorageSpace",
    "access_of",
    "is_cluster_bound",
    "kind_of",
    "own_namespace",
    "parse_settings",
]

KINDS: dict[str, StorageKind] = {
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


def kind_of(name: str) -> StorageKind:
    """What a kind does; raises InvalidRequest."""
    found = KINDS.get(name)
    if found is None:
        known = ", ".join(KINDS)
        raise InvalidRequest(
            f"There is no storage kind {clean(repr(name), 40)}; there are {known}.", field="kind"
        )
    return found


def parse_settings(kind: str, settings: Settings) -> Any:
    """The settings as the kind's struct; raises InvalidRequest that names the field."""
    found = kind_of(kind)
    for name, value in settings.items():
        if isinstance(value, str) and (len(value) > 1000 or not value.isprintable()):
            raise InvalidRequest(
                "A setting is one line of at most 1,000 printable characters.",
                field=f"settings.{clean(name, 60)}",
            )
    try:
        typed = msgspec.convert(settings, ROWS[kind].settings, strict=False)
    except msgspec.ValidationError as fault:
        raise InvalidRequest(
            f"The settings are refused: {_readable_fault(kind, str(fault))}.", field="settings"
        ) from fault
    found.validate(typed)
    return typed


def _readable_fault(kind: str, fault: str) -> str:
    """msgspec's words with the field's name in place of its path, and what it is in place of a pattern."""
    words, _, path = fault.partition(" - at `$.")
    name = path.rstrip("`")
    found = next((field for field in fields(ROWS[kind].settings) if field.name == name), None)
    if found is not None and "regex" in words:
        words = f"that is not {found.description}"
    return clean(f"{name}: {words}" if name else words, 300)


def access_of(storage: BackupStorage) -> RepositoryAccess:
    """How a pod reaches the storage's repository."""
    return kind_of(storage.kind).access(storage, parse_settings(storage.kind, storage.settings))


def is_cluster_bound(storage: BackupStorage) -> bool:
    """Whether only pods of the storage's own cluster reach it: it is a claim, or a folder of the nodes."""
    volume = access_of(storage).volume
    return volume is not None and "nfs" not in volume


def own_namespace(storage: BackupStorage) -> str:
    """The only namespace whose pods can reach the repository; nothing where all can."""
    return kind_of(storage.kind).namespace(parse_settings(storage.kind, storage.settings))
