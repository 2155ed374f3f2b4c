"""How a pod reaches a restic repository, and the parts of it that several kinds of storages share."""

from typing import NamedTuple

from kronkeep_common.models import BackupStorage
from kronkeep_daemon.kube.objects import JsonObject

MOUNT = "/repository"
SOURCE_MOUNT = "/source-repository"
KEYS = "/kronkeep/keys"
CA_KEY = "ca.crt"


class RepositoryAccess(NamedTuple):
    """How a pod reaches the repository; nothing in it is secret.

    `address` is restic's RESTIC_REPOSITORY. `options` are restic's global options. `environment` is in clear;
    `secret_environment` names keys of the Job's own Secret that become variables, `secret_files` keys that
    become files below KEYS. `volume` is mounted at MOUNT. `connection_test` is a command that only connects,
    for servers of which restic does not report why it cannot. `source_volume` is mounted at SOURCE_MOUNT, in
    a pod that copies from another repository.
    """

    address: str
    options: tuple[str, ...] = ()
    environment: dict[str, str] = {}
    secret_environment: tuple[str, ...] = ()
    secret_files: tuple[str, ...] = ()
    volume: JsonObject | None = None
    node: str = ""
    connection_test: tuple[str, ...] = ()
    source_volume: JsonObject | None = None

    def in_folder(self, name: str) -> "RepositoryAccess":
        """Return the access to another repository, in a folder below this one."""
        return self._replace(address=f"{self.address.rstrip('/')}/{name}")

    @property
    def pod_volumes(self) -> list[JsonObject]:
        """The volumes that a pod needs."""
        volumes = {"repository": self.volume, "source-repository": self.source_volume}
        return [{"name": name, **volume} for name, volume in volumes.items() if volume is not None]

    @property
    def mounts(self) -> list[JsonObject]:
        """Where the pod's containers mount them."""
        paths = {"repository": MOUNT, "source-repository": SOURCE_MOUNT}
        return [{"name": volume["name"], "mountPath": paths[volume["name"]]} for volume in self.pod_volumes]


def join_path(*parts: str) -> str:
    """Join the parts that are not empty with one `/` between them."""
    return "/".join(part.strip("/") for part in parts if part.strip("/"))


def claim_volume(name: str) -> JsonObject:
    """Return the volume of a PersistentVolumeClaim."""
    return {"persistentVolumeClaim": {"claimName": name}}


def claim_name(storage_id: str) -> str:
    """Return the name of the claim that kronkeep creates for a storage."""
    return f"kronkeep-storage-{storage_id}"


def claim_of_class(storage_id: str, storage_class: str, size: str, access_mode: str) -> JsonObject:
    """Return the manifest of a storage's claim; `size` is a Kubernetes quantity such as `100Gi`."""
    spec = {
        "storageClassName": storage_class,
        "accessModes": [access_mode],
        "resources": {"requests": {"storage": size}},
    }
    return {"metadata": {"name": claim_name(storage_id)}, "spec": spec}


def server_access(
    storage: BackupStorage,
    address: str,
    *,
    options: tuple[str, ...] = (),
    environment: dict[str, str] | None = None,
) -> RepositoryAccess:
    """Return the access to a server that takes its credentials as variables.

    The key CA_KEY of the storage's Secret, if any, is the certificate by which the server is trusted.
    """
    names = tuple(key for key in storage.credential_keys if key != CA_KEY)
    files = (CA_KEY,) if CA_KEY in storage.credential_keys else ()
    trust = ("--cacert", f"{KEYS}/{CA_KEY}") if files else ()
    return RepositoryAccess(
        address=address,
        options=(*trust, *options),
        environment=environment or {},
        secret_environment=names,
        secret_files=files,
    )
