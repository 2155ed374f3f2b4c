"""The Secrets that repositories need: the passwords that open them and the credentials of their storages."""

import base64
from collections.abc import Callable, Sequence
from operator import attrgetter
from typing import Any
from urllib.parse import quote

from kronkeep_common import object_keys
from kronkeep_common.errors import InvalidRequest, StorageFailed
from kronkeep_common.models import BackupStorage, SecretKeyRef
from kronkeep_common.models.storage import SecretNames
from kronkeep_common.reasons import Reason
from kronkeep_common.secret_commands import creation_of_secret
from kronkeep_common.text import clean
from kronkeep_daemon import storage_kinds
from kronkeep_daemon.kube import paths
from kronkeep_daemon.kube.client import Cluster
from kronkeep_daemon.kube.clusters import Clusters
from kronkeep_daemon.kube.errors import NotFoundInCluster
from kronkeep_daemon.repositories import copy_access
from kronkeep_daemon.repositories.repository import Repository
from kronkeep_daemon.restic import key_changes
from kronkeep_daemon.settings import Settings

SecretData = dict[str, bytes]
NOT_OURS = f"{object_keys.MANAGED_BY_LABEL}!={object_keys.MANAGED_BY}"
NAMEABLE_TYPES = "type!=helm.sh/release.v1,type!=kubernetes.io/service-account-token"


class RepositorySecrets:
    """Access to Secrets; those of storages are in kronkeep's namespace of the storage's cluster."""

    def __init__(self, *, clusters: Clusters, settings: Callable[[], Settings]) -> None:
        self._clusters = clusters
        self._settings = settings

    async def read(
        self, cluster: Cluster, name: str, namespace: str | None = None, keys: Sequence[str] = ()
    ) -> SecretData:
        """Return a Secret's values by key; raise StorageFailed where it does not exist.

        Without `namespace` it is one in kronkeep's own. keys: those that are needed, for the next step.
        """
        namespace = namespace or self._settings().namespace
        try:
            secret = await cluster.get(paths.secrets(namespace, name))
        except NotFoundInCluster as fault:
            title = self._clusters.title(cluster.id, f"the namespace {namespace}")
            raise StorageFailed(
                f"There is no Secret {clean(name, 100)} in {title}.",
                next_step=f"Create it: {creation_of_secret(namespace, name, keys)}",
                reason=Reason.SECRET_MISSING,
            ) from fault
        return {key: base64.b64decode(value) for key, value in (secret.get("data") or {}).items()}

    async def list_names(self, cluster: Cluster) -> list[SecretNames]:
        """Return the Secrets of kronkeep's namespace that a person made, by name; raise Forbidden.

        Those that kronkeep made, Helm's releases (1 MB each) and tokens of service accounts are left out.
        """
        path = paths.secrets(self._settings().namespace)
        items, _ = await cluster.list(path, labelSelector=NOT_OURS, fieldSelector=NAMEABLE_TYPES)
        names = [
            SecretNames(name=item["metadata"]["name"], keys=tuple(sorted(item.get("data") or {})))
            for item in items
        ]
        return sorted(names, key=attrgetter("name"))

    async def require(self, cluster: Cluster, name: str, field: str, keys: Sequence[str] = ()) -> SecretData:
        """Return the Secret that `field` of a request names; raise InvalidRequest where it does not exist."""
        try:
            return await self.read(cluster, name, keys=keys)
        except StorageFailed as fault:
            raise InvalidRequest(fault.message, next_step=fault.next_step, field=field) from fault

    async def require_keys(
        self, cluster: Cluster, kind: str, settings: Any, name: str | None
    ) -> tuple[str, ...]:
        """Return the keys of the Secret `name` that the storage kind uses, for a new storage.

        Raises InvalidRequest where a key is missing that these settings of the kind need.
        """
        needed = storage_kinds.mandatory_keys(kind, settings)
        if name is None:
            if needed:
                raise InvalidRequest(
                    f"A storage of the kind {kind} needs credentials: a Secret with {', '.join(needed)}.",
                    next_step=f"kubectl -n {self._settings().namespace} create secret generic NAME "
                    f"--from-literal={needed[0]}=..., then name it in credentials.",
                    field="credentials",
                )
            return ()
        secret = await self.require(cluster, name, "credentials", needed)
        missing = [key for key in needed if key not in secret]
        if missing:
            raise InvalidRequest(
                f"The Secret {clean(name, 100)} has no {', '.join(missing)}.", field="credentials"
            )
        return storage_kinds.select_known_keys(kind, secret)

    async def require_maintenance_keys(
        self, cluster: Cluster, name: str | None, keys: tuple[str, ...]
    ) -> None:
        """Raise InvalidRequest where the Secret for maintenance does not exist, or lacks one of the keys.

        keys: those of the credentials that the storage's kind uses.
        """
        if name is None:
            return
        field = "maintenance_credentials"
        if not keys:
            raise InvalidRequest("A storage without credentials has none for maintenance.", field=field)
        secret = await self.require(cluster, name, field, keys)
        missing = [key for key in keys if key not in secret]
        if missing:
            raise InvalidRequest(
                f"The Secret {clean(name, 100)} has no {', '.join(missing)}.",
                next_step="Give it the keys that the Secret of the credentials has.",
                field=field,
            )

    async def own_password(self, repository: Repository) -> bytes:
        """Return the password of a repository that no policy's key opens.

        Raises StorageFailed where it is missing.
        """
        ref = repository.password
        cluster = self._clusters.of(repository.storage.cluster)
        secret = await self.read(cluster, ref.secret, keys=(ref.key,))
        if not secret.get(ref.key):
            raise StorageFailed(
                f"The Secret {ref.secret} has no key {clean(ref.key, 200)}, or an empty one.",
                next_step="Put the repository's password back; without it its data cannot be read.",
                reason=Reason.PASSWORD_MISSING,
            )
        return secret[ref.key]

    async def storage_credentials(self, storage: BackupStorage) -> SecretData:
        """Return the credentials of the storage's server by key; empty where it has none."""
        if not storage.credentials:
            return {}
        return await self.read(self._clusters.of(storage.cluster), storage.credentials)

    async def job_data(self, repository: Repository) -> SecretData:
        """Return what a Job's own Secret contains: the password and the credentials that the kind uses.

        Of a repository with a source it has those of both. Raises StorageFailed where a Secret or one of its
        keys is missing.
        """
        data = {"password": await self._password(repository)}
        data |= await self._used_credentials(repository.storage, deletes=repository.deletes)
        if repository.other_password is not None:
            data[key_changes.OTHER] = await self._other_password(repository, repository.other_password)
        source = repository.source
        if source is None:
            return data
        names = copy_access.source_keys(source.storage, repository.storage)
        credentials = await self._used_credentials(source.storage)
        data |= {names[key]: value for key, value in credentials.items()}
        return data | {copy_access.PASSWORD: await self._password(source)}

    async def _other_password(self, repository: Repository, ref: SecretKeyRef) -> bytes:
        secret = await self.read(self._clusters.of(repository.storage.cluster), ref.secret)
        if not secret.get(ref.key):
            raise StorageFailed(
                f"The Secret {ref.secret} has no key {clean(ref.key, 100)}.", reason=Reason.PASSWORD_MISSING
            )
        return secret[ref.key]

    async def _used_credentials(self, storage: BackupStorage, *, deletes: bool = False) -> SecretData:
        """Return the credentials that the storage's kind uses, as a Job gets them; raise StorageFailed.

        deletes: whether they are those for maintenance, where the storage has such.
        """
        access = storage_kinds.access_of(storage)
        keys = (*access.secret_environment, *access.secret_files)
        if not keys:
            return {}
        url_quoted_keys = storage_kinds.kind_of(storage.kind).url_quoted_keys
        secret = storage.credentials
        if deletes and storage.maintenance_credentials is not None:
            secret = storage.maintenance_credentials
        cluster = self._clusters.of(storage.cluster)
        credentials = await self.read(cluster, secret, keys=keys) if secret is not None else {}
        data = {}
        for key in keys:
            if key not in credentials:
                raise StorageFailed(
                    f"The Secret {secret} has lost its key {key}.",
                    next_step="Put the key back into the Secret.",
                    reason=Reason.CREDENTIALS_MISSING,
                )
            value = credentials[key] if key in access.secret_files else credentials[key].strip()
            data[key] = quote(value, safe="").encode() if key in url_quoted_keys else value
        return data

    async def _password(self, repository: Repository) -> bytes:
        """Return the password that opens the repository; raise StorageFailed where it is missing."""
        if not repository.encrypted:
            return b""
        if repository.key is None:
            return await self.own_password(repository)
        cluster_id, namespace, ref = repository.key
        secret = await self.read(self._clusters.of(cluster_id), ref.secret, namespace, (ref.key,))
        if not secret.get(ref.key):
            raise StorageFailed(
                f"The Secret {namespace}/{ref.secret} has no key {clean(ref.key, 100)}, or an empty one.",
                next_step="Put the policy's key back; without it its archives cannot be read.",
                reason=Reason.PASSWORD_MISSING,
            )
        return secret[ref.key]
