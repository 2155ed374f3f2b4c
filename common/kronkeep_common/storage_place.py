"""Where a storage is, as its owner knows the place: Jobs mount every folder and claim as `/repository`."""

from collections.abc import Callable, Mapping

from kronkeep_common.models.storage import BackupStorage, Settings
from kronkeep_common.text import clean

LONGEST_PLACE = 300  # characters


def describe_place(storage: BackupStorage) -> str:
    """Return the folder, export or claim of a storage, else the address of its repository."""
    describe = _PLACES.get(storage.kind)
    place = describe(storage.settings) if describe is not None else ""
    return clean(place or storage.repository, LONGEST_PLACE)


def _describe_folder(settings: Settings) -> str:
    folder = settings.get("path")
    node = settings.get("node")
    return f"{folder}{f' on {node}' if node else ''}" if folder else ""


def _describe_export(settings: Settings) -> str:
    server = settings.get("server")
    return f"{server}:{settings.get('path', '')}" if server else ""


def _describe_claim(settings: Settings) -> str:
    claim = settings.get("claim")
    return f"claim {settings.get('namespace', '')}/{claim}" if claim else ""


def _describe_class(settings: Settings) -> str:
    """Return the StorageClass of the claim that is made for the storage; empty for a bucket of Ceph's."""
    storage_class = settings.get("storage_class")
    namespace = settings.get("namespace", "")
    return f"a claim of the class {storage_class} in {namespace}" if storage_class else ""


_PLACES: Mapping[str, Callable[[Settings], str]] = {
    "local": _describe_folder,
    "nfs": _describe_export,
    "pvc": _describe_claim,
    "ceph": _describe_class,
    "proxmox": _describe_class,
}
