"""What a kind of storage is made of: where its repository is and what a pod needs to reach it."""

from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple

from kronkeep_common.models import BackupStorage
from kronkeep_daemon.kube.objects import JsonObject

MOUNT = "/repository"
KEYS = "/kronkeep/keys"
CA_KEY = "ca.crt"
Secrets = dict[str, str]


class RepositoryAccess(NamedTuple):
    """How a pod reaches the repository; nothing in it is secret.

    `options` go between `restic` and its command. `environment` is in clear; `secret_environment` names keys
    of the Job's own Secret that become variables, `secret_files` keys that are files below KEYS. `connect` is
    a command that only connects, where restic would not say why it cannot.
    """

    address: str
    options: tuple[str, ...] = ()
    environment: dict[str, str] = {}
    secret_environment: tuple[str, ...] = ()
    secret_files: tuple[str, ...] = ()
    volume: JsonObject | None = None
    node: str = ""
    connection_test: tuple[str, ...] = ()

    def in_folder(self, name: str) -> "RepositoryAccess":
        """The place of another repository in a folder of this one's."""
        return self._replace(address=f"{self.address.rstrip('/')}/{name}")

    @property
    def volumes(self) -> tuple[list[JsonObject], list[JsonObject]]:
        """(volumes of the pod, mounts of its containers)."""
        if self.volume is None:
            return [], []
        return [{"name": "repository", **self.volume}], [{"name": "repository", "mountPath": MOUNT}]


class StorageSpace(NamedTuple):
    """What a server or volume has, in bytes: in all, and free."""

    total_bytes: int
    free_bytes: int


class StorageKind(NamedTuple):
    """What a kind does, besides its row of fields and keys in kronkeep_common.

    place(storage, settings) is pure. validate raises InvalidRequest for settings that do not belong together.
    required(settings) names the keys its Secret must have. quoted keys are URL-quoted in the Job's copy.
    namespace(settings) is the only one whose pods can reach it, or nothing. claim(name, settings) is a claim
    that is made for it, or None. space(settings, secrets) asks its server, raising StorageFailed.
    """

    access: Callable[[BackupStorage, Any], RepositoryAccess]
    required_keys: Callable[[Any], tuple[str, ...]]
    validate: Callable[[Any], None] = lambda settings: None
    url_quoted_keys: frozenset[str] = frozenset()
    namespace: Callable[[Any], str] = lambda settings: ""
    claim: Callable[[str, Any], JsonObject | None] = lambda name, settings: None
    space: Callable[[Any, Secrets], Awaitable[StorageSpace]] | None = None


def require_keys(kind: str) -> Callable[[Any], tuple[str, ...]]:
    """The keys that the table says are required."""
    from kronkeep_common.models.storage_kinds import KINDS

    names = tuple(key.name for key in KINDS[kind].credentials if key.required)
    return lambda settings: names


def join_path(*parts: str) -> str:
    """The parts of a path that are not empty, with one `/` between them."""
    return "/".join(part.strip("/") for part in parts if part.strip("/"))


def claim_volume(name: str) -> JsonObject:
    """The volume of a claim."""
    return {"persistentVolumeClaim": {"claimName": name}}


def claim_name(storage: str) -> str:
    """The claim that is made for a storage."""
    return f"kronkeep-storage-{storage}"


def claim_of_class(name: str, storage_class: str, size: str, access_mode: str) -> JsonObject:
    """A claim of a StorageClass."""
    spec = {
        "storageClassName": storage_class,
        "accessModes": [access_mode],
        "resources": {"requests": {"storage": size}},
    }
    return {"metadata": {"name": claim_name(name)}, "spec": spec}


def server_access(
    storage: BackupStorage,
    repository: str,
    *,
    options: tuple[str, ...] = (),
    environment: dict[str, str] | None = None,
) -> RepositoryAccess:
    """The place of a server whose keys are variables, and whose certificate the key ca.crt may sign."""
    names = tuple(key for key in storage.credential_keys if key != CA_KEY)
    files = (CA_KEY,) if CA_KEY in storage.credential_keys else ()
    trust = ("--cacert", f"{KEYS}/{CA_KEY}") if files else ()
    return RepositoryAccess(
        address=repository,
        options=(*trust, *options),
        environment=environment or {},
        secret_environment=names,
        secret_files=files,
    )
