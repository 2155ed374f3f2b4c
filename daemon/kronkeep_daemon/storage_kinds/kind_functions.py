"""What the daemon does for a kind of storage, beside its row of fields and keys in `kronkeep_common`."""

from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple

import msgspec

from kronkeep_common.models import BackupStorage
from kronkeep_daemon.kube.objects import JsonObject
from kronkeep_daemon.storage_kinds.access import RepositoryAccess

Credentials = dict[str, str]


class StorageSpace(NamedTuple):
    """The size of a server's storage or of a volume, and what is free of it."""

    total_bytes: int
    free_bytes: int


def accept_settings(settings: Any) -> None:
    """Accept all settings that have the right types: the default of `KindFunctions.validate`."""


def any_namespace(settings: Any) -> str:
    """Return no namespace, for pods of all can reach the repository."""
    return ""


def claim_namespace(settings: Any) -> str:
    """Return the namespace of the claim, whose pods alone can mount it."""
    return str(settings.namespace)


def no_claim(storage_id: str, settings: Any) -> None:
    """Return no claim, for the kind needs none."""


class KindFunctions(msgspec.Struct, frozen=True, kw_only=True):
    """The functions of one kind; all are pure but `fetch_space`.

    access: how a pod reaches the repository.
    validate: raises InvalidRequest for settings that do not belong together.
    mandatory_keys: the keys that its Secret must have for some settings; None where the table's row says it.
    url_quoted_keys: keys whose values are URL-quoted in the Job's copy, because the address contains them.
    namespace: the only namespace whose pods can reach the repository; empty where all can.
    claim: the manifest of the claim that kronkeep creates, by the storage's id; None where it creates none.
    fetch_space: asks the storage's server for its size; raises StorageFailed.
    """

    access: Callable[[BackupStorage, Any], RepositoryAccess]
    validate: Callable[[Any], None] = accept_settings
    mandatory_keys: Callable[[Any], tuple[str, ...]] | None = None
    url_quoted_keys: frozenset[str] = frozenset()
    namespace: Callable[[Any], str] = any_namespace
    claim: Callable[[str, Any], JsonObject | None] = no_claim
    fetch_space: Callable[[Any, Credentials], Awaitable[StorageSpace]] | None = None
